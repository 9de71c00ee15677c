import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { noColors } from '../../src/cli/terminal/palette.js';
import { Messages } from '../../src/cli/terminal/terminal.js';
import { Sandbox } from './sandbox.js';

/** Sets the title, clears the screen, writes from right to left. */
const evil = 'x\u001b]0;pwned\u0007\u001b[2J\u202e\u009b';
/** Bytes that a terminal would act on: all control characters but line ends and tabs, and bidirectional controls. */
const active = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202e]/;

function configure(sandbox: Sandbox, url = 'ws://localhost:1', name = evil): void {
  mkdirSync(join(sandbox.home, '.config/opmas-ws'), { recursive: true });
  const config = { contexts: { [name]: { url }, other: { url } }, current: 'other', previous: name };
  writeFileSync(join(sandbox.home, '.config/opmas-ws/config.json'), JSON.stringify(config));
}

function storeToken(sandbox: Sandbox): void {
  const folder = join(sandbox.home, '.local/share/opmas-ws/credentials');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `${encodeURIComponent('ws://localhost:1')}.json`);
  writeFileSync(path, JSON.stringify({ access_token: evil, username: evil }), { mode: 0o600 });
}

describe('text that reaches a terminal', () => {
  it.each([
    ['an unknown option', ['tail', `--${evil}`]],
    ['an unknown short option', ['tail', `-${evil}`]],
    ['an unknown command', [evil]],
    ['an unknown subcommand', ['auth', evil]],
    ['too many arguments', ['context', 'use', 'a', evil]],
    ['a wrong choice', ['tail', '--color', evil]],
    ['a wrong choice of its own', ['tail', '-f', evil]],
    ['an unknown endpoint', ['tail', evil]],
    ['a path', ['tail', `/${evil}`]],
    ['a missing file', ['inspect', `${evil}.ndjson`]],
    ['a file to print', ['tail', '--file', `${evil}.ndjson`]],
    ['a file to serve', ['replay', `${evil}.ndjson`]],
    ['a file in a missing folder', ['record', '-o', `no/${evil}`, '-u', 'ws://localhost:1', '--no-token']],
    ['a page', ['inspect', `${evil}.ndjson`, '--html', `no/${evil}`]],
    ['a duration', ['tail', '--duration', evil]],
    ['a size', ['tail', '--max-buffer', evil]],
    ['a URL', ['tail', '-u', `ws://${evil}`]],
    ['an expression', ['tail', '-w', `data.${evil}`]],
    ['an expression with a function', ['tail', '-w', `data.x.f("${evil}") == 1`]],
    ['a field', ['top', '--by', evil]],
    ['a type pattern', ['tail', '-t', `{${evil}`]],
    ['a subject pattern', ['tail', '-s', `a..${evil}`]],
    ['a CA', ['tail', '--ca', evil]],
    ['a token file', ['tail', '--token-file', evil]],
    ['a shell', ['complete', evil]],
    ['a fault', ['mock', '--fault', evil]],
    ['an origin', ['mock', '--allow-origin', evil]],
    ['a host', ['mock', '--host', evil]],
    ['a name that is looked up', ['tail', '-c', evil.slice(0, 3)]],
    ['a name for a context', ['context', 'add', evil, '-u', 'ws://localhost']],
    ['the current context', ['context', 'use', evil]],
    ['the previous context', ['context', 'use', '-']],
    ['contexts', ['context', 'list']],
    ['a context', ['context', 'show', evil]],
    ['a context as JSON', ['context', 'list', '--json']],
    ['a removed context', ['context', 'remove', evil]],
    ['a stored token', ['auth', 'token']],
    ['the state of a stored token', ['auth', 'status']],
  ])('holds nothing that acts: %s', async (_, args) => {
    using sandbox = new Sandbox();
    configure(sandbox);
    storeToken(sandbox);
    for (const onTerminal of [false, true]) {
      const environment = { NO_COLOR: '1', TERM: 'dumb' };
      const { stdout, stderr } = await sandbox.run(args, { onTerminal, environment });
      expect(stdout + stderr).not.toBe('');
      expect(stdout + stderr).not.toMatch(active);
    }
  });

  it.each([[['tail', evil]], [['context', 'list']]])(
    'holds nothing that acts on a real one: %j',
    async (args) => {
      using sandbox = new Sandbox();
      configure(sandbox);
      const terminal = sandbox.onTerminal(args, { environment: { NO_COLOR: '1', TERM: 'dumb' } });
      await terminal.ended;
      expect(terminal.shown()).toContain('\\u001b');
      expect(terminal.shown()).not.toMatch(active);
    },
  );

  it.each(['ws://localhost:1/\u001b[2J', 'ws://\u001b[2J@localhost:1', 'ws://localhost:\u001b[2J'])(
    'holds nothing of a URL in an edited configuration that acts: %j',
    async (url) => {
      using sandbox = new Sandbox();
      configure(sandbox, url, 'lab');
      for (const args of [
        ['context', 'use', 'lab'],
        ['context', 'list'],
        ['tail', '-c', 'lab', '--no-token', '--retries', '1'],
      ]) {
        const { stdout, stderr } = await sandbox.run(args);
        expect(stdout + stderr).not.toMatch(active);
      }
    },
  );

  it('keeps joined emoji together, and shows what was cut at the edge of the window whole', async () => {
    using sandbox = new Sandbox();
    const line = (name: string) =>
      `{"received_at":"2026-11-22T21:50:00.000000Z","endpoint":"devices","type":"a","data":{"n":"${name}"}}\n`;
    writeFileSync(
      join(sandbox.home, 'a.ndjson'),
      line('👩‍👩‍👧') + line('😀'.repeat(200)) + line(`a${'😀'.repeat(200)}`),
    );
    const terminal = sandbox.onTerminal(['tail', '--file', 'a.ndjson'], { environment: { NO_COLOR: '1' } });
    await terminal.ended;
    expect(terminal.shown()).toContain('n=👩‍👩‍👧');
    expect(terminal.shown()).not.toMatch(/\ufffd|\\ud83d/);
  });
});

describe('a stderr that is not read', () => {
  it('keeps a limited number of messages, and is told afterwards how many were left out', async () => {
    const stream = Object.assign(new PassThrough(), { columns: 0 });
    const messages = new Messages(stream, noColors, { isPlain: true, quiet: false, debug: false, said: {} });
    for (let i = 0; i < 50_000; i++) messages.say(`client ${i} was refused`);
    expect(stream.readableLength + stream.writableLength).toBeLessThan(500_000);
    const reading = text(stream);
    await messages.flushed();
    stream.end();
    const lines = (await reading).trimEnd().split('\n');
    expect(lines).toHaveLength(10_001);
    expect(lines.at(-1)).toBe('warning: 40000 messages were left out: stderr was not read');
  });
});
