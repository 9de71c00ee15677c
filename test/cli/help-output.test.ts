import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { expect, it } from 'vitest';

async function run(args: string[], stdout: 'pipe' | number): Promise<{ code: number; stderr: string }> {
  const child = spawn(process.execPath, ['bin/opmas-ws.js', ...args], { stdio: ['ignore', stdout, 'pipe'] });
  // The reader is gone before anything is written.
  child.stdout?.destroy();
  let stderr = '';
  child.stderr!.on('data', (data: Buffer) => {
    stderr += data;
  });
  const [code] = (await once(child, 'close')) as [number];
  return { code, stderr };
}

it.each([['--help'], ['--version'], ['tail', '--help']])(
  '%s %s to a reader that has gone ends quietly',
  async (...args) => {
    expect(
      await run(
        args.filter((arg) => arg !== undefined),
        'pipe',
      ),
    ).toEqual({ code: 0, stderr: '' });
  },
);

it.skipIf(!existsSync('/dev/full'))('help to a full disk is a fault of this machine', async () => {
  const full = openSync('/dev/full', 'w');
  expect((await run(['--help'], full)).code).toBe(5);
  closeSync(full);
});
