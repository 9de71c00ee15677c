import { spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  cpSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { event, frame, text } from '../support/raw-frames.js';
import type { RawConnection } from '../support/raw-server.js';
import { canary, test } from '../support/stage.js';
import { delayedTimers, eventually, NO_TIMER_MS } from '../support/time-limits.js';
import type { Running } from './sandbox.js';

/** How the process itself ended; a pipe that nobody reads keeps `close` away. */
function died({ child }: Running): Promise<[number | null, NodeJS.Signals | null]> {
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve([code, signal])));
}

const numbersIn = (stdout: string) =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line).data.number as number);

/** Sends 20,000 events, more than a pipe holds, and waits until they have been received. */
async function flood(client: RawConnection): Promise<void> {
  const much = Array.from({ length: 1000 }, (_, i) => text(event(i)));
  for (let i = 0; i < 20; i++) client.write(Buffer.concat(much));
  await client.roundTrips(1);
}

const in_ = (script: string) => ['bash', '-c', script, 'bash'];

describe.concurrent('a signal in the middle of a burst', () => {
  test.for([['SIGINT'], ['SIGTERM'], ['SIGHUP']] as const)(
    '%s: whole lines, the summary, a normal close; then it dies by it',
    async ([signal], { serve, command, expect }) => {
      const server = await serve();
      const tail = command.tail(server);
      const client = await server.request();
      client.accept();
      let sent = 0;
      const pour = setInterval(() => client.text(event(sent++), event(sent++)), 1);
      await tail.lines.count(100);
      tail.child.kill(signal);
      const farewell = await client.frames.next(({ opcode }) => opcode === 8);
      const ended = await tail.ended;
      clearInterval(pour);
      expect(ended.signal).toBe(signal);
      expect(farewell.payload.readUInt16BE()).toBe(1000);
      expect(ended.stdout.endsWith('}\n')).toBe(true);
      const numbers = numbersIn(ended.stdout);
      expect(numbers).toEqual(numbers.map((_, i) => i));
      expect(ended.stderr).toContain(`${numbers.length} events (devices ${numbers.length})`);
    },
  );

  test('in the shell that is 130', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server, [], { through: in_('"$@"; echo "code $?"') });
    (await server.request()).accept(text(event(1)));
    await tail.lines.next();
    const { pid } = tail.child;
    process.kill(Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')), 'SIGINT');
    expect((await tail.ended).stdout).toContain('code 130');
  });

  test('all lines before it are there', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server);
    const client = await server.request();
    client.accept(...Array.from({ length: 5000 }, (_, i) => text(event(i))));
    // Its pong says that all of that has been received.
    await client.roundTrips(1);
    tail.child.kill('SIGINT');
    expect(numbersIn((await tail.ended).stdout)).toHaveLength(5000);
  });
});

describe.concurrent('a signal while', () => {
  test.for([
    ['TCP is there and no upgrade', (): void => undefined, /^$/],
    ['it waits for the next attempt', 'refuse', /refused with HTTP 503, retry in 5m/],
    ['the API is asked about a 403', 'forbid', /^$/],
  ] as const)('%s', async ([, what, said], { serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server);
    const client = await server.request();
    if (what === 'refuse') {
      client.respond('503 No', ['Retry-After: 300']);
      await tail.messages.next((line) => line.includes('503'));
    }
    if (what === 'forbid') {
      client.respond('403 Forbidden');
      await server.request();
    }
    tail.child.kill('SIGINT');
    const { signal, stdout, stderr } = await tail.ended;
    expect([signal, stdout]).toEqual(['SIGINT', '']);
    expect(stderr.replace(/^0 events.*\n$/m, '')).toMatch(said);
    expect(stderr).not.toMatch(/bug|Unhandled|gave up|refuses/);
  });
});

