import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { event, text } from '../support/raw-frames.js';
import { test } from '../support/stage.js';
import { delayedTimers, NO_TIMER_MS, SHUTDOWN_MS } from '../support/time-limits.js';

const O_NONBLOCK = 0o4000;

/** Descriptors of a process that are non-blocking for everyone who shares them. */
function nonBlocking(pid: number | undefined): number[] {
  return [0, 1, 2].filter((descriptor) => {
    const [, flags = ''] = /^flags:\s*(\d+)/m.exec(
      readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8'),
    )!;
    return (Number.parseInt(flags, 8) & O_NONBLOCK) !== 0;
  });
}

const shell = (script: string) => ['bash', '-c', script, 'bash'];
/** Holds a pipe for longer than any limit, and reads nothing. */
const unread = '| sleep 30 >/dev/null 2>&1';
/** Between the end of a command that leaves its output unwritten and that of one that waits for its reader. */
const UNREAD_MS = 15_000;
const BYTES = 3_000_000;
const sibling = `head -c ${BYTES} /dev/zero`;

describe.runIf(process.platform === 'linux')(
  'outputs that other processes share',
  { concurrent: true },
  () => {
    test.for([
      ['stdout and stderr are sockets', []],
      ['both are pipes', shell('exec "$@" > >(cat) 2> >(cat >&2)')],
      ['both are one pipe', shell('exec "$@" > >(cat) 2>&1')],
      ['stdin is a pipe', shell('exec "$@" < <(exec sleep 20 >/dev/null 2>&1)')],
    ] as const)('keep their flags while it runs: %s', async ([, through], { serve, command, expect }) => {
      const server = await serve();
      for (const words of [
        ['tail', 'devices'],
        ['record', 'devices', '-o', 'x.ndjson', '--tail'],
      ]) {
        const running = command.start([...words, '-u', server.url], { through: [...through] });
        (await server.request()).accept(text(event(1)));
        await running.lines.next((line) => line.includes('device.'));
        expect(nonBlocking(running.child.pid)).toEqual([]);
        running.child.kill('SIGKILL');
        await running.ended;
      }
    });

    test.for(['TERM', 'INT', 'HUP', 'KILL'])(
      'lose nothing of a process after SIG%s',
      async (signal, { serve, command, expect }) => {
        const server = await serve();
        server.onRequest((client) => client.accept(text(event(1))));
        const script = `{ timeout -s ${signal} 1 "$@"; ${sibling}; } 2>/dev/null | (sleep 1.5; wc -c)`;
        const { stdout } = await command.tail(server, ['-q'], { through: shell(script) }).ended;
        expect(Number(stdout)).toBeGreaterThanOrEqual(BYTES);
      },
    );

    test.for([
      ['help', ['--help']],
      ['a usage error', ['tail', '--nonsense']],
      ['an error', ['inspect', 'missing.ndjson']],
      ['a question without a terminal', ['auth', 'login']],
      ['a recording from stdin', ['inspect', '-']],
    ] as const)('lose nothing of a process after %s', async ([, words], { command, expect }) => {
      const script = `{ "$@"; ${sibling}; ${sibling} >&2; } 2>&1 | (sleep 1; wc -c)`;
      const { stdout, stderr } = await command.start(words, { through: shell(script) }).ended;
      expect(stderr).toBe('');
      expect(Number(stdout)).toBeGreaterThan(2 * BYTES);
    });

    test('keep lines whole when messages and events share a pipe', async ({ serve, command, expect }) => {
      const server = await serve();
      const tail = command.tail(server, ['-n', '20000'], { through: shell('"$@" 2>&1 | cat') });
      const much = Buffer.concat(Array.from({ length: 1000 }, (_, i) => text(event(i))));
      for (let round = 0; round < 20; round++) {
        const client = await server.request();
        client.accept(much);
        if (round === 19) break;
        await client.roundTrips(1);
        client.close(1012);
      }
      const lines = (await tail.ended).stdout.trimEnd().split('\n');
      const messages = lines.filter((line) => !/^\{.*\}$/.test(line));
      expect(lines.length - messages.length).toBe(20_000);
      for (const message of messages)
        expect(message).toMatch(/^([\d-]{10} [\d:]{8} devices {2}|.*20000 events)/);
    });
  },
);

describe.concurrent('record --tail, whose job is the file', () => {
  test.for([
    ['is closed', '| head -1', 'code 0'],
    ['is full', '>/dev/full', 'code 5'],
  ] as const)('goes on and says so when stdout %s', async ([, target, code], { serve, command, expect }) => {
    const server = await serve();
    const words = ['record', 'devices', '-u', server.url, '-o', 'x.ndjson', '--tail', '-n', '30'];
    const script = `{ "$@"; echo "code $?" >&2; } ${target}`;
    const { messages } = command.start(words, { through: shell(script) });
    const client = await server.request();
    client.accept();
    for (let i = 0; i < 30; i++) {
      client.text(event(i));
      if (i < 29) await client.roundTrips(1);
    }
    await messages.next((line) => /: printing stops, recording goes on$/.test(line));
    expect(await messages.next((line) => line.startsWith('code'))).toBe(code);
    const { content } = command.sandbox.files().get('x.ndjson')!;
    expect(content.match(/"number":/g)).toHaveLength(30);
  });
});

const canUnshare = spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true']).status === 0;
const asFirst = ['unshare', '--pid', '--fork', '--mount-proc'];
/** More than the buffers of pipes, sockets and terminals hold, in few events: it is there at once. */
const much = Buffer.concat(Array.from({ length: 40 }, (_, i) => text(event(i, 'x'.repeat(100_000)))));

