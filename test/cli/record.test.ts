import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect } from 'vitest';
import { formatSize } from '../../src/cli/options/quantity.js';
import { event } from '../support/raw-frames.js';
import type { RawConnection, RawServer } from '../support/raw-server.js';
import { test } from '../support/stage.js';
import { delayedTimers, eventually } from '../support/time-limits.js';
import { type Ended, Sandbox } from './sandbox.js';

const namespaces = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', '/tmp']).status === 0;
const quick = ['--no-token', '--retry-delay', '50ms', '--retry-max', '100ms'];

const sandboxes: Sandbox[] = [];
function sandbox(): Sandbox {
  const one = new Sandbox();
  sandboxes.push(one);
  return one;
}
afterAll(() => {
  for (const one of sandboxes) one[Symbol.dispose]();
});

interface RecordedLine {
  received_at: string;
  endpoint: string;
  data?: { number: number };
  connection?: { state: string; code?: number; continued?: boolean; gap_since?: string };
}

function linesOf(text: string): RecordedLine[] {
  expect(text === '' || text.endsWith('\n')).toBe(true);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as RecordedLine);
}
function recorded(box: Sandbox, name = 'x.ndjson'): RecordedLine[] {
  return linesOf(readFileSync(join(box.home, name), 'utf8'));
}
function numbersIn(lines: readonly RecordedLine[]): number[] {
  return lines.flatMap(({ data }) => (data === undefined ? [] : [data.number]));
}
function upTo(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

/** Sends numbered events, and returns when the client has them all. */
async function send(connection: RawConnection, count: number, from = 0): Promise<void> {
  connection.text(...upTo(count, from).map((number) => event(number)));
  // Twice: the lines of the first round trip have then been handed to the file.
  await connection.roundTrips(2);
}

/** Resolves when so many events are in the file. */
async function untilRecorded(box: Sandbox, count: number, name = 'x.ndjson'): Promise<void> {
  const path = join(box.home, name);
  while (!existsSync(path) || readFileSync(path, 'utf8').split('"number"').length - 1 < count)
    await delay(10);
}

const wordsOf = (server: RawServer, args: string[]) => [
  'record',
  'devices',
  '-u',
  server.url,
  ...quick,
  ...args,
];
const start = (box: Sandbox, server: RawServer, ...args: string[]) => box.start(wordsOf(server, args));
/** The same with its 2 s for an end far away: a busy disk needs longer for what has come. */
const startPatient = (box: Sandbox, server: RawServer, ...args: string[]) =>
  box.start(wordsOf(server, args), { environment: delayedTimers(2000) });
const run = (box: Sandbox, server: RawServer, ...args: string[]) => box.run(wordsOf(server, args));

describe.concurrent('record', () => {
  test.for(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const)(
    '%s in the middle of a burst: all that came is in the file, with the end of the connection',
    async (signal, { serve }) => {
      const box = sandbox();
      const server = await serve({});
      const { child, ended } = startPatient(box, server, '-o', 'x.ndjson');
      const connection = (await server.request()).accept();
      await send(connection, 2000);
      child.kill(signal);
      const { signal: died, stdout, stderr } = await ended;
      expect([died, stdout]).toEqual([signal, '']);
      const lines = recorded(box);
      expect(numbersIn(lines)).toEqual(upTo(2000));
      expect(lines.slice(0, 2).map(({ connection: one }) => one?.state)).toEqual(['connecting', 'open']);
      expect(lines.at(-1)?.connection).toMatchObject({ state: 'closed', code: 1000 });
      expect(stderr).toContain('2000 events (devices 2000)');
      expect(stderr).toMatch(/2003 lines written to x\.ndjson, [\d.]+ KiB/);
      expect(readdirSync(box.home)).toEqual(['x.ndjson']);
    },
  );

  test('the summary tells how many of its files are still there, and how large they are', async ({
    serve,
  }) => {
    const box = sandbox();
    const server = await serve({});
    const rotation = ['--rotate-size', '10KB', '--keep', '1'];
    const { child, ended } = startPatient(box, server, '-o', 'x.ndjson', ...rotation);
    const connection = (await server.request()).accept();
    await send(connection, 2000);
    child.kill('SIGTERM');
    const { stderr } = await ended;
    const files = readdirSync(box.home).sort();
    expect(files).toEqual([expect.stringMatching(/^x\.0000\d\d\.ndjson$/), 'x.ndjson']);
    const gone = Number(files[0]!.slice(2, 8)) - 1;
    const size = files.reduce((sum, file) => sum + statSync(join(box.home, file)).size, 0);
    expect(stderr).toContain(
      `2003 lines written to x.ndjson and 1 more file, ${formatSize(size)}; ${gone} files deleted since`,
    );
  });

  test('SIGHUP after the file was renamed: goes on in a new one, also while there is no connection', async ({
    serve,
  }) => {
    const box = sandbox();
    const server = await serve({});
    const command = start(box, server, '-o', 'x.ndjson', '--tail', '--mode', '640');
    // The same message twice is one line, so the file itself tells.
    const reopened = () => eventually(() => expect(recorded(box, 'x.ndjson')).not.toHaveLength(0));
    const rotate = (name: string) => {
      renameSync(join(box.home, 'x.ndjson'), join(box.home, name));
      // Twice, as for two patterns of one configuration.
      command.child.kill('SIGHUP');
      command.child.kill('SIGHUP');
    };
    const first = (await server.request()).accept();
    await send(first, 10);
    rotate('x.1');
    await reopened();
    expect(numbersIn(recorded(box, 'x.1'))).toEqual(upTo(10));
    await send(first, 10, 10);
    first.reset();
    const pending = await server.request();
    rotate('x.2');
    await reopened();
    const second = pending.accept();
    await send(second, 10, 20);
    // An earlier one would still be taken for one of the rotation.
    await delay(1100);
    command.child.kill('SIGHUP');
    expect(await command.ended).toMatchObject({ signal: 'SIGHUP' });
    const parts = ['x.1', 'x.2', 'x.ndjson'].map((name) => recorded(box, name));
    expect(numbersIn(parts.flat())).toEqual(upTo(30));
    const starts = parts.map(([line]) => [line?.connection?.state, line?.connection?.continued]);
    expect(starts).toEqual([
      ['connecting', undefined],
      ['connecting', true],
      ['connecting', true],
    ]);
    expect(readdirSync(box.home).sort()).toEqual(['x.1', 'x.2', 'x.ndjson']);
    expect(box.modeOf('x.ndjson')).toBe(0o640);
  });

  test('SIGHUP on a terminal is the end, also after the file was renamed', async ({ serve }) => {
    const box = sandbox();
    const server = await serve({});
    const args = ['record', 'devices', '-u', server.url, ...quick, '-o', 'x.ndjson'];
    const terminal = box.onTerminal(args);
    await send((await server.request()).accept(), 3);
    renameSync(join(box.home, 'x.ndjson'), join(box.home, 'x.1'));
    terminal.pty.kill('SIGHUP');
    expect(await terminal.ended).toMatchObject({ signal: 1 });
    expect(numbersIn(recorded(box, 'x.1'))).toEqual(upTo(3));
    expect(readdirSync(box.home)).toEqual(['x.1']);
  });

  test('a second signal ends it at once, and the file has whole lines only', async ({ serve }) => {
    const box = sandbox();
    const server = await serve({});
    const { child, ended } = start(box, server, '-o', 'x.ndjson');
    const connection = (await server.request()).accept();
    connection.answersClose = false;
    await send(connection, 100);
    await untilRecorded(box, 100);
    child.kill('SIGINT');
    await connection.frames.next(({ opcode }) => opcode === 8);
    child.kill('SIGTERM');
    expect((await ended).signal).toBe('SIGTERM');
    expect(numbersIn(recorded(box))).toEqual(upTo(100));
    // In another container its lock would count for half a minute.
    expect(readdirSync(box.home)).toEqual(['x.ndjson']);
    const again = start(box, server, '-o', 'x.ndjson', '--append', '-n', '1');
    (await server.request()).accept().text(event(100));
    expect((await again.ended).code).toBe(0);
    expect(numbersIn(recorded(box))).toEqual(upTo(101));
  });

  test('opens the file before anything is connected', async ({ serve }) => {
    const box = sandbox();
    const server = await serve({});
    writeFileSync(join(box.home, 'there'), 'precious');
    mkdirSync(join(box.home, 'folder'));
    const attempts: [string[], number, string][] = [
      [['-o', 'there'], 2, 'there exists'],
      [['-o', 'folder'], 2, 'folder is a folder'],
      [['-o', '-'], 2, 'tail -f json --lifecycle'],
      [['-o', ''], 2, 'is not a file'],
      [['-o', 'no/such/folder/x'], 5, 'Make the folder first, or choose another file (-o).'],
      [['-o', 'n'.repeat(300)], 5, 'cannot be written'],
      [['--keep', '3'], 2, '--keep needs'],
      [['--status', 'folder'], 2, 'folder exists and is not a status of opmas-ws'],
      [['--rotate-size', '0B'], 2, 'must not be zero'],
      [['--append', '--force', '-o', 'y'], 2, 'give --append or --force, not both'],
      [['-w', 'data.cpu >', '-o', 'y'], 2, 'data.cpu >'],
    ];
    const results = await Promise.all(
      attempts.map(([args]) => run(box, server, ...args).then(({ code, stderr }) => ({ code, stderr }))),
    );
    expect(results).toEqual(
      attempts.map(([, code, text]) => ({ code, stderr: expect.stringContaining(text) as string })),
    );
    expect(server.connections.all).toEqual([]);
    expect(readdirSync(box.home).sort()).toEqual(['folder', 'there']);
  });

  test('--force keeps the old file when there is no token to connect with', async () => {
    const box = sandbox();
    writeFileSync(join(box.home, 'there'), 'precious');
    for (const more of [[], ['--token-file', 'nope']]) {
      const { code } = await box.run(['record', '--force', '-o', 'there', ...more]);
      expect(code).toBe(3);
      expect(readFileSync(join(box.home, 'there'), 'utf8')).toBe('precious');
    }
    expect(readdirSync(box.home)).toEqual(['there']);
  });

  test('names its file by the time, and takes an empty one away again', async ({ serve }) => {
    const box = sandbox();
    const server = await serve({});
    const ended = run(box, server, '-n', '1');
    (await server.request()).accept().text(event(0));
    const { code, stderr } = await ended;
    expect(code).toBe(0);
    const [name = ''] = readdirSync(box.home);
    expect(name).toMatch(/^opmas-\d{8}T\d{6}Z\.ndjson$/);
    expect(stderr).toContain(`Recording to ${name}`);
    // No token, no line.
    const { code: refused } = await box.run(['record', '-u', server.url, '-o', 'empty']);
    expect(refused).toBe(3);
    expect(readdirSync(box.home)).toEqual([name]);
  });

  test('a second recorder on the same file names the first one', async ({ serve }) => {
    const box = sandbox();
    const server = await serve({});
    const first = start(box, server, '-o', 'x.ndjson');
    const connection = (await server.request()).accept();
    await send(connection, 1);
    const { code, stderr } = await run(box, server, '-o', 'x.ndjson', '--append');
    expect([code, stderr]).toEqual([
      5,
      expect.stringContaining(`x.ndjson is in use by pid ${first.child.pid}`),
    ]);
    expect(server.connections.all).toHaveLength(1);
    first.child.kill('SIGINT');
    await first.ended;
  });

  test('parts begun while connections break: nothing is lost or doubled, and each is readable by itself', async ({
    serve,
  }) => {
    const box = sandbox();
    const server = await serve({});
    const { child, ended } = startPatient(box, server, '-o', 'x.ndjson', '--rotate-size', '2KiB');
    for (const from of [0, 40, 80, 120, 160]) {
      const connection = (await server.request()).accept();
      await send(connection, 40, from);
      connection.reset();
    }
    const last = (await server.request()).accept();
    await send(last, 40, 200);
    child.kill('SIGINT');
    await ended;
    const parts = readdirSync(box.home).sort();
    expect(parts.length).toBeGreaterThan(8);
    const lines = parts.map((name) => recorded(box, name));
    expect(numbersIn(lines.flat())).toEqual(upTo(240));
    for (const part of lines) expect(part[0]?.connection?.state).toBe('connecting');
    const gaps = lines.flat().filter(({ connection }) => connection?.gap_since !== undefined);
    expect(gaps).toHaveLength(5);
    const report = JSON.parse((await box.run(['inspect', '--json', ...parts])).stdout);
    expect(report).toMatchObject({
      events: 240,
      bad_lines: 0,
      torn_tail: false,
      closes: { 1006: 5, 1000: 1 },
    });
    expect(report.gaps).toHaveLength(5);
    const one = JSON.parse((await box.run(['inspect', '--json', parts[3]!])).stdout);
    expect(one).toMatchObject({ by_endpoint: { devices: numbersIn(lines[3]!).length } });
  });

  test('takes count, filters and duration as tail does, and a name that ends in .gz', async ({ serve }) => {
    const box = sandbox();
    const server = await serve({});
    const { ended } = start(box, server, '-o', 'x.ndjson.gz', '-t', '*.error', '-n', '3');
    const connection = (await server.request()).accept();
    connection.text(
      ...upTo(8).map((number) => event(number, number % 2 ? 'device.error' : 'device.status_update')),
    );
    expect((await ended).code).toBe(0);
    const { stdout } = await box.run(['tail', '--file', 'x.ndjson.gz', '-f', 'json']);
    expect(numbersIn(linesOf(stdout))).toEqual([1, 3, 5]);
    const live = await box.run(['tail', '--file', 'x.ndjson.gz', '-f', 'json', '--lifecycle']);
    expect(linesOf(live.stdout)).toHaveLength(6);
  });
});

describe.concurrent('record --tail', () => {
  test('prints the lines of tail, and records everything', async ({ serve }) => {
    const box = sandbox();
    const server = await serve({});
    const { ended } = start(box, server, '-o', 'x.ndjson', '--tail', '-n', '500');
    (await server.request()).accept().text(...upTo(500).map((number) => event(number)));
    const { code, stdout } = await ended;
    expect(code).toBe(0);
    const lines = readFileSync(join(box.home, 'x.ndjson'), 'utf8').split(/(?<=\n)/);
    expect(stdout).toBe(lines.filter((line) => !line.includes('"connection"')).join(''));
    expect(numbersIn(linesOf(stdout))).toEqual(upTo(500));
  });

  test('goes on recording without its reader of stdout, until it is stopped', async ({ serve }) => {
    const box = sandbox();
    const server = await serve({});
    const { child, ended } = start(box, server, '-o', 'x.ndjson', '--tail');
    const printed = once(child.stdout, 'data');
    const connection = (await server.request()).accept();
    connection.text(event(0));
    await printed;
    child.stdout.destroy();
    const told = new Promise<void>((resolve) => {
      let said = '';
      child.stderr.on('data', (text) => {
        said += text;
        if (said.includes('printing stops, recording goes on')) resolve();
      });
    });
    await send(connection, 1, 1);
    await told;
    child.kill('SIGINT');
    const { signal, stderr } = await ended;
    expect(signal).toBe('SIGINT');
    expect(stderr).not.toContain('EPIPE');
    expect(numbersIn(recorded(box))).toEqual([0, 1]);
    expect(recorded(box).at(-1)?.connection).toMatchObject({ state: 'closed', code: 1000 });
  });

  test('counts at its end the lines that a stuck reader of stdout has not taken; the recording is whole', async ({
    serve,
  }) => {
    const box = sandbox();
    const server = await serve({});
    const { child, ended } = start(box, server, '-o', 'x.ndjson', '--tail');
    child.stdout.pause();
    const connection = (await server.request()).accept();
    for (let i = 0; i < 20; i++) connection.text(...upTo(1000).map((number) => event(number)));
    await connection.roundTrips(1);
    const death = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await death).toEqual([null, 'SIGTERM']);
    child.stdout.resume();
    expect((await ended).stderr).toMatch(
      /warning: \d+ lines were recorded but not printed: stdout was not read/,
    );
    expect(recorded(box).filter(({ connection: state }) => state === undefined)).toHaveLength(20_000);
  });

  test('goes on recording while the terminal is stopped, and shows the rest when it goes on', async ({
    serve,
  }) => {
    const box = sandbox();
    const server = await serve({});
    const args = ['record', 'devices', '-u', server.url, ...quick, '-o', 'x.ndjson', '--tail'];
    const terminal = box.onTerminal(args);
    const connection = (await server.request()).accept();
    await send(connection, 1);
    await terminal.shows(/d0 [\s\S]*1 event .*devices open/);
    terminal.pty.write('\x13');
    await delay(300);
    // More than a terminal's own buffer holds.
    for (let from = 1; from < 2001; from += 100) await send(connection, 100, from);
    await untilRecorded(box, 2001);
    expect(terminal.shown()).not.toContain('d2000');
    terminal.pty.write('\x11');
    await terminal.shows(/d2000 /);
    terminal.pty.write('\x03');
    await terminal.shows(/2001 events[\s\S]*2004 lines written to x\.ndjson/);
    expect((await terminal.ended).signal).toBe(2);
    expect(numbersIn(recorded(box))).toEqual(upTo(2001));
  });
});