describe.concurrent('an end that something holds up', () => {
  test('a reader that is stuck: it is over in 2 s all the same', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server);
    const client = await server.request();
    tail.child.stdout.pause();
    client.accept();
    await flood(client);
    const death = died(tail);
    const start = performance.now();
    tail.child.kill('SIGTERM');
    expect(await death).toEqual([null, 'SIGTERM']);
    expect(performance.now() - start).toBeGreaterThan(1000);
    tail.child.stdout.resume();
    // It says what is lost.
    const { stdout, stderr } = await tail.ended;
    const left = Number(/warning: (\d+) lines were not written: stdout was not read/.exec(stderr)?.[1]);
    expect(stderr).toMatch(/20000 events \(devices 20000\) in .*, 0 dropped/);
    const taken = stdout.split('\n').length - 1;
    expect(left).toBeGreaterThan(0);
    // The last batch may be in the pipe in part.
    expect(left + taken).toBeGreaterThanOrEqual(20_000);
  });

  test('a stuck reader, and no reader of stderr', async ({ serve, command, expect }) => {
    const server = await serve();
    const pipe = join(command.sandbox.home, 'stderr');
    spawnSync('mkfifo', [pipe]);
    const stderr = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
    const tail = command.tail(server, [], { through: in_(`exec "$@" 2>${pipe}`) });
    const client = await server.request();
    tail.child.stdout.pause();
    client.accept();
    await flood(client);
    for (const size of [4096, 1]) {
      const fill = () => {
        for (;;) writeSync(stderr, Buffer.alloc(size));
      };
      expect(fill).toThrow(/EAGAIN/);
    }
    const death = died(tail);
    tail.child.kill('SIGTERM');
    expect(await death).toEqual([null, 'SIGTERM']);
    closeSync(stderr);
    tail.child.stdout.resume();
  });

  test.for([
    ['too few events', ['--count', '9'], 7],
    ['too few events, said with --quiet', ['--count', '9', '--quiet'], 7],
    ['no connection', ['--connect-timeout', '300ms'], 4],
  ] as const)(
    'a stderr that is not read: the exit code tells of %s',
    async ([, args, code], { serve, command, expect }) => {
      const server = await serve();
      if (code === 7) server.onRequest((client) => client.accept(text(event(1))));
      const full = 'mkfifo full; exec 3<>full; dd if=/dev/zero of=full oflag=nonblock bs=1 2>/dev/null';
      const tail = command.tail(server, ['--duration', '3s', ...args], {
        through: in_(`${full}; exec "$@" 2>full`),
      });
      expect(await tail.ended).toMatchObject({ code });
    },
  );

  test('a second signal when all has been written: it claims no loss', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server, ['--type', 'device.*']);
    const client = await server.request();
    client.answersClose = false;
    client.accept(text('{"type":"device.a"}'), ...Array<Buffer>(5).fill(frame({ opcode: 2, payload: 'x' })));
    await client.roundTrips(1);
    await tail.lines.next();
    tail.child.kill('SIGINT');
    await client.frames.next(({ opcode }) => opcode === 8);
    tail.child.kill('SIGTERM');
    const { signal, stderr } = await tail.ended;
    expect(signal).toBe('SIGTERM');
    expect(stderr).toMatch(
      /1 event \(devices 1\) in .*, no gaps, 5 invalid \(binary frame\), .*, 0 dropped\n$/,
    );
    expect(stderr).not.toContain('not written');
  });

  test('a second signal ends it at once', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server);
    const client = await server.request();
    tail.child.stdout.pause();
    client.accept();
    await flood(client);
    const death = died(tail);
    tail.child.kill('SIGINT');
    await client.frames.next(({ opcode }) => opcode === 8);
    // By this one, so it was not the time limit of the first.
    tail.child.kill('SIGTERM');
    expect(await death).toEqual([null, 'SIGTERM']);
    tail.child.stdout.resume();
    await tail.ended;
    expect(tail.lines.all.every((line, i, all) => i === all.length - 1 || line.endsWith('}'))).toBe(true);
  });

  test('a server that neither closes nor reads', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server);
    const client = await server.request();
    client.answersClose = false;
    client.accept(text(event(1)));
    await tail.lines.next();
    client.socket.pause();
    tail.child.kill('SIGINT');
    expect((await tail.ended).signal).toBe('SIGINT');
  });
});