/** Asks process 1 of a container, by the process that started the container, to end. */
function stopFirst(starter: number | string | undefined): number {
  process.kill(Number(readFileSync(`/proc/${starter}/task/${starter}/children`, 'utf8')), 'SIGTERM');
  return performance.now();
}

describe.runIf(canUnshare)(
  'process 1 of a container (needs the right to unshare)',
  { concurrent: true },
  () => {
    test.for([
      ['ends with 143 at once', '', NO_TIMER_MS],
      ['ends with 143 in 2 s when a pipe is not read', unread, SHUTDOWN_MS],
    ] as const)('%s', async ([, target, limitMs], { serve, command, expect }) => {
      const server = await serve();
      const environment = target === '' ? delayedTimers() : {};
      const script = `{ ${asFirst.join(' ')} "$@" & echo "pid $!" >&2; wait $!; echo "code $?" >&2; } ${target}`;
      const { messages } = command.tail(server, [], { through: shell(script), environment });
      const pid = (await messages.next((line) => line.startsWith('pid '))).slice(4);
      const client = await server.request();
      client.accept(much);
      await client.roundTrips(1);
      const startedAt = stopFirst(pid);
      let summaries = 0;
      for (let line = ''; !line.startsWith('code'); ) {
        line = await messages.next();
        if (/events \(devices/.test(line)) summaries++;
        if (line.startsWith('code')) expect(line).toBe('code 143');
      }
      expect(performance.now() - startedAt).toBeLessThan(limitMs);
      expect(summaries).toBe(1);
    });

    test('ends with 143 in 2 s when a socket is not read', async ({ serve, command, expect }) => {
      const server = await serve();
      const { child } = command.tail(server, [], { through: asFirst });
      child.stdout.pause();
      const client = await server.request();
      client.accept(much);
      await client.roundTrips(1);
      const died = new Promise((resolve) => child.once('exit', resolve));
      const startedAt = stopFirst(child.pid);
      expect(await died).toBe(143);
      expect(performance.now() - startedAt).toBeLessThan(SHUTDOWN_MS);
      child.stdout.resume();
    });

    test('ends with 143 in 2 s when its terminal is stopped', async ({ serve, command, expect }) => {
      const server = await serve();
      const terminal = command.tailOnTerminal(server, ['-f', 'json'], { through: asFirst });
      const client = await server.request();
      client.accept(text(event(0)));
      await terminal.shows(/"number":0/);
      terminal.pty.write('\x13');
      client.write(much);
      await client.roundTrips(1);
      const startedAt = stopFirst(terminal.pty.pid);
      expect(await terminal.ended).toMatchObject({ code: 143 });
      expect(performance.now() - startedAt).toBeLessThan(SHUTDOWN_MS);
    });

    test('ends with 143 when the signal comes while it starts', async ({ command, expect }) => {
      // Runs as soon as the program has been loaded.
      const early = join(command.sandbox.home, 'early.cjs');
      writeFileSync(early, "setImmediate(() => process.kill(process.pid, 'SIGTERM'));");
      const environment = { NODE_OPTIONS: `--require=${early}` };
      const demo = command.start(['demo', '--duration', '5s'], { through: asFirst, environment });
      expect(await demo.ended).toMatchObject({ code: 143, stdout: '' });
    });
  },
);

describe.concurrent('a terminal that is stopped', () => {
  test('does not keep tail from ending on a signal in 2 s', async ({ serve, command, expect }) => {
    const server = await serve();
    const terminal = command.tailOnTerminal(server, ['-f', 'json']);
    const client = await server.request();
    client.accept(text(event(0)));
    await terminal.shows(/"number":0/);
    terminal.pty.write('\x13');
    client.write(much);
    await client.roundTrips(1);
    const startedAt = performance.now();
    process.kill(terminal.pty.pid, 'SIGTERM');
    expect(await terminal.ended).toMatchObject({ signal: 15 });
    expect(performance.now() - startedAt).toBeLessThan(SHUTDOWN_MS);
  });
});

describe.concurrent('a stdout that is not read', () => {
  test('ends a recording that is printed 2 s after --duration', async ({ command, expect }) => {
    const line = `{"received_at":"2026-11-22T21:50:00.000000Z","endpoint":"devices",${event(1).slice(1)}\n`;
    writeFileSync(join(command.sandbox.home, 'x.ndjson'), line.repeat(20_000));
    const words = ['tail', '--file', 'x.ndjson', '--duration', '4s'];
    const script = `{ echo begins >&2; "$@"; echo "code $?" >&2; } ${unread}`;
    const tail = command.start(words, { through: shell(script) });
    await tail.messages.next((message) => message === 'begins');
    const startedAt = performance.now();
    await tail.messages.next(
      (message) => message === 'warning: the rest was not written: stdout was not read',
    );
    expect(await tail.messages.next((message) => message.startsWith('code'))).toBe('code 5');
    expect(performance.now() - startedAt).toBeLessThan(UNREAD_MS);
  });

  test.for([
    ['a pipe', shell(`{ "$@"; echo "code $?" >&2; } ${unread}`), 'code 5'],
    ['a socket', shell('"$@"; echo "code $?" >&2'), 'code 137'],
  ] as const)('ends 2 s after --duration: %s', async ([, through, code], { serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server, ['--duration', '4s'], { through: [...through] });
    tail.child.stdout.pause();
    const client = await server.request();
    const startedAt = performance.now();
    client.accept();
    client.write(much);
    await tail.messages.next((line) => /lines were not written: stdout was not read/.test(line));
    // Node cannot end with an exit code of its own while it writes to a socket that nobody reads.
    expect(await tail.messages.next((line) => line.startsWith('code'))).toBe(code);
    expect(performance.now() - startedAt).toBeLessThan(UNREAD_MS);
  });
});
