import { renameSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { Spool } from '../../../src/io/jetstream/spool.js';
import type { SpoolPart } from '../../../src/io/jetstream/spool-part.js';
import { SpoolPublisher } from '../../../src/io/jetstream/spool-publisher.js';
import { targetOf } from '../../../src/io/jetstream/target.js';
import { eventLine, RecordingFolder } from '../../support/recordings.js';

const folder = new RecordingFolder();
afterAll(() => folder[Symbol.dispose]());

const lines = Array.from({ length: 8 }, (_, n) => eventLine(n, `{"type":"${'x'.repeat(n)}"}`));
const [first = '', ...others] = lines;
const ignore = () => undefined;
const options = { ids: 'line', follow: false, onProblem: ignore, onNotice: ignore } as const;

function open(path: string, follow = false): Spool {
  return new Spool(path, { ...options, follow, prefix: 'p', signal: new AbortController().signal });
}

describe('a recording whose parts begin with the same line, as those of events that came together', () => {
  /** Writes a second part after a first one that a spool has opened. */
  async function twoParts() {
    const path = folder.write([first, ...others.slice(0, 2)]);
    const spool = open(path);
    await spool.open();
    renameSync(path, path.replace('.ndjson', '.000001.ndjson'));
    writeFileSync(path, [first, ...others.slice(2), ''].join('\n'));
    return { path, spool };
  }

  it('has all of their lines counted, each time', async () => {
    const { spool } = await twoParts();
    expect([await spool.countRest(), await spool.countRest()]).toEqual([9, 9]);
    await spool.close();
  });

  it('goes on in the part in which it was left', async () => {
    const { path, spool } = await twoParts();
    await spool.close();
    const offset = first.length + others[2]!.length + 2;
    const left = open(path);
    await left.open();
    const { part } = (await left.place())!;
    await left.close();
    const again = open(path);
    await again.open({ part, offset, line: 2 });
    expect(await again.fill()).toBe(true);
    expect(again.next()?.bytes.toString()).toBe(others[3]);
    await again.close();
  });
});

describe('a recording of which several parts are not settled', () => {
  it('keeps the place in each of them, counts the rest, and closes them all', async () => {
    const path = folder.write(lines.slice(0, 1));
    const spool = open(path);
    await spool.open();
    for (const n of [1, 2]) {
      renameSync(path, path.replace('.ndjson', `.00000${n}.ndjson`));
      writeFileSync(path, `${lines[n]}\n`);
    }
    const take = async () => {
      expect(await spool.fill()).toBe(true);
      return spool.next()!.place as { part: SpoolPart };
    };
    const one = await take();
    const two = await take();
    spool.onSettled(one);
    // Opens the third part while nothing of the second one is settled.
    const three = await take();
    expect(await spool.countRest()).toBe(2);
    spool.onSettled(two);
    expect(await spool.place()).toMatchObject({ line: 1 });
    expect(await spool.countRest(true)).toBe(1);
    const areOpen = () => [one, two, three].map(({ part }) => part.handle.fd >= 0);
    expect(areOpen()).toEqual([false, true, true]);
    await spool.close();
    expect(areOpen()).toEqual([false, false, false]);
  });
});

it('does not wait at the end of parts that were left long ago, which --keep may delete soon', async () => {
  const many = Array.from({ length: 40 }, (_, n) => eventLine(n, `{"n":${n}}`));
  const path = folder.write(many.slice(0, 1));
  const spool = open(path, true);
  await spool.open();
  for (const [n, line] of many.slice(1).entries()) {
    renameSync(path, path.replace('.ndjson', `.${String(n).padStart(6, '0')}.ndjson`));
    writeFileSync(path, `${line}\n`);
  }
  const startedAt = performance.now();
  const read: string[] = [];
  while (read.length < many.length && (await spool.fill())) {
    for (let line = spool.next(); line !== undefined; line = spool.next()) read.push(line.bytes.toString());
  }
  // A wait of 250 ms for each part would make 10 s.
  expect(performance.now() - startedAt).toBeLessThan(8000);
  expect(read).toEqual(many);
  await spool.close();
});

describe('a publisher that is closed while it opens its recording', () => {
  it('saves its place no more', async () => {
    const { signal } = new AbortController();
    const rest = { ...options, signal, persists: () => false };
    const publisher = new SpoolPublisher(folder.write(lines), targetOf('nats://127.0.0.1:1/S'), rest);
    const place = vi.spyOn(publisher.spool, 'place');
    void publisher.run();
    expect(await publisher.close()).toBe(lines.length);
    const saves = place.mock.calls.length;
    await delay(700);
    expect(place).toHaveBeenCalledTimes(saves);
  });
});
