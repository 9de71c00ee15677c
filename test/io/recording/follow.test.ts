import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openRecording, type ReadRecordingOptions, readRecording } from '../../../src/index.js';
import { eventLine, numbered, numberOf } from '../../support/recordings.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'opmas-follow-'));
  path = join(folder, 'capture.ndjson');
});
afterEach(() => rmSync(folder, { recursive: true }));

const line = (n: number, endpoint = 'devices') => `${eventLine(n * 1000, numbered(n, endpoint), endpoint)}\n`;
const linesOf = (...numbers: number[]) => numbers.map((n) => line(n)).join('');

/** Follows recordings. */
class Follower {
  readonly messages: string[] = [];
  readonly #stopping = new AbortController();
  readonly #batches: AsyncGenerator<{ bytes: Buffer }>;
  #numbers: number[] = [];

  constructor(paths: string[] = [path], options: ReadRecordingOptions = {}) {
    const { signal } = this.#stopping;
    const onProblem = ({ message }: { message: string }) => this.messages.push(message);
    this.#batches = readRecording(paths, { follow: true, signal, onProblem, ...options });
  }

  /** The numbers of the next events, so many of them. */
  async next(count: number): Promise<number[]> {
    while (this.#numbers.length < count) {
      const { value } = await this.#batches.next();
      if (value === undefined) break;
      this.#numbers.push(...value.bytes.toString().trimEnd().split('\n').map(numberOf));
    }
    return this.#numbers.splice(0, count);
  }

  /** Stops, and returns the numbers of events that came beside those that were asked for. */
  async stop(): Promise<number[]> {
    this.#stopping.abort();
    for await (const { bytes } of this.#batches) {
      this.#numbers.push(...bytes.toString().trimEnd().split('\n').map(numberOf));
    }
    return this.#numbers;
  }
}