describe.runIf(process.platform === 'linux')(
  'a named pipe that nobody writes to',
  { concurrent: true },
  () => {
    test.for([
      ['inspect', 'pipe'],
      ['tail', '--file', 'pipe'],
      ['replay', 'pipe', '-p', '0'],
    ] as const)('holds up no thread and no end: %j', async (args, { command, expect }) => {
      const pipe = join(command.sandbox.home, 'pipe');
      spawnSync('mkfifo', [pipe]);
      const environment = delayedTimers();
      const { child, ended } = command.start(args, { environment });
      const files = `/proc/${child.pid}/fd`;
      const isOpen = () => readdirSync(files).some((fd) => readlinkSync(join(files, fd)) === pipe);
      await eventually(() => expect(isOpen()).toBe(true));
      const start = performance.now();
      child.kill('SIGTERM');
      expect(await ended).toMatchObject({ signal: 'SIGTERM' });
      expect(performance.now() - start).toBeLessThan(NO_TIMER_MS);
    });
  },
);

describe.concurrent('other signals', () => {
  test('SIGPIPE and SIGWINCH do nothing', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server, ['-n', '2']);
    const client = await server.request();
    client.accept(text(event(1)));
    await tail.lines.next();
    for (const signal of ['SIGPIPE', 'SIGWINCH', 'SIGCONT'] as const) tail.child.kill(signal);
    client.text(event(2));
    expect(await tail.ended).toMatchObject({ code: 0, signal: null });
  });

  test('stopped and continued: events in the socket are printed, and the dead link is noticed', async ({
    serve,
    command,
    expect,
  }) => {
    const server = await serve();
    const tail = command.tail(server, ['--dead-after', '1s']);
    const client = await server.request();
    client.accept(text(event(0)));
    await tail.lines.next();
    tail.child.kill('SIGSTOP');
    client.text(event(1), event(2));
    // The time has to pass: it is what the test is about.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    tail.child.kill('SIGCONT');
    await tail.lines.count(3);
    // This server answers no ping.
    expect(await tail.messages.next((line) => line.includes('lost'))).toContain('nothing came for 1 s');
    (await server.request()).accept(text(event(3)));
    expect(await tail.messages.next((line) => line.includes('back'))).toContain('a gap');
    await tail.lines.count(4);
    tail.child.kill('SIGINT');
    expect(numbersIn((await tail.ended).stdout)).toEqual([0, 1, 2, 3]);
    expect(server.requests.all).toHaveLength(2);
  });

  test('a terminal that goes away', async ({ serve, command, expect }) => {
    const server = await serve();
    const terminal = command.tailOnTerminal(server);
    const client = await server.request();
    client.accept(text(event(1)));
    await terminal.shows(/device.status_update/);
    terminal.pty.kill('SIGHUP');
    const farewell = await client.frames.next(({ opcode }) => opcode === 8);
    expect(farewell.payload.readUInt16BE()).toBe(1000);
    expect(await terminal.ended).toMatchObject({ signal: 1 });
  });
});

