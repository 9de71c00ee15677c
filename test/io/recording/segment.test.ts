import { randomBytes } from 'node:crypto';
import { constants, gunzipSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { OpmasError } from '../../../src/core/errors.js';
import { Segment, type WritableFile } from '../../../src/io/recording/segment.js';

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
    ['EIO', 'EIO', 'the disk has failed'],
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
        // A failure is reported again at the end; the lines before it are on the disk.
        await expect(segment.close()).rejects.toThrow(OpmasError);
        expect([file.syncs, file.closed]).toEqual([1, true]);
      }
    },
  );

  test('a failed sync is not tried again, and every later call reports it', async () => {
    const file = new FakeFile();
    file.syncError = 'EIO';
    const written = { lines: 0, bytes: 0 };
    const segment = new Segment('capture', file, 0, written);
    await segment.append(data, 3);
    await vi.waitFor(() => expect(file.syncs).toBe(1), { timeout: 5000 });
    await expect(segment.append(data, 3)).rejects.toThrow('EIO');
    expect(written.lines).toBe(3);
    await expect(segment.close()).rejects.toThrow('the disk has failed');
    expect([file.syncs, file.closed]).toEqual([1, true]);
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
    const segment = new Segment('f', file, 0, { lines: 0, bytes: 0 });
    await vi.advanceTimersByTimeAsync(5000);
    expect(file.syncs).toBe(0);
    await segment.append(data, 3);
    await vi.advanceTimersByTimeAsync(1000);
    expect(file.syncs).toBe(1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(file.syncs).toBe(1);
    for (let i = 0; i < 50; i++) {
      await segment.append(data, 3);
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(file.syncs).toBeGreaterThanOrEqual(6);
    await segment.append(data, 3);
    await segment.close();
    const syncs = file.syncs;
    await segment.close();
    expect(file.syncs).toBe(syncs);
  } finally {
    vi.useRealTimers();
  }
});

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
      await expect(segment.append(data, 3)).rejects.toThrow(full);
      expect(written).toEqual({ lines: 6, bytes: 2 * data.length });
      await expect(segment.close()).rejects.toThrow(OpmasError);
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
