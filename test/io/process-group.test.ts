import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ProcessGroup } from '../../src/io/process-group.js';
import { isAlive } from '../support/alive.js';

const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-group-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
writeFileSync(join(folder, 'data'), '', { mode: 0o644 });

const GRACE_MS = 5000;

function start(...words: string[]): ProcessGroup {
  return new ProcessGroup(words, { stdio: ['ignore', 'pipe', 'ignore'], environment: process.env });
}

/** Starts a shell script and waits until it has printed something. */
async function startScript(script: string): Promise<{ group: ProcessGroup; text: string }> {
  const group = start('sh', '-c', script);
  const [chunk] = await once(group.child!.stdout!, 'data');
  return { group, text: String(chunk).trim() };
}

describe('a command in a process group', () => {
  it.each([
    ['succeeds', ['true'], 0, undefined],
    ['fails', ['sh', '-c', 'exit 42'], 42, 'failed with exit code 42'],
    ['is killed by a signal', ['sh', '-c', 'kill -9 $$'], 137, 'was ended by SIGKILL'],
    ['does not exist', ['no-such-program'], 127, 'there is no program no-such-program'],
    ['is not executable', [join(folder, 'data')], 126, expect.stringContaining('is not executable')],
    ['stands below a file', [join(folder, 'data', 'x')], 126, expect.stringContaining('ENOTDIR')],
  ])('that %s ends with the code that a shell would give', async (_, words, exitCode, problem) => {
    expect(await start(...words).exited).toMatchObject({ exitCode, problem });
  });

  it('is ended by SIGTERM, and has the time to clean up', async () => {
    const { group } = await startScript("trap 'sleep 0.1; exit 3' TERM; echo; while :; do sleep 0.01; done");
    await group.end(GRACE_MS);
    expect(await group.exited).toMatchObject({ exitCode: 3 });
  });

  it('is killed when it ignores SIGTERM', async () => {
    const { group } = await startScript("trap '' TERM; echo; while :; do sleep 0.01; done");
    await group.end(100);
    expect(await group.exited).toMatchObject({ exitCode: 137 });
  });

  it('takes along the processes that it left behind', async () => {
    const { group, text } = await startScript('sleep 300 & echo $!');
    expect(await group.exited).toMatchObject({ exitCode: 0 });
    expect(isAlive(Number(text))).toBe(true);
    await group.end(GRACE_MS);
    expect(isAlive(Number(text))).toBe(false);
  });
});