describe.concurrent('odd surroundings', () => {
  test('too few file descriptors are a passing fault', async ({ serve, command, expect }) => {
    const server = await serve();
    server.onRequest((client) => client.accept());
    const endpoints = Array.from({ length: 150 }, (_, i) => `/api/${i}`);
    const tail = command.tail(server, [...endpoints, '--retries', '3'], {
      through: in_('ulimit -n 120; exec "$@"'),
    });
    const refused = await tail.messages.next((line) => line.includes('too many open files'));
    expect(refused).toContain('retry in');
    tail.child.kill('SIGINT');
    const { signal, stderr } = await tail.ended;
    expect(signal).toBe('SIGINT');
    expect(stderr).not.toMatch(/bug|Unhandled/);
  });

  test('a part of the program that is missing is a fault of this machine', async ({ command, expect }) => {
    const { home } = command.sandbox;
    for (const path of ['bin', 'package.json']) cpSync(path, join(home, path), { recursive: true });
    const { code, stderr } = await command.start(['--version'], { program: join(home, 'bin/opmas-ws.js') })
      .ended;
    expect(code).toBe(5);
    expect(stderr).toMatch(/^opmas-ws: the program cannot be loaded: .*main.*\n$/);
  });

  test('a small heap and large messages', async ({ serve, command, expect }) => {
    const server = await serve();
    const count = 150;
    const tail = command.tail(server, ['-n', String(count), '--max-buffer', '16MiB'], {
      environment: { NODE_OPTIONS: '--max-old-space-size=64' },
      through: in_(
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is bash's
        '"$@" | { read -N 1000000 first; for i in {1..30000}; do :; done; wc -l; }; exit ${PIPESTATUS[0]}',
      ),
    });
    const client = await server.request();
    const large = JSON.stringify({ type: 'a', data: { numbers: Array(100_000).fill(1234.5) } });
    client.accept();
    for (let i = 0; i < count; i++) {
      if (!client.socket.write(text(large)))
        await new Promise((resolve) => client.socket.once('drain', resolve));
    }
    const { code, stdout, stderr } = await tail.ended;
    expect(code, stderr).toBe(0);
    expect(Number(stdout)).toBeGreaterThanOrEqual(count - 2);
  });

  test('stdin is left alone', async ({ serve, command, expect }) => {
    const server = await serve();
    server.onRequest((client) => client.accept(text(event(1))));
    const tail = command.tail(server, ['-n', '1'], { through: in_('"$@" < /dev/zero') });
    expect((await tail.ended).code).toBe(0);
  });

  test.for([
    ['HOME is not set', 'unset HOME; exec "$@"'],
    ['HOME cannot be written', 'HOME=/proc exec "$@"'],
    ['TMPDIR does not exist', 'TMPDIR=/no/such/folder exec "$@"'],
    ['the working directory is gone', 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'],
    ['nothing at all is set', 'exec env -i PATH="$PATH" OPMAS_TOKEN=x "$@"'],
  ] as const)('%s', async ([, script], { serve, command, expect }) => {
    const server = await serve();
    server.onRequest((client) => client.accept(text(event(1))));
    const { code, stdout, stderr } = await command.tail(server, ['-n', '1'], { through: in_(script) }).ended;
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('"number":1');
    rmSync(`${command.sandbox.home}/gone`, { recursive: true, force: true });
  });

  test.for([
    ['an exception', `throw new Error(message)`],
    ['a rejection', `Promise.reject(new Error(message))`],
    ['no error at all', `throw message`],
  ] as const)('%s that nobody catches', async ([, fault], { serve, command, expect }) => {
    const server = await serve();
    // On this signal something breaks within the process, in the way that errors of libraries carry URLs.
    const preload = `process.on('SIGUSR2', () => setImmediate(() => {
      const message = 'broken: ws://user:secret@host/x?token=' + encodeURIComponent(process.env.OPMAS_TOKEN) + ' \\x1b[2J';
      ${fault};
    }))`;
    const path = join(command.sandbox.home, 'break.mjs');
    writeFileSync(path, preload);
    const environment = { NODE_OPTIONS: `--import ${path}` };
    const tail = command.tail(server, ['--debug'], { environment });
    const client = await server.request();
    client.accept(text(event(1)));
    await tail.lines.next();
    tail.child.kill('SIGUSR2');
    const { code, stdout, stderr } = await tail.ended;
    expect(code).toBe(1);
    expect(numbersIn(stdout)).toEqual([1]);
    expect(stderr).toContain('opmas-ws: sorry, this is a bug in opmas-ws: broken: ws://…@host/x?token=…');
    expect(stderr).not.toContain('\u001b');
    expect(stderr).not.toContain(encodeURIComponent(canary).slice(0, 30));
    expect(stderr).not.toContain('secret');
    expect(stderr).toContain('1 event');
    const farewell = await client.frames.next(({ opcode }) => opcode === 8);
    expect(farewell.payload.readUInt16BE()).toBe(1000);
  });

  test('a wait for what never comes', async ({ command, expect }) => {
    const path = join(command.sandbox.home, 'never.mjs');
    writeFileSync(
      path,
      `import files from 'node:fs/promises';
      import { syncBuiltinESMExports } from 'node:module';
      for (const name of ['open', 'stat', 'readFile']) files[name] = () => new Promise(() => undefined);
      syncBuiltinESMExports();`,
    );
    const environment = { NODE_OPTIONS: `--import ${path}` };
    const { code, stderr } = await command.sandbox.run(['inspect', 'a.ndjson'], { environment });
    expect(code).toBe(1);
    expect(stderr).toContain('this is a bug in opmas-ws: a wait that never ends');
  });
});
