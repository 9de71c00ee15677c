import { spawnSync } from 'node:child_process';
import { createWriteStream, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { StreamClient, streamUrl } from '../io/server/stream-client.js';
import {
  eventLine,
  numbered,
  numberedLines,
  numberOf,
  RecordingFolder,
  stamp,
} from '../support/recordings.js';
import { type OnTerminal, Sandbox } from './sandbox.js';
import { ServedProcess } from './served-process.js';

const folder = new RecordingFolder();
afterAll(() => folder[Symbol.dispose]());

function replay(args: string[], environment?: NodeJS.ProcessEnv): ServedProcess {
  const port = args.includes('-p') ? [] : ['-p', '0'];
  return new ServedProcess(['replay', ...port, ...args], environment);
}

describe.concurrent('replay', () => {
  it('serves a recording, prints one JSON line, and ends with 0 when it is done', async () => {
    const path = folder.write(numberedLines(0, 200, 1));
    await using server = replay([path, '--exit-when-done', '--speed', '2x']);
    const at = await server.ready();
    await server.says(new RegExp(`OPMAS_URL=${at.url} OPMAS_TOKEN=${at.token} opmas-ws tail`));
    const { code, messages } = await new StreamClient(streamUrl(at)).end;
    expect([code, messages.length]).toEqual([1000, 200]);
    expect(await server.ended).toBe(0);
    expect(server.stdout).toBe(`{"listening":"${at.url}","token":"${at.token}"}\n`);
    await server.says(/^Served 200 events in /);
  });

  it('goes on serving after the end, for each client from the start', async () => {
    await using server = replay([folder.write(numberedLines(0, 20, 1)), '--speed', 'max']);
    const at = await server.ready();
    for (let i = 0; i < 2; i++) {
      const client = new StreamClient(streamUrl(at));
      expect((await client.received(20)).length).toBe(20);
      client.socket.close();
      await client.end;
      // Long enough for the replay to notice that no other client has come.
      await delay(400);
    }
    server.process.kill('SIGINT');
    expect(await server.ended).toBe('SIGINT');
    await server.says(/^Served 40 events in /);
  });

  it('merges, filters, chooses by time, cuts gaps, repeats', async () => {
    const early = folder.write(numberedLines(0, 10, 60_000), 'early.ndjson');
    const late = folder.write(numberedLines(10, 20, 60_000), 'late.ndjson');
    const options = [
      '--max-gap',
      '1ms',
      '--from',
      '3m',
      '--to',
      stamp(15 * 60_000),
      '--exclude-type',
      'rule.*',
    ];
    await using server = replay(['--loop', late, early, ...options, '--where', 'data.n % 2 == 0']);
    const client = new StreamClient(streamUrl(await server.ready()));
    const messages = await client.received(12);
    expect(messages.slice(0, 12).map(numberOf)).toEqual([4, 6, 8, 10, 12, 14, 4, 6, 8, 10, 12, 14]);
  });

  it('reads stdin, keeps it where only its user can read it, and leaves nothing behind', async () => {
    using sandbox = new Sandbox();
    const { child, ended } = sandbox.start(['replay', '-', '-p', '0', '--rate', '50', '--exit-when-done'], {
      input: ['{"type":"device.error","data":{"n":1}}', '{"type":"device.error","data":{"n":2}}', ''].join(
        '\n',
      ),
      environment: { TMPDIR: sandbox.home },
    });
    const [line] = (await child.stdout.take(1).toArray()) as [Buffer];
    const { listening: url, token } = JSON.parse(String(line));
    const [spool] = [...sandbox.files()].filter(([name]) => name.endsWith('copy'));
    expect(spool?.[1].mode).toBe(0o600);
    expect((await new StreamClient(streamUrl({ url, token })).end).messages.map(numberOf)).toEqual([1, 2]);
    expect((await ended).code).toBe(0);
    expect(readdirSync(sandbox.home)).toEqual([]);
  });

  it('says where there is no room for the copy of stdin', async () => {
    using sandbox = new Sandbox();
    const { ended } = sandbox.start(['replay', '-', '-p', '0'], {
      input: `${numberedLines(0, 2000, 1).join('\n')}\n`,
      environment: { TMPDIR: sandbox.home },
      through: ['sh', '-c', 'ulimit -f 8 && exec "$@"', '-'],
    });
    const { code, stderr } = await ended;
    expect(stderr).toMatch(/stdin cannot be copied to .*: the file would be larger than .* \(EFBIG\)\n/);
    expect(stderr).toContain('Set TMPDIR to a folder with room');
    expect([code, readdirSync(sandbox.home)]).toEqual([5, []]);
  });

  it('reads a named pipe to its end first, says so when that takes long, and serves all of it', async () => {
    using sandbox = new Sandbox();
    const pipe = join(sandbox.home, 'pipe');
    spawnSync('mkfifo', [pipe]);
    const lines = numberedLines(0, 20_000, 0.01);
    await using server = replay([pipe, '--speed', 'max', '--exit-when-done'], { TMPDIR: sandbox.home });
    const writer = createWriteStream(pipe);
    writer.write(`${lines.slice(0, 10_000).join('\n')}\n`);
    await server.says(/copying .*pipe before serving it/);
    writer.end(`${lines.slice(10_000).join('\n')}\n`);
    const { messages } = await new StreamClient(streamUrl(await server.ready())).end;
    expect(messages.map(numberOf)).toEqual(Array.from({ length: 20_000 }, (_, n) => n));
    expect(await server.ended).toBe(0);
    expect(readdirSync(sandbox.home)).toEqual(['pipe']);
  });

  it('finds a bad option before it waits for stdin', async () => {
    using sandbox = new Sandbox();
    const { ended } = sandbox.start(['replay', '-', '-p', '0', '--fault', 'explode@1s'], {
      through: ['bash', '-c', 'exec "$@" < <(exec sleep 60 >/dev/null 2>&1)', 'bash'],
    });
    expect(await ended).toMatchObject({ code: 2, stderr: expect.stringMatching(/explode@1s/) });
  });

  it('names an empty stdin, and no other source', async () => {
    using sandbox = new Sandbox();
    expect(await sandbox.run(['replay', '-', '-p', '0'])).toMatchObject({
      code: 6,
      stderr: expect.stringMatching(/^opmas-ws: stdin:1: it is empty, so it is not a recording\n/),
    });
  });

  it.each([
    ['no line is from that time', ['--from', '1h']],
    ['no event matches the filters', ['-t', 'rule.*']],
    ['there are no events', []],
  ])('says why there is nothing to send: %s', async (why, options) => {
    const open =
      '{"received_at":"2026-11-22T21:50:00.000000Z","connection":{"state":"open"},"endpoint":"devices"}';
    const lines = options.length === 0 ? [open] : numberedLines(0, 20, 1);
    await using server = replay([folder.write(lines), ...options]);
    await new StreamClient(streamUrl(await server.ready())).opened();
    await server.says(new RegExp(`nothing to send: ${why}`));
  });

  it.each(['SIGINT', 'SIGQUIT'] as const)(
    '%s closes clients with 1012 and removes its copy of stdin',
    async (signal) => {
      using sandbox = new Sandbox();
      const { child, ended } = sandbox.start(['replay', '-', '-p', '0', '--loop'], {
        input: `${numberedLines(0, 5, 10).join('\n')}\n`,
        environment: { TMPDIR: sandbox.home },
      });
      const [line] = (await child.stdout.take(1).toArray()) as [Buffer];
      const { listening: url, token } = JSON.parse(String(line));
      const client = new StreamClient(streamUrl({ url, token }));
      await client.received(20);
      child.kill(signal);
      expect((await client.end).code).toBe(1012);
      expect((await ended).signal).toBe(signal);
      expect(readdirSync(sandbox.home)).toEqual([]);
    },
  );

  it('warns of damage with its line number; --strict makes it an error', async () => {
    const lines = numberedLines(0, 3, 1);
    const path = folder.write([lines[0]!, 'rubbish', lines[1]!, lines[2]!]);
    await using lenient = replay([path, '--exit-when-done', '--speed', 'max']);
    expect((await new StreamClient(streamUrl(await lenient.ready())).end).messages.length).toBe(3);
    await lenient.says(/^warning: .*capture\.ndjson:2: not a JSON object/);
    await using strict = replay([path, '--strict', '--speed', 'max']);
    await new StreamClient(streamUrl(await strict.ready())).end;
    expect(await strict.ended).toBe(6);
  });

  it('warns of the first pieces of much damage, and counts the others', async () => {
    const damage = Array.from({ length: 500 }, (_, i) => `rubbish ${i}`);
    const path = folder.write([...numberedLines(0, 3, 1), ...damage]);
    await using server = replay([path, '--exit-when-done', '--speed', 'max']);
    await new StreamClient(streamUrl(await server.ready())).end;
    expect(await server.ended).toBe(0);
    await server.says(/and 490 more problems$/);
    expect(server.messages.filter((line) => line.startsWith('warning'))).toHaveLength(11);
  });

  it.each([
    ['data.text > 90', /data\.text is a string, compared with a number/],
    ['data.absent > 90', /none matched the filters; types: .*; no event had data\.absent/],
  ])('says why a filter keeps nothing: %s', async (where, reason) => {
    const lines = [0, 1, 2].map((n) => eventLine(n, '{"type":"device.a","data":{"text":"97"}}'));
    await using server = replay([folder.write(lines), '--speed', 'max', '--where', where]);
    const client = new StreamClient(streamUrl(await server.ready()));
    await server.says(reason);
    client.socket.close();
  });

  it('warns of a filter that can match nothing documented', async () => {
    const path = folder.write(numberedLines(0, 3, 1));
    await using server = replay([path, '--type', 'device.eror']);
    await server.ready();
    await server.says(/^warning: .*device\.error/);
  });

  it.each([
    [[], /name a recording/],
    [['/nowhere.ndjson'], /nowhere\.ndjson: there is no such file/],
    [['-', '-'], /stdin/],
    [['x', '--speed', 'fast'], /--speed/],
    [['x', '--speed', '-1'], /--speed/],
    [['x', '--rate', '0'], /--rate/],
    [['x', '--rate', '5', '--speed', 'max'], /rate.*max/],
    [['x', '--max-gap', '5'], /--max-gap/],
    [['x', '--from', 'noon'], /--from/],
    [['x', '--to', '22:00'], /--to/],
    [['x', '--from', '3s', '--to', '1s'], /to.*before.*from/],
    [['x', '--rate', '1e3'], /--rate.*"1e3"/],
    [['x', '--loop', '0'], /--loop/],
    [['x', '--clock', 'wall'], /--clock/],
    [['x', '--lifecycle', '--clock', 'client'], /lifecycle/],
    [['x', '--lifecycle', '--speed', 'max'], /lifecycle/],
    [['x', '--where', 'data.'], /--where|where/],
  ])('%j is exit 2 and named', async (args, message) => {
    using sandbox = new Sandbox();
    const { code, stdout, stderr } = await sandbox.run(['replay', '-p', '0', ...args]);
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringMatching(message)]);
  });

  it('no recording is exit 6, a port in use is exit 5', async () => {
    using sandbox = new Sandbox();
    const nonsense = folder.write(['one', 'two'], 'nonsense.ndjson');
    expect(await sandbox.run(['replay', '-p', '0', nonsense])).toMatchObject({ code: 6 });
    await using taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as { port: number };
    const recording = folder.write(numberedLines(0, 3, 1));
    const { code, stderr } = await sandbox.run(['replay', recording, '-p', String(port)]);
    expect([code, stderr]).toEqual([5, expect.stringContaining(`port ${port} is in use`)]);
  });

  it('a client under test survives a recorded outage', async () => {
    const line = (at: number, connection: object) =>
      JSON.stringify({ received_at: stamp(at), connection, endpoint: 'devices' });
    const connecting = { state: 'connecting', attempt: 1, url: 'ws://x/', recorder: 'x', format: 1 };
    const path = folder.write([
      line(0, connecting),
      line(2, { state: 'open' }),
      eventLine(10, numbered(1)),
      line(200, { state: 'closed', code: 1011, reason: 'internal error' }),
      line(300, connecting),
      line(302, { state: 'refused', error: 'connection refused (127.0.0.1:1)' }),
      line(1900, connecting),
      line(1902, { state: 'refused', status: 503 }),
      line(2200, connecting),
      line(2202, { state: 'open' }),
      eventLine(2210, numbered(2)),
      line(2400, { state: 'closed', code: 1000, reason: '' }),
    ]);
    await using server = replay([path, '--lifecycle']);
    const at = await server.ready();
    using sandbox = new Sandbox();
    const tail = await sandbox.run(
      ['tail', 'devices', '-f', 'json', '--retry-delay', '300ms', '--retry-max', '300ms', '--exit-on-close'],
      { environment: { OPMAS_URL: at.url, OPMAS_TOKEN: at.token } },
    );
    expect(tail.code).toBe(0);
    expect(tail.stdout.trim().split('\n').map(numberOf)).toEqual([1, 2]);
    expect(tail.stderr).toMatch(/1011/);
    expect(tail.stderr).toMatch(/connection refused/);
    await server.says(/recorded downtime begins/);
    await server.says(/recorded downtime ends: listening again/);
  });
});