describe.concurrent('the live line', () => {
  test('shows events, rate, size, outages and the state of each endpoint, within the width', async ({
    serve,
  }) => {
    const box = sandbox();
    const server = await serve({});
    const url = ['-u', server.url];
    const slow = ['--no-token', '--retry-delay', '400ms', '--retry-max', '400ms'];
    const terminal = box.onTerminal(['record', 'devices', 'rules', ...url, ...slow, '-o', 'x.ndjson']);
    const connections = [await server.request(), await server.request()];
    for (const connection of connections) connection.accept();
    const devices = connections.find(({ path }) => path.includes('devices'))!;
    await send(devices, 3);
    await terminal.shows(/3 events {2}\d+\/s {2}[\d.]+ (B|KiB) {2}.*devices open.*rules open/);
    devices.reset();
    await terminal.shows(/devices waiting/);
    (await server.request()).accept();
    await terminal.shows(/1 outage \([\d.]+m?s\) {2}.*devices open/);
    terminal.pty.write('\x03');
    await terminal.ended;
    expect(terminal.shown()).not.toContain('\u001b[?25l');
    // The summary stands below.
    expect(terminal.shown()).toMatch(/3 events \(devices 3, rules 0\)[\s\S]*lines written to x\.ndjson/);
    const frames = terminal.shown().split(/\r|\x1b\[1G/);
    // Messages stand between them, and may be longer.
    const lines = frames.filter((frame) => /\d events? {2}\d+\/s/.test(frame));
    const widths = lines.map((line) => line.replace(/\x1b\[[\d;?]*[a-zA-Z]/g, '').trimEnd().length);
    expect(Math.max(...widths)).toBeGreaterThan(40);
    expect(Math.max(...widths)).toBeLessThanOrEqual(100);
  });
});

describe.concurrent('a disk that is full', () => {
  /** Events for as long as anybody takes them; resolves with how many were sent when the connection is over. */
  async function flood(connection: RawConnection): Promise<void> {
    let over = false;
    void connection.ended.then(() => {
      over = true;
    });
    for (let from = 0; !over; from += 50) {
      connection.text(...upTo(50, from).map((number) => event(number)));
      await delay(2);
    }
  }

  function account({ code, stdout, stderr }: Ended) {
    expect([code, stdout], stderr).toEqual([5, '']);
    const [, events = ''] = /(\d+) events \(devices/.exec(stderr) ?? [];
    const [, lines = '', lost = ''] =
      /(\d+) lines written to .*; (\d+) could not be written/.exec(stderr) ?? [];
    return { events: Number(events), lines: Number(lines), lost: Number(lost), stderr };
  }

  test.skipIf(!namespaces)(
    'a full disk (skipped where no file system can be mounted): exit 5, whole lines, true figures, and --append goes on when there is space',
    async ({ serve }) => {
      const box = sandbox();
      const server = await serve({});
      mkdirSync(join(box.home, 'disk'));
      server.onRequest((connection) => {
        connection.accept();
        void flood(connection);
      });
      const script = `mount -t tmpfs -o size=64k tmpfs disk && { "$@" -o disk/x.ndjson; echo "first $?" >&2
        cp disk/x.ndjson first.ndjson; mount -o remount,size=1m disk
        "$@" -o disk/x.ndjson --append -n 5; echo "second $?" >&2; cp disk/x.ndjson second.ndjson; ls disk >&2; }`;
      const { ended } = box.start(['record', 'devices', '-u', server.url, ...quick], {
        through: ['unshare', '-rm', 'sh', '-c', script, '-'],
      });
      const { stderr } = await ended;
      const [, first = '', second = ''] =
        /^([\s\S]*)first 5\n([\s\S]*)second 0\nx\.ndjson\n$/.exec(stderr) ?? [];
      expect(first).toContain('disk/x.ndjson cannot be written: the disk is full (ENOSPC)');
      const { events, lines, lost } = account({ code: 5, signal: null, stdout: '', stderr: first });
      const kept = recorded(box, 'first.ndjson');
      expect(kept).toHaveLength(lines);
      expect(numbersIn(kept)).toEqual(upTo(lines - 2));
      // Everything that came is written or counted: connecting, open and closed are the others.
      expect(lines + lost).toBe(events + 3);
      expect(second).toContain('5 events');
      expect(recorded(box, 'second.ndjson').slice(0, lines)).toEqual(kept);
      expect(numbersIn(recorded(box, 'second.ndjson').slice(lines))).toEqual(upTo(5));
    },
  );

  test.skipIf(!namespaces).for(['x.ndjson', 'x.ndjson.gz'])(
    'a disk that is full when a part is begun has whole parts, and no empty one: %s',
    async (name, { serve }) => {
      const box = sandbox();
      const server = await serve({});
      mkdirSync(join(box.home, 'disk'));
      server.onRequest((connection) => {
        connection.accept();
        void flood(connection);
      });
      const script =
        'mount -t tmpfs -o size=32k tmpfs disk && { "$@"; code=$?; cp -r disk parts; exit $code; }';
      const command = ['record', 'devices', '-u', server.url, ...quick, '--rotate-size', '4KiB'];
      const { ended } = box.start([...command, '-o', `disk/${name}`], {
        through: ['unshare', '-rm', 'sh', '-c', script, '-'],
      });
      const { lines, stderr } = account(await ended);
      const parts = readdirSync(join(box.home, 'parts')).map((part) => join(box.home, 'parts', part));
      const texts = parts.map((part) => readFileSync(part));
      expect(texts.map((text) => text.length)).not.toContain(0);
      expect(stderr).toMatch(
        new RegExp(`lines written to disk/x\\.\\S+ and ${parts.length - 1} more files, `),
      );
      const unpacked = texts.map((text) => (name.endsWith('.gz') ? gunzipSync(text) : text).toString());
      const own = unpacked.join('').match(/^(?!.*"continued":true).*\n/gm);
      expect(own).toHaveLength(lines);
    },
  );

  test('a limit on the size of files is as good as a full disk', async ({ serve }) => {
    const box = sandbox();
    const server = await serve({});
    server.onRequest((connection) => {
      connection.accept();
      void flood(connection);
    });
    const { ended } = box.start(['record', 'devices', '-u', server.url, ...quick, '-o', 'x.ndjson'], {
      through: ['sh', '-c', 'ulimit -f 16 && exec "$@"', '-'],
    });
    const { events, lines, lost, stderr } = account(await ended);
    expect(stderr).toMatch(
      /\(EFBIG\)\n {2}Raise the limit of this process \(ulimit -f\), .* \(--rotate-size\)\.\n/,
    );
    expect(recorded(box)).toHaveLength(lines);
    expect(lines + lost).toBe(events + 3);
  });

  test.skipIf(!existsSync('/dev/full'))('a device that is always full', async ({ serve }) => {
    const box = sandbox();
    const server = await serve({});
    const { ended } = start(box, server, '-o', '/dev/full');
    const { lines, stderr } = account(await ended);
    expect(lines).toBe(0);
    expect(stderr).toContain('/dev/full cannot be written: the disk is full');
  });
});
