import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { withLock } from '../../../src/cli/connection/private-files.js';

const folder = await mkdtemp(join(tmpdir(), 'opmas-private-'));
afterAll(() => rm(folder, { recursive: true }));

describe('work under a lock', () => {
  it('is done by one at a time, though all of them find the lock of a dead process', async () => {
    const round = async (number: number) => {
      const path = join(folder, `file-${number}`);
      await writeFile(`${path}.lock`, JSON.stringify({ pid: 999_999_999, host: hostname() }));
      let inside = 0;
      let most = 0;
      const work = async () => {
        most = Math.max(most, ++inside);
        for (let turn = 0; turn < 5; turn++) await nextTurn();
        inside--;
      };
      await Promise.all(Array.from({ length: 12 }, () => withLock(path, work)));
      expect(most).toBe(1);
    };
    // A few at a time: a worker that waits for 12 s goes on without the lock, and a busy machine is slow.
    for (let first = 0; first < 20; first += 4)
      await Promise.all(Array.from({ length: 4 }, (_, number) => round(first + number)));
    expect(await readdir(folder)).toEqual([]);
  });

  it('does not remove a lock that another process has taken over', async () => {
    const path = join(folder, 'taken-over');
    const theirs = '{"pid":1,"host":"elsewhere.example"}';
    await withLock(path, () => writeFile(`${path}.lock`, theirs));
    expect(await readFile(`${path}.lock`, 'utf8')).toBe(theirs);
    await rm(`${path}.lock`);
  });

  it('works without a lock where nothing can be written, because the work itself reports the cause', async () => {
    const noFolder = join(folder, 'no-folder');
    await writeFile(noFolder, '');
    expect(await withLock(join(noFolder, 'file'), async () => 'done')).toBe('done');
  });
});