describe.concurrent('on a terminal', () => {
  /** A long recording, replayed slowly; a shell that says afterwards how the terminal was left. */
  async function onTerminal(sandbox: Sandbox): Promise<{ terminal: OnTerminal; client: StreamClient }> {
    const path = folder.write(numberedLines(0, 1000, 200), 'long.ndjson');
    const terminal = sandbox.onTerminal(['replay', path, '-p', '0'], {
      through: ['sh', '-c', `"$@"; echo "exit $?"; stty -a`, 'sh'],
    });
    await terminal.shows(/Keys: .*/);
    await terminal.shows(/\{"listening".*?\}/);
    const { listening: url, token } = JSON.parse(/\{"listening".*?\}/.exec(terminal.shown())![0]);
    const client = new StreamClient(streamUrl({ url, token }));
    await client.received(1);
    return { terminal, client };
  }

  it('space pauses, . steps, + and - change the speed, q ends with 0 and leaves the terminal as it was', async () => {
    using sandbox = new Sandbox();
    const { terminal, client } = await onTerminal(sandbox);
    terminal.pty.write(' ');
    await terminal.shows(/paused/);
    const before = client.messages.length;
    terminal.pty.write('.');
    await client.received(before + 1);
    terminal.pty.write('.');
    await client.received(before + 2);
    expect(client.messages.map(numberOf)).toEqual(client.messages.map((_, i) => i));
    terminal.pty.write('++');
    await terminal.shows(/at 4x/);
    terminal.pty.write('---');
    await terminal.shows(/at 0\.5x/);
    terminal.pty.write(`${'+'.repeat(8)} `);
    await client.received(before + 40);
    await terminal.shows(/of 3m20s/);
    terminal.pty.write('q');
    await terminal.shows(/Served \d+ events[\s\S]*exit 0[\s\S]*[^-]icanon[\s\S]* echo /);
    expect((await terminal.ended).code).toBe(0);
  });

  it('Ctrl-C ends it as everywhere, and leaves the terminal as it was', async () => {
    using sandbox = new Sandbox();
    const { terminal, client } = await onTerminal(sandbox);
    terminal.pty.write('\x03');
    await terminal.shows(/exit 130[\s\S]*[^-]icanon[\s\S]* echo /);
    expect((await client.end).code).toBe(1012);
  });
});
