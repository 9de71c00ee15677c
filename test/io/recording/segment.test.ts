import { randomBytes } from 'node:crypto';
import { constants, gunzipSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import type { OpenedFile } from '../../../src/io/recording/recording-files.js';
import { RecordingWriter } from '../../../src/io/recording/recording-writer.js';
import { Segment, type WritableFile } from '../../../src/io/recording/segment.js';
import { eventually } from '../../support/time-limits.js';

vi.mock('node:timers', () => import('../../support/late-timers.js'));

/** Answer of the disk to one write: it takes this many bytes, or fails with this code. */
type Answer = number | 'EAGAIN' | 'EINTR' | 'EIO' | 'ENOSPC' | 'EFBIG' | 'EDQUOT';

/** A file on a disk that answers each write as it is told. */
class FakeFile implements WritableFile {
  content = Buffer.alloc(0);
  readonly answers: Answer[];
  syncs = 0;
  closed = false;
  syncError: string | undefined;

  constructor(...answers: Answer[]) {
    this.answers = answers;
  }

  async write(buffer: Buffer, offset: number, length: number) {
    const answer = this.answers.shift() ?? length;
    if (typeof answer === 'string') throw Object.assign(new Error(`${answer}: fake`), { code: answer });
    const taken = Math.min(answer, length);
    this.content = Buffer.concat([this.content, buffer.subarray(offset, offset + taken)]);
    return { bytesWritten: taken };
  }
  async truncate(length: number) {
    this.content = this.content.subarray(0, length);
  }
  async sync() {
    this.syncs++;
    if (this.syncError !== undefined) throw Object.assign(new Error('fake'), { code: this.syncError });
  }
  async stat() {
    return { size: this.content.length, nlink: 1, isFile: () => true };
  }
  async close() {
    this.closed = true;
  }
}

const data = Buffer.from('{"n":1}\n{"n":2}\n{"n":3}\n');
const three = { bytes: data, count: 3 };

/** A recording on such a disk. */
function recordingIn(file: FakeFile): RecordingWriter {
  const opened = { path: 'capture', handle: file, size: 0, identity: '', isNew: false };
  return new RecordingWriter(opened as unknown as OpenedFile, undefined, {});
}

describe('a segment on a disk that fails', () => {
  test('short writes, EAGAIN and EINTR lose and repeat nothing', async () => {
    const file = new FakeFile(1, 'EAGAIN', 5, 'EINTR', 'EAGAIN', 'EAGAIN', 7, 0, 2);
    const segment = new Segment('f', file, 0, { lines: 0, bytes: 0 });
    await segment.append(data, 3);
    await segment.append(data, 3);
    expect(file.content.equals(Buffer.concat([data, data]))).toBe(true);
    expect(segment.size).toBe(2 * data.length);
    await segment.close();
    expect([file.syncs, file.closed]).toEqual([1, true]);
  });

  test.each([
    ['ENOSPC', 'ENOSPC', 'the disk is full'],
    ['EFBIG', 'EFBIG', 'larger than this process may write'],
    ['EDQUOT', 'EDQUOT', 'the disk quota is used up'],
    ['EIO', 'EIO', 'the disk or device has failed'],
  ] as const)(
    '%s: the file ends with the last whole line, and the lines in it are counted',
    async (_, code, why) => {
      for (const [taken, whole] of [
        [0, 0],
        [7, 0],
        [8, 1],
        [20, 2],
        [23, 2],
      ] as const) {
        const file = new FakeFile(data.length, taken, code);
        const written = { lines: 0, bytes: 0 };
        const segment = new Segment('capture', file, 0, written);
        await segment.append(data, 3);
        const failure = await segment.append(data, 3).catch((error: unknown) => error);
        expect(failure).toMatchObject({
          code: 'LOCAL',
          message: expect.stringContaining(`capture cannot be written: `),
        });
        expect(written).toEqual({ lines: 3 + whole, bytes: data.length + whole * 8 });
        expect((failure as Error).message).toContain(why);
        expect(file.content.toString()).toBe(data.toString() + data.toString().slice(0, whole * 8));
        // The lines before the failure are on the disk at the end.
        await segment.close();
        expect([file.syncs, file.closed]).toEqual([1, true]);
      }
    },
  );

  test('a failed sync is not tried again, and every later call reports it', async () => {
    for (const isReported of [true, false]) {
      const file = new FakeFile();
      file.syncError = 'EIO';
      const writer = recordingIn(file);
      await writer.write(three);
      await eventually(() => expect(file.syncs).toBe(1));
      for (const _ of isReported ? [1, 2] : []) await expect(writer.write(three)).rejects.toThrow('EIO');
      expect(writer.lines).toBe(3);
      if (isReported) await writer.close();
      else await expect(writer.close()).rejects.toThrow('the disk or device has failed');
      expect([file.syncs, file.closed]).toEqual([1, true]);
    }
  });

  test.each(['EINVAL', 'ENOTSUP', 'EROFS'])(
    '%s from a sync is not a failure: pipes and devices have no disk',
    async (code) => {
      const file = new FakeFile();
      file.syncError = code;
      const segment = new Segment('pipe', file, 0, { lines: 0, bytes: 0 });
      await segment.append(data, 3);
      await segment.close();
      expect(file.syncs).toBe(1);
    },
  );
});

test('written lines are on the disk within a second, and nothing is synced without need', async () => {
  vi.useFakeTimers();
  try {
    const file = new FakeFile();
    const writer = recordingIn(file);
    await vi.advanceTimersByTimeAsync(5000);
    expect(file.syncs).toBe(0);
    await writer.write(three);
    await vi.advanceTimersByTimeAsync(1000);
    expect(file.syncs).toBe(1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(file.syncs).toBe(1);
    for (let i = 0; i < 50; i++) {
      await writer.write(three);
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(file.syncs).toBeGreaterThanOrEqual(6);
    await writer.write(three);
    const before = file.syncs;
    await writer.close();
    await writer.close();
    expect(file.syncs).toBe(before + 1);
  } finally {
    vi.useRealTimers();
  }
});

test('lines are in the file while the disk is busy with those before', async () => {
  const file = new FakeFile();
  let finish = () => {};
  file.sync = () => new Promise<void>((resolve) => (finish = resolve)).then(() => void file.syncs++);
  const writer = recordingIn(file);
  await writer.write(three);
  await new Promise((resolve) => setTimeout(resolve, 1200));
  await writer.write(three);
  expect(file.content.toString()).toBe(data.toString().repeat(2));
  const closing = writer.close();
  file.sync = async () => void file.syncs++;
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(file.closed).toBe(false);
  finish();
  await closing;
  expect([file.syncs, file.closed]).toEqual([2, true]);
});

test.each(['capture', 'capture.gz'])(
  'what someone else has left of %s stays as it is when the disk is full',
  async (name) => {
    const file = new FakeFile();
    const segment = new Segment(name, file, 0, { lines: 0, bytes: 0 });
    await segment.append(data, 3);
    await segment.flush();
    const left = file.content.subarray(0, 4);
    file.content = left;
    file.answers.push(5, 'ENOSPC');
    const failing = segment.append(data, 3).then(() => segment.flush());
    await expect(failing).rejects.toThrow('the disk is full');
    expect(file.content).toEqual(left);
  },
);

describe('a compressed segment on a disk that fails', () => {
  const full = 'capture.gz cannot be written: the disk is full (ENOSPC)';

  test('ends with whole lines, in a whole member if there is room for its end', async () => {
    for (const more of [[], ['ENOSPC'], [3, 'ENOSPC']] as const) {
      // The data of two flushes, and then the disk is full.
      const file = new FakeFile(1000, 1000, 5, 'ENOSPC', ...more);
      const written = { lines: 0, bytes: 0 };
      const segment = new Segment('capture.gz', file, 0, written);
      await segment.append(data, 3);
      await segment.flush();
      await segment.append(data, 3);
      await segment.flush();
      const safe = segment.size;
      await segment.append(data, 3);
      await expect(segment.flush()).rejects.toThrow(full);
      expect(written).toEqual({ lines: 6, bytes: 2 * data.length });
      await segment.close();
      expect(file.closed).toBe(true);
      expect(segment.size).toBe(file.content.length);
      const torn = { finishFlush: constants.Z_SYNC_FLUSH };
      const hasRoom = more.length === 0;
      expect(gunzipSync(file.content, hasRoom ? {} : torn).toString()).toBe(data.toString().repeat(2));
      if (!hasRoom) expect(file.content.length).toBe(safe);
    }
  });

  test('ends with the last line that is whole in it, even when much of the next one was written', async () => {
    const file = new FakeFile();
    const written = { lines: 0, bytes: 0 };
    const segment = new Segment('capture.gz', file, 0, written);
    await segment.append(data, 3);
    await segment.flush();
    const noise = Buffer.from(`{"noise":"${randomBytes(500_000).toString('base64')}"}\n`);
    file.answers.push(100_000, 'ENOSPC');
    await expect(segment.append(noise, 1)).rejects.toThrow('the disk is full');
    expect(written.lines).toBe(3);
    expect(gunzipSync(file.content).toString()).toBe(data.toString());
  });

  test('ends its member by hand when there is no room for more than that', async () => {
    const file = new FakeFile();
    const segment = new Segment('capture.gz', file, 0, { lines: 0, bytes: 0 });
    await segment.append(data, 3);
    await segment.flush();
    await segment.append(data, 3);
    file.answers.push('ENOSPC');
    await expect(segment.close()).rejects.toThrow(full);
    expect(gunzipSync(file.content).toString()).toBe(data.toString());
  });

  test('leaves nothing when not even the first lines could be written', async () => {
    const file = new FakeFile(10, 'ENOSPC');
    const segment = new Segment('capture.gz', file, 0, { lines: 0, bytes: 0 });
    await segment.append(data, 3);
    await expect(segment.flush()).rejects.toThrow(full);
    expect(file.content.length).toBe(0);
  });
});