describe('a recording that is followed', () => {
  it('is read to its end, and then as it grows', async () => {
    writeFileSync(path, linesOf(0, 1));
    const follower = new Follower();
    expect(await follower.next(2)).toEqual([0, 1]);
    appendFileSync(path, linesOf(2));
    expect(await follower.next(1)).toEqual([2]);
    expect(await follower.stop()).toEqual([]);
    expect(follower.messages).toEqual([]);
  });

  it('has its last line when the line feed has come, and no torn line when the reading is stopped', async () => {
    const torn = line(1).slice(0, 50);
    writeFileSync(path, linesOf(0) + torn);
    const follower = new Follower();
    expect(await follower.next(1)).toEqual([0]);
    const next = follower.next(1);
    appendFileSync(path, line(1).slice(50) + torn);
    expect(await next).toEqual([1]);
    expect(await follower.stop()).toEqual([]);
    expect(follower.messages).toEqual([]);
  });

  it('may come later', async () => {
    const follower = new Follower();
    const first = follower.next(1);
    await expect.poll(() => follower.messages).toEqual([`${path} is not there: waiting for it`]);
    writeFileSync(path, linesOf(0));
    expect(await first).toEqual([0]);
    await follower.stop();
  });

  it('goes on in the next file when it is renamed, with what was written to the old one until then', async () => {
    writeFileSync(path, linesOf(0));
    const follower = new Follower();
    expect(await follower.next(1)).toEqual([0]);
    renameSync(path, `${path}.1`);
    appendFileSync(`${path}.1`, linesOf(1));
    expect(await follower.next(1)).toEqual([1]);
    appendFileSync(`${path}.1`, linesOf(2));
    writeFileSync(path, linesOf(3));
    expect(await follower.next(2)).toEqual([2, 3]);
    await follower.stop();
  });

  it('misses no part of a recorder that rotates faster than it looks', async () => {
    const recording = await openRecording(path, { rotateBytes: 300 });
    const write = (n: number) => recording.write({ bytes: Buffer.from(line(n)), count: 1 });
    await write(0);
    const follower = new Follower();
    expect(await follower.next(1)).toEqual([0]);
    for (let n = 1; n < 12; n++) await write(n);
    expect(await follower.next(11)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(recording.files).toBeGreaterThan(4);
    await follower.stop();
    await recording.close();
  });

  it.each([
    ['shorter', linesOf(5)],
    ['as long', linesOf(5, 6)],
    ['longer', linesOf(5, 6, 7)],
  ])('begins again when it is truncated, also when it is %s by then', async (_title, text) => {
    writeFileSync(path, linesOf(0, 1));
    const follower = new Follower();
    expect(await follower.next(2)).toEqual([0, 1]);
    copyFileSync(path, `${path}.1`);
    truncateSync(path);
    appendFileSync(path, text);
    expect(await follower.next(text.split('\n').length - 1)).toEqual(
      [5, 6, 7].slice(0, text.split('\n').length - 1),
    );
    expect(follower.messages).toEqual([`${path} was truncated: reading goes on from its start`]);
    await follower.stop();
  });

  it('is deleted and made again: says so, and waits', async () => {
    writeFileSync(path, linesOf(0) + line(1).slice(0, 40));
    const follower = new Follower();
    expect(await follower.next(1)).toEqual([0]);
    rmSync(path);
    const next = follower.next(1);
    await expect.poll(() => follower.messages.length).toBe(1);
    writeFileSync(path, linesOf(2));
    expect(await next).toEqual([2]);
    await follower.stop();
    expect(follower.messages).toEqual([
      `${path} is not there: waiting for it`,
      expect.stringMatching(/:2: the last line is torn \(40 bytes/),
    ]);
  });

  it('gives its last events first, then all that match', async () => {
    writeFileSync(path, linesOf(0, 1, 2, 3));
    const follower = new Follower([path], { last: 2 });
    expect(await follower.next(2)).toEqual([2, 3]);
    appendFileSync(path, linesOf(4, 5, 6));
    expect(await follower.next(3)).toEqual([4, 5, 6]);
    await follower.stop();
  });

  it.each<[string, ReadRecordingOptions]>([
    ['its time', { to: 5000 }],
    ['its time, after its last events', { to: 5000, last: 2 }],
  ])('ends behind the part that was asked for: %s', async (_title, options) => {
    writeFileSync(path, linesOf(0, 1));
    const follower = new Follower([path], options);
    expect(await follower.next(2)).toEqual([0, 1]);
    appendFileSync(path, linesOf(2, 100, 101));
    expect(await follower.next(9)).toEqual([2]);
    expect(follower.messages).toEqual([]);
  });

  it('has neighbors: each goes on by itself', async () => {
    const other = join(folder, 'other.ndjson');
    writeFileSync(path, linesOf(0, 2));
    writeFileSync(other, linesOf(1, 3));
    const follower = new Follower([path, other], { from: -2000 });
    expect(await follower.next(3)).toEqual([1, 2, 3]);
    appendFileSync(other, linesOf(5));
    expect(await follower.next(1)).toEqual([5]);
    appendFileSync(path, linesOf(4));
    expect(await follower.next(1)).toEqual([4]);
    await follower.stop();
  });

  it('goes on in the next file when that has lines: its writer may take its time', async () => {
    writeFileSync(path, linesOf(0));
    const follower = new Follower();
    expect(await follower.next(1)).toEqual([0]);
    renameSync(path, `${path}.1`);
    writeFileSync(path, '');
    const next = follower.next(2);
    await delay(700);
    appendFileSync(`${path}.1`, linesOf(1));
    appendFileSync(path, linesOf(2));
    expect(await next).toEqual([1, 2]);
    await follower.stop();
    expect(follower.messages).toEqual([]);
  });

  it('is not read again when only a line that was not whole was cut off, as on a full disk', async () => {
    writeFileSync(path, linesOf(0, 1));
    const follower = new Follower();
    expect(await follower.next(2)).toEqual([0, 1]);
    const next = follower.next(1);
    appendFileSync(path, line(2).slice(0, 50));
    await delay(400);
    truncateSync(path, linesOf(0, 1).length);
    await delay(400);
    appendFileSync(path, linesOf(3));
    expect(await next).toEqual([3]);
    expect(await follower.stop()).toEqual([]);
    expect(follower.messages).toEqual([]);
  });

  it('is compressed, and rotated', async () => {
    const packed = `${path}.gz`;
    const recording = await openRecording(packed, { rotateBytes: 200 });
    const write = async (n: number) => {
      await recording.write({ bytes: Buffer.from(line(n)), count: 1 });
      // Compressed data reaches the file within half a second.
      await delay(600);
    };
    const follower = new Follower([packed]);
    for (let n = 0; n < 4; n++) {
      await write(n);
      expect(await follower.next(1)).toEqual([n]);
    }
    expect(recording.files).toBeGreaterThan(1);
    await follower.stop();
    expect(follower.messages).toEqual([]);
    await recording.close();
  });

  it('is refused when its folder is not there', async () => {
    const batches = readRecording(join(folder, 'nowhere/capture.ndjson'), { follow: true });
    const message = expect.stringMatching(/there is no such file/);
    await expect(batches.next()).rejects.toMatchObject({ code: 'USAGE', message });
  });
});
