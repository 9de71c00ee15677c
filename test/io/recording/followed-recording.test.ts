import { appendFileSync, renameSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { RecordingCursor } from '../../../src/io/recording/cursor.js';
import type { FollowedPart, Place } from '../../../src/io/recording/followed-part.js';
import { FollowedRecording } from '../../../src/io/recording/followed-recording.js';
import { eventLine, RecordingFolder } from '../../support/recordings.js';

const folder = new RecordingFolder();
afterAll(() => folder[Symbol.dispose]());

const lines = Array.from({ length: 8 }, (_, n) => eventLine(n, `{"type":"${'x'.repeat(n)}"}`));
const [first = '', ...others] = lines;
const reading = { skipJsonCheck: false, noteData: false, checkTimes: false, isOnly: false };

/** A recording that has come to its end, or to the end of what is there. */
function follow(path: string, hasEnded = true) {
  const deleted: number[] = [];
  const recording = new FollowedRecording(path, {
    onChange: () => undefined,
    onDeleted: (lines) => deleted.push(lines),
  });
  recording.hasEnded = hasEnded;
  const start = (): Place<FollowedPart> => ({ part: recording.current!, offset: 0, line: 0 });
  return { recording, deleted, start };
}

const partOf = (path: string, n: number) => path.replace('.ndjson', `.${String(n).padStart(6, '0')}.ndjson`);

/** Finishes the current part, and begins the next one. */
function rotate(path: string, n: number, next: readonly string[]): void {
  renameSync(path, partOf(path, n));
  writeFileSync(path, next.map((line) => `${line}\n`).join(''));
}

describe('a recording whose parts begin with the same line, as those of events that came together', () => {
  const twoParts = () => {
    const path = folder.write([first, ...others.slice(0, 2)]);
    const followed = follow(path);
    return { path, ...followed, begin: () => rotate(path, 1, [first, ...others.slice(2)]) };
  };

  it('has all of their lines counted, each time', async () => {
    const { recording, start, begin } = twoParts();
    await recording.open();
    begin();
    expect([await recording.countAfter(start()), await recording.countAfter(start())]).toEqual([9, 9]);
    await recording.close();
  });

  it('goes on in the part in which it was left', async () => {
    const { path, recording, begin } = twoParts();
    begin();
    await recording.open();
    const part = (await recording.current!.fingerprint())!;
    await recording.close();
    const again = follow(path).recording;
    const offset = first.length + others[2]!.length + 2;
    const cursor = new RecordingCursor(await again.open({ part, offset, line: 2 }), reading, () => undefined);
    expect(await cursor.fill()).toBe(true);
    expect([cursor.next(), cursor.number]).toEqual([true, 3]);
    const { bytes, start, end } = cursor.line;
    expect(bytes.toString('utf8', start, end)).toBe(others[3]);
    await again.close();
  });
});

describe('a recording of which several parts are not settled', () => {
  it('counts their lines, and closes each when the ones before it are settled', async () => {
    const path = folder.write(lines.slice(0, 1));
    const { recording, deleted } = follow(path);
    const cursor = new RecordingCursor(await recording.open(), reading, () => undefined);
    for (const n of [1, 2]) rotate(path, n, lines.slice(n, n + 1));
    const take = async (): Promise<Place<FollowedPart>> => {
      while (!cursor.next()) expect(await cursor.fill()).toBe(true);
      return { part: recording.current!, offset: cursor.nextOffset, line: cursor.number };
    };
    const places = [await take(), await take(), await take()];
    expect(await recording.countAfter(places[0]!)).toBe(2);
    recording.settle(places[1]!.part);
    expect(await recording.countAfter(places[1]!)).toBe(1);
    const areOpen = () => places.map(({ part }) => part.handle.fd >= 0);
    expect(areOpen()).toEqual([false, true, true]);
    // Of a deleted file only its time tells what comes later.
    utimesSync(path, new Date(), new Date(Date.now() + 1000));
    unlinkSync(path);
    expect(await recording.countAfter(places[1]!)).toBe(1);
    // The file is gone when it is closed.
    expect(await recording.countAfter(places[1]!, true)).toBe(0);
    expect(deleted).toEqual([1]);
    await recording.close();
    expect(areOpen()).toEqual([false, false, false]);
  });
});

it('more parts than may be open are read all the same, and said to be more than are counted', async () => {
  const path = folder.write(lines.slice(0, 1));
  const { recording, start } = follow(path);
  const cursor = new RecordingCursor(await recording.open(), reading, () => undefined);
  for (let n = 1; n <= 700; n++) rotate(path, n, [eventLine(n, '{"type":"x"}')]);
  expect([await recording.countAfter(start()), recording.isFull]).toEqual([500, true]);
  let count = 0;
  do {
    while (cursor.next()) count++;
    recording.settle(recording.current!);
  } while (await cursor.fill());
  expect([count, await recording.countAfter(start()), recording.isFull]).toEqual([701, 1, false]);
  await recording.close();
});

describe('a recording with parts that were not read yet', () => {
  it('counts the lines of those that are deleted', async () => {
    const path = folder.write(lines.slice(0, 1));
    const { recording, deleted, start } = follow(path);
    await recording.open();
    rotate(path, 1, lines.slice(0, 3));
    await recording.lookAhead();
    rotate(path, 2, lines.slice(0, 5));
    appendFileSync(partOf(path, 2), '{"torn');
    await recording.lookAhead();
    for (const n of [1, 2]) unlinkSync(partOf(path, n));
    expect(await recording.countAfter(start(), true)).toBe(5);
    expect(deleted).toEqual([3, 1]);
    expect(recording.deletedLines).toBe(4);
    await recording.close();
  });

  it('opens none of them when it is closed meanwhile', async () => {
    const path = folder.write(lines.slice(0, 1));
    const { recording } = follow(path, false);
    const source = await recording.open();
    rotate(path, 1, lines.slice(1));
    const next = source.next!();
    await recording.close();
    await next;
    expect(recording.current?.handle.fd).toBe(-1);
    expect(await source.next!()).toBeUndefined();
  });
});

it('does not wait at the end of parts that were left long ago, which --keep may delete soon', async () => {
  const many = Array.from({ length: 40 }, (_, n) => eventLine(n, `{"n":${n}}`));
  const path = folder.write(many.slice(0, 1));
  const { recording } = follow(path, false);
  const cursor = new RecordingCursor(await recording.open(), reading, () => undefined);
  for (const [n, line] of many.slice(1).entries()) {
    renameSync(path, path.replace('.ndjson', `.${String(n).padStart(6, '0')}.ndjson`));
    writeFileSync(path, `${line}\n`);
  }
  const read: string[] = [];
  let waits = 0;
  while (read.length < many.length && (await cursor.fill())) {
    if (cursor.isCaughtUp) waits++;
    while (cursor.next()) read.push(cursor.line.bytes.toString('utf8', cursor.line.start, cursor.line.end));
  }
  expect(read).toEqual(many);
  // For the last part only.
  expect(waits).toBeLessThanOrEqual(1);
  await recording.close();
});
