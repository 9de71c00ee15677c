import { renameSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { Spool } from '../../../src/io/jetstream/spool.js';
import { eventLine, RecordingFolder } from '../../support/recordings.js';

describe('a recording whose parts begin with the same line, as those of events that came together', () => {
  const folder = new RecordingFolder();
  afterAll(() => folder[Symbol.dispose]());

  const lines = Array.from({ length: 8 }, (_, n) => eventLine(n, `{"type":"${'x'.repeat(n)}"}`));
  const [first = '', ...others] = lines;
  const open = (path: string) => {
    const { signal } = new AbortController();
    const ignore = () => undefined;
    const rest = { follow: false, signal, onProblem: ignore, onNotice: ignore };
    return new Spool(path, { prefix: 'p', ids: 'line', ...rest });
  };
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
