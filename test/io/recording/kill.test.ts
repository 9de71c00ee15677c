import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openRecording, type ReadProblem, readRecording } from '../../../src/index.js';

/** Number of recordings that are cut off by a kill; `npm run test:kill` has 1,000. */
const ROUNDS = Number(process.env.OPMAS_KILL_ROUNDS ?? 50);
const PER_PROCESS = 10;
/** Lines that were handed over this long before the kill are in the file. */
const MAX_LOSS_MS = 1000;
const program = join(import.meta.dirname, 'programs/recorders.mjs');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'opmas-kill-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** The last number that had been handed over to a recording long enough before the end; -1 = none. */
function surelyWritten(said: string, recording: number): number {
  const reports = said
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split(' ').map(Number) as [at: number, number: number, time: number]);
  // On a busy machine a process may have stood still for long before it was killed.
  const end = Math.max(...reports.map(([, , time]) => time));
  const early = reports.filter(([at, , time]) => at === recording && time < end - MAX_LOSS_MS);
  return early.at(-1)?.[1] ?? -1;
}

async function numbersOf(paths: string[], strict = false) {
  const numbers: number[] = [];
  const problems: ReadProblem[] = [];
  const options = {
    strict,
    onProblem: (problem: ReadProblem) => problems.push(problem),
    keep: (line: { frame: { value: Record<string, unknown> } }) => {
      numbers.push(line.frame.value.n as number);
      return false;
    },
  };
  for await (const _ of readRecording(paths, options)) throw new Error('nothing is kept');
  return { numbers, problems };
}

async function partsOf(own: string): Promise<string[]> {
  const names = (await readdir(own)).filter((name) => !name.endsWith('.lock'));
  return names.sort().map((name) => join(own, name));
}

/** Kills a process that writes ten recordings, and checks what is left of each. */
async function killOnce(round: number): Promise<void> {
  const names = ['plain.ndjson', 'rotated.ndjson', 'packed.ndjson.gz'];
  const folders = Array.from({ length: PER_PROCESS }, (_, i) => join(folder, `${round}-${i}`));
  for (const own of folders) await mkdir(own);
  const paths = folders.map((own, i) => join(own, names[i % names.length]!));
  const child = spawn(process.execPath, [program, ...paths], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await once(child.stdout, 'data');
  const lifeMs = Math.random() ** 2 * 2500;
  await delay(lifeMs);
  child.kill('SIGKILL');
  await once(child, 'close');

  for (const [i, path] of paths.entries()) {
    const sure = surelyWritten(said, i);
    // Killed before anything was flushed.
    if (sure < 0 && !existsSync(path)) continue;
    const before = await read(folders[i]!, sure);
    // Another recorder can append, although the dead one has left its lock.
    const writer = await openRecording(path, { append: true });
    const line = '{"received_at":"2100-01-01T00:00:00.000000Z","endpoint":"devices","n":-1}\n';
    await writer.write({ bytes: Buffer.from(line), count: 1 });
    await writer.close();
    const { numbers } = await numbersOf(await partsOf(folders[i]!), true);
    expect(numbers, `killed after ${lifeMs} ms`).toEqual([...before, -1]);
  }
}

/** The numbers in the files: in order, none missing, none twice, and none torn but at the end. */
async function read(own: string, sure: number): Promise<number[]> {
  let result: Awaited<ReturnType<typeof numbersOf>>;
  try {
    result = await numbersOf(await partsOf(own));
  } catch (error) {
    // A recording without a line yet cannot be read.
    if (sure < 0 && (error as Error).message.includes('empty')) return [];
    throw error;
  }
  const { numbers, problems } = result;
  // A recorder that is killed while it renames a file leaves both names.
  const damage = problems.filter(({ kind }) => kind !== 'left out');
  expect(damage.filter(({ kind }) => !kind.startsWith('torn') && kind !== 'empty')).toEqual([]);
  expect(damage.length).toBeLessThanOrEqual(1);
  expect(numbers).toEqual(numbers.map((_, at) => at));
  expect(numbers.length).toBeGreaterThan(sure);
  return numbers;
}

describe(`SIGKILL at random moments, ${ROUNDS} recordings`, () => {
  const processes = Array.from({ length: Math.ceil(ROUNDS / PER_PROCESS) }, (_, i) => i);

  test(
    'leaves every file readable with at most its last line torn and a second lost, and a recorder can append',
    async () => {
      let next = 0;
      const work = async () => {
        while (next < processes.length) await killOnce(next++);
      };
      await Promise.all([work(), work(), work()]);
    },
    60_000 + ROUNDS * 1000,
  );
});
