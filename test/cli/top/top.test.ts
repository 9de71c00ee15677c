import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { eventLine } from '../../support/recordings.js';
import { canary, test } from '../../support/stage.js';
import { TerminalPicture } from '../../support/terminal-picture.js';
import { SHUTDOWN_MS } from '../../support/time-limits.js';
import type { OnTerminal } from '../sandbox.js';

const status = (id: string, data: object = { status: 'online' }) =>
  JSON.stringify({ type: 'device.status_update', subject: `opmas.devices.${id}`, data });
const failure = (id: string, message: string) =>
  JSON.stringify({ type: 'device.error', subject: 'opmas.devices.x', data: { device_id: id, message } });

/** What stands on the terminal after the picture has gone, without colors. */
function afterScreen(running: OnTerminal): string {
  const after = running.shown().split('\u001b[?1049l').at(-1)!;
  return after.replaceAll(/\u001b\[\d+m/g, '');
}

/** The picture of a command on a terminal, as it changes. */
class Watched {
  readonly #running: OnTerminal;
  readonly picture = new TerminalPicture(100);
  #seen = 0;
  #wake: () => void = () => undefined;

  constructor(running: OnTerminal) {
    this.#running = running;
    running.pty.onData(() => this.#wake());
  }

  update(): void {
    const output = this.#running.shown();
    this.picture.write(output.slice(this.#seen));
    this.#seen = output.length;
  }

  /** Resolves with the lines of the picture as soon as one of them matches, after more of them if need be. */
  async shows(pattern: RegExp): Promise<readonly string[]> {
    for (;;) {
      this.update();
      if (this.picture.lines.some((line) => pattern.test(line))) return this.picture.lines;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async press(keys: string, pattern: RegExp): Promise<readonly string[]> {
    this.#running.pty.write(keys);
    return this.shows(pattern);
  }

  resize(columns: number, rows: number): void {
    this.picture.resize(columns);
    this.#running.pty.resize(columns, rows);
  }
}

describe('top on a terminal', () => {
  test('shows the failing device first, follows keys, sizes and outages, and leaves nothing behind', async ({
    serve,
    command,
  }) => {
    const server = await serve();
    const waits = ['--retry-delay', '20ms', '--retry-max', '20ms'];
    const running = command.sandbox.onTerminal(['top', 'devices', '-u', server.url, ...waits]);
    const watched = new Watched(running);
    const connection = (await server.request()).accept();
    connection.text(...['ap-3', 'ap-1', 'ap-2'].map((id) => status(id)), failure('ap-2', 'radio failed'));
    const lines = await watched.shows(/radio failed/);
    expect(lines[0]).toMatch(/^1\/1 connected {2}3 rows {2}1 error {2}4 events/);
    expect(lines[1]).toMatch(/^ {6}DEVICE +AGO +ERRORS +EVENTS +TYPE +MESSAGE$/);
    expect(lines[2]).toMatch(/^ ERR {2}ap-2 +\ds +1 +2 +device.error +radio failed$/);
    expect(lines[3]).toMatch(/^ {6}ap-1 +\ds +0 +1 +device.status_update +online$/);
    expect(lines[4]).toMatch(/^ {6}ap-3/);

    await watched.press('/AP-3', /^\/AP-3_$/);
    expect(watched.picture.lines.filter((line) => /ap-\d/.test(line))).toHaveLength(1);
    await watched.press('\u001b', /ap-1/);
    await watched.press('\u001b[B\u001b[B', /^> {5}ap-1/);
    expect(await watched.press('\r', /^ {2}"subject": "opmas\.devices\.ap-1",$/)).toContain('{');
    await watched.press(' ', /^> {5}ap-1/);

    watched.resize(20, 5);
    expect(await watched.shows(/^rows 1-2 of 3/)).toHaveLength(5);
    watched.resize(100, 30);
    await watched.shows(/radio failed/);
    connection.end();
    const again = await server.request();
    await watched.shows(/^not connected for \ds/);
    again.accept();
    await watched.shows(/^1\/1 connected/);
    expect(watched.picture.unknown).toEqual([]);
    expect([...watched.picture.modes].sort()).toEqual(['1049']);

    running.pty.write('q');
    expect(await running.ended).toEqual({ code: 0, signal: 0 });
    watched.update();
    expect([...watched.picture.modes].sort()).toEqual(['25', '7']);
    const after = afterScreen(running);
    expect(after).toMatch(/devices {2}back after .*\n4 events \(devices 4\)/s);
    expect(after).not.toContain('radio failed');
    expect(running.shown()).not.toContain(canary);
  });

  test('prints the worst rows that fit when Ctrl-C ends it, and escapes what the server sends', async ({
    serve,
    command,
  }) => {
    const server = await serve();
    const running = command.sandbox.onTerminal(['top', 'devices', '-u', server.url]);
    const watched = new Watched(running);
    const evil = '\u001b[2J\u001b[?1049l\u202e漢字';
    const healthy = Array.from({ length: 60 }, (_, number) => status(`ap-${number}`));
    (await server.request()).accept().text(failure(evil, `${evil}\n${'x'.repeat(1_000_000)}`), ...healthy);
    const escaped = '\\u001b[2J\\u001b[?1049l\\u202e漢字';
    await watched.shows(/61 rows {2}1 error/);
    expect(watched.picture.lines[2]).toContain(escaped.slice(0, 20));
    // The message that the endpoint is connected does not hide the keys.
    await watched.shows(/q quits/);
    expect(running.shown()).not.toContain('devices  connected');
    await watched.press('\r', /\\u001b\[2J/);
    expect(watched.picture.unknown).toEqual([]);
    running.pty.write('\u0003');
    expect((await running.ended).signal).toBe(2);
    const after = afterScreen(running);
    expect(after).toMatch(/SEVERITY +DEVICE .*\nerror +\\u001b/s);
    expect(after.slice(after.indexOf('SEVERITY')).split('\n').length).toBeLessThan(running.pty.rows);
    expect(after).toMatch(/\n… and \d\d more rows\r?\n/);
    expect(after).not.toMatch(/[\u0000-\u0009\u000e-\u001f\u202e]/);
  });
});

test('top ends within its time on a terminal that is not read', async ({ serve, command }) => {
  let sent = 0;
  let timer: NodeJS.Timeout | undefined;
  const server = (await serve()).onRequest((connection) => {
    connection.accept();
    const send = () =>
      connection.text(...Array.from({ length: 30 }, (_, i) => status(`ap-${i}`, { message: `${sent++}` })));
    timer = setInterval(send, 20);
  });
  const { pty, ended, shows } = command.sandbox.onTerminal(['top', 'devices', '-u', server.url]);
  await shows(/1\/1 connected/);
  pty.pause();
  // Each picture has about three kilobytes, and a terminal holds four that nobody has read.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const begin = performance.now();
  pty.kill('SIGTERM');
  const { signal } = await ended;
  clearInterval(timer);
  expect(signal).toBe(15);
  expect(performance.now() - begin).toBeLessThan(SHUTDOWN_MS);
});

describe('top off a terminal', () => {
  test('prints the table when it ends, as text or as NDJSON', async ({ serve, command }) => {
    const server = (await serve()).onRequest((connection) => {
      connection
        .accept()
        .text(failure('ap-2', 'radio failed'), status('ap-2', { status: 'idle' }), status('ap-1'));
    });
    const args = ['top', 'devices', '-u', server.url, '-n', '3'];
    const text = await command.sandbox.run(args);
    expect([text.code, text.stdout.split('\n').length]).toEqual([0, 4]);
    expect(text.stdout).toMatch(
      /^SEVERITY +DEVICE +AGO +ERRORS +EVENTS +TYPE +MESSAGE\nerror +ap-2 +\ds +1 +2 +device\.error +radio failed\nnormal +ap-1 /,
    );
    const json = await command.sandbox.run([...args, '--json', '--by', 'type']);
    const rows = json.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const at = expect.stringMatching(/^\d{4}-.*Z$/);
    expect(rows).toEqual([
      {
        ...{ id: 'device.error', severity: 'error', type: 'device.error', message: 'radio failed', at },
        ...{ last_type: 'device.error', last_at: at, events: 1, errors: 1 },
      },
      {
        ...{
          id: 'device.status_update',
          severity: 'normal',
          type: 'device.status_update',
          message: 'online',
          at,
        },
        ...{ last_type: 'device.status_update', last_at: at, events: 2, errors: 0 },
      },
    ]);
  });

  test('says without an end in sight when the table comes, and prints it on a signal', async ({
    serve,
    command,
  }) => {
    const server = await serve();
    const running = command.start(['top', 'devices', '-u', server.url]);
    await running.messages.next((line) => line.startsWith('The table is printed when'));
    const connection = (await server.request()).accept(...[]);
    connection.text(status('ap-1'));
    await connection.roundTrips();
    running.child.kill('SIGTERM');
    const { stdout, signal } = await running.ended;
    expect([stdout.split('\n').length, signal]).toEqual([3, 'SIGTERM']);
  });

  test('refuses a path that names no value, before it connects', async ({ serve, command }) => {
    const server = await serve();
    const { code, stderr } = await command.sandbox.run(['top', '-u', server.url, '--by', 'site']);
    expect([code, server.requests.all]).toEqual([2, []]);
    expect(stderr).toMatch(/^opmas-ws: --by: "site" names no value of an event\n {2}Use .*data\.site/);
  });
});

describe('top --file', () => {
  test('prints the table of recordings, with the filters, and with ages from their end', async ({
    command,
  }) => {
    const { sandbox } = command;
    const lines = [
      eventLine(0, failure('ap-2', 'radio failed')),
      eventLine(1000, status('ap-1')),
      eventLine(65_000, status('ap-3'), 'agents'),
    ];
    writeFileSync(join(sandbox.home, 'a.ndjson'), `${lines[0]}\n${lines[2]}\n`);
    writeFileSync(join(sandbox.home, 'b.ndjson'), `${lines[1]}\n`);
    const files = ['--file', 'a.ndjson', '--file', 'b.ndjson'];
    const { code, stdout } = await sandbox.run(['top', ...files]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\nerror +ap-2 +1m .*\nnormal +ap-1 +1m .*\nnormal +ap-3 +0s .*\n$/);
    const filtered = await sandbox.run(['top', 'devices', '--problems', '--json', ...files]);
    expect(JSON.parse(filtered.stdout)).toMatchObject({ id: 'ap-2', at: '2026-11-22T21:50:00.000000Z' });
  });
});
