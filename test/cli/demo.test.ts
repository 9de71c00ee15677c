import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { spawn as spawnPty } from '@lydell/node-pty';
import { describe } from 'vitest';
import { test } from '../support/stage.js';

const root = resolve(import.meta.dirname, '../..');

describe.concurrent('demo', () => {
  test('shows events of all four endpoints, and ends after its duration', async ({ command, expect }) => {
    const demo = command.start(['demo', '--rate', '100', '--duration', '2s']);
    const { code, stdout, stderr } = await demo.ended;
    expect(code, stderr).toBe(0);
    const endpoints = new Set(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).endpoint),
    );
    expect([...endpoints].sort()).toEqual(['agents', 'devices', 'rules', 'system']);
    expect(stderr).toMatch(/^Serving a mock OPMAS API on ws:\/\/127\.0\.0\.1:\d+\. Ctrl-C ends it\.\n/);
    expect(stderr).toMatch(/\d+ events \(devices \d+, .*\) in .*, no gaps, 0 dropped\n$/);
    expect(stderr).not.toMatch(/lost|warning/);
  });

  test('takes no duration of zero', async ({ command, expect }) => {
    expect(await command.sandbox.run(['demo', '--duration', '0s'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--duration'),
    });
  });

  test('needs nothing of its surroundings: no token, no server, no proxy', async ({ command, expect }) => {
    const demo = command.start(['demo'], {
      environment: {
        OPMAS_TOKEN: '',
        OPMAS_URL: 'ws://127.0.0.1:1',
        OPMAS_CONTEXT: 'nobody',
        http_proxy: 'http://127.0.0.1:1',
      },
    });
    await demo.lines.count(3);
    demo.child.kill('SIGTERM');
    expect((await demo.ended).signal).toBe('SIGTERM');
  });

  test.for([
    ['--rate', '0'],
    ['--rate', 'x'],
    ['--seed', '-1'],
    ['--duration', '5'],
  ] as const)('refuses %s %s', async ([option, value], { command, expect }) => {
    const { code, stderr } = await command.sandbox.run(['demo', option, value]);
    expect(code).toBe(2);
    expect(stderr).toContain(option);
  });

  test('on a terminal: pretty lines, and Ctrl-C ends it cleanly', async ({ command, expect }) => {
    const demo = command.sandbox.onTerminal(['demo']);
    await demo.shows(/(device|agent|rule|system)\.\w+.*\r\n/);
    demo.pty.write('\x03');
    expect((await demo.ended).signal).toBe(2);
    expect(demo.shown()).toMatch(/\d+ events? \(devices \d+/);
    expect(demo.shown()).not.toMatch(/lost|bug|Error/);
  });
});

test.concurrent('npm start builds, shows events, and Ctrl-C ends it cleanly', async ({ expect }) => {
  // A copy, because building would rewrite the files that other tests run.
  const copy = mkdtempSync(join(tmpdir(), 'opmas-ws-start-'));
  for (const name of ['bin', 'src', 'build.mjs', 'package.json', 'tsconfig.json']) {
    cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  const pty = spawnPty('npm', ['start'], { cols: 100, rows: 30, cwd: copy, env: { ...process.env } });
  let shown = '';
  const isThere = new Promise<void>((done) => {
    pty.onData((data) => {
      shown += data;
      if (/(device|agent|rule|system)\.\w+.*\r\n/.test(shown)) done();
    });
  });
  const ended = new Promise<{ exitCode: number; signal?: number | undefined }>((done) => pty.onExit(done));
  await isThere;
  pty.write('\x03');
  const { exitCode, signal } = await ended;
  rmSync(copy, { recursive: true });
  expect([0, 130, 2], shown).toContain(signal || exitCode);
  expect(shown).toMatch(/\d+ events? \(devices \d+/);
  expect(shown).not.toMatch(/npm (ERR|error)|lost|bug/);
});
