import { constants, gunzipSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { GzipPart } from '../../../src/io/recording/gzip-part.js';
import { PartFile, type WritableFile, WriteFailure } from '../../../src/io/recording/part-file.js';

/** What the fake disk does with one write: takes so many bytes, or fails with a code. */
type Mood = number | 'EAGAIN' | 'EINTR' | 'EIO' | 'ENOSPC' | 'EFBIG' | 'EDQUOT';

/** A file on a disk with moods. */
class FakeFile implements WritableFile {
  content = Buffer.alloc(0);
  readonly moods: Mood[];
  syncs = 0;
  closed = false;
  syncError: string | undefined;

  constructor(...moods: Mood[]) {
    this.moods = moods;
  }

  async write(buffer: Buffer, offset: number, length: number) {
    const mood = this.moods.shift() ?? length;
    if (typeof mood === 'string') throw Object.assign(new Error(`${mood}: fake`), { code: mood });
    const taken = Math.min(mood, length);
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
    return { size: this.content.length, nlink: 1 };
  }
  async close() {
    this.closed = true;
  }
}

const data = Buffer.from('{"n":1}\n{"n":2}\n{"n":3}\n');

describe('a disk with moods', () => {
  test('short writes, EAGAIN and EINTR: the rest is written, in order, once', async () => {
    const file = new FakeFile(1, 'EAGAIN', 5, 'EINTR', 'EAGAIN', 'EAGAIN', 7, 0, 2);
    const part = new PartFile('f', file, 0);
    await part.append(data, 3);
    await part.append(data, 3);
    expect(file.content.equals(Buffer.concat([data, data]))).toBe(true);
    expect(part.size).toBe(2 * data.length);
    await part.close();
    expect([file.syncs, file.closed]).toEqual([1, true]);
  });

  test.each([
    ['ENOSPC', 'ENOSPC', 'the disk is full'],
    ['EFBIG', 'EFBIG', 'larger than this process may write'],
    ['EDQUOT', 'EDQUOT', 'the disk quota is used up'],
    ['EIO', 'EIO', 'the disk has failed'],
  ] as const)('%s: cut back to the last whole line, and what is lost is said', async (_, code, why) => {
    for (const [taken, whole] of [
      [0, 0],
      [7, 0],
      [8, 1],
      [20, 2],
      [23, 2],
    ] as const) {
      const file = new FakeFile(data.length, taken, code);
      const part = new PartFile('capture', file, 0);
      await part.append(data, 3);
      const failure = await part.append(data, 3).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(WriteFailure);
      expect(failure).toMatchObject({
        message: expect.stringContaining(`capture cannot be written: `),
        lostLines: 3 - whole,
        lostBytes: data.length - whole * 8,
      });
      expect((failure as Error).message).toContain(why);
      expect(file.content.toString()).toBe(data.toString() + data.toString().slice(0, whole * 8));
      await part.close();
      expect(file.syncs).toBe(1);
    }
  });

  test('a failed fsync is not tried again and not called good', async () => {
    const file = new FakeFile();
    file.syncError = 'EIO';
    const part = new PartFile('capture', file, 0);
    await part.append(data, 3);
    await vi.waitFor(() => expect(file.syncs).toBe(1), { timeout: 5000 });
    await expect(part.append(data, 3)).rejects.toMatchObject({
      lostLines: 3,
      message: expect.stringContaining('EIO'),
    });
    await expect(part.close()).rejects.toThrow('the disk has failed');
    expect([file.syncs, file.closed]).toEqual([1, true]);
  });

  test.each(['EINVAL', 'ENOTSUP', 'EROFS'])(
    '%s from fsync is no fault: pipes and devices have no disk',
    async (code) => {
      const file = new FakeFile();
      file.syncError = code;
      const part = new PartFile('pipe', file, 0);
      await part.append(data, 3);
      await part.close();
      expect(file.syncs).toBe(1);
    },
  );
});

test('what was written is on the disk within a second, and only when there is something', async () => {
  vi.useFakeTimers();
  try {
    const file = new FakeFile();
    const part = new PartFile('f', file, 0);
    await vi.advanceTimersByTimeAsync(5000);
    expect(file.syncs).toBe(0);
    await part.append(data, 3);
    await vi.advanceTimersByTimeAsync(1000);
    expect(file.syncs).toBe(1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(file.syncs).toBe(1);
    for (let i = 0; i < 50; i++) {
      await part.append(data, 3);
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(file.syncs).toBeGreaterThanOrEqual(6);
    await part.append(data, 3);
    await part.close();
    const syncs = file.syncs;
    await part.close();
    expect(file.syncs).toBe(syncs);
  } finally {
    vi.useRealTimers();
  }
});

describe('a compressed recording on a disk with moods', () => {
  test('is cut back to what can be unpacked to whole lines, and all after that is lost', async () => {
    // The beginning of the member, what the first flush gives, and then the disk is full.
    const file = new FakeFile(1000, 1000, 5, 'ENOSPC');
    const part = new GzipPart(new PartFile('capture.gz', file, 0), (task) => task());
    await part.append(data, 3);
    await vi.waitFor(() => expect(part.size).toBeGreaterThan(20), { timeout: 5000 });
    const safe = part.size;
    await part.append(data, 3);
    await vi.waitFor(() => expect(file.moods).toEqual([]), { timeout: 5000 });
    await expect(part.append(data, 3)).rejects.toMatchObject({
      lostLines: 6,
      lostBytes: 2 * data.length,
      message: 'capture.gz cannot be written: the disk is full (ENOSPC)',
    });
    await expect(part.close()).rejects.toThrow(WriteFailure);
    expect(file.closed).toBe(true);
    expect(file.content.length).toBe(safe);
    const torn = { finishFlush: constants.Z_SYNC_FLUSH };
    expect(gunzipSync(file.content, torn).toString()).toBe(data.toString());
  });
});
