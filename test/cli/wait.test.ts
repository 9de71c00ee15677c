import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { WaitProgress } from '../../src/cli/commands/wait/progress.js';
import { compileSequence } from '../../src/internal.js';
import { isAlive } from '../support/alive.js';
import { refusalOf } from '../support/examples.js';
import { event, text } from '../support/raw-frames.js';
import type { RawConnection, RawServer } from '../support/raw-server.js';
import { type CommandLine, canary, test } from '../support/stage.js';
import type { Running } from './sandbox.js';

const QUICK = ['--retry-delay', '20ms', '--retry-max', '50ms'];

function wait(command: CommandLine, server: RawServer, ...args: string[]): Running {
  return command.start(['wait', '-u', server.url, ...QUICK, ...args]);
}

/** Accepts the next connection. */
async function accept(server: RawServer): Promise<RawConnection> {
  return (await server.request()).accept();
}

/** A command that tells its process id and then does what the script says. */
const shell = (script: string) => ['--', 'sh', '-c', `echo pid=$$; ${script}`];

/** Waits for the process id that the command tells on stderr. */
async function pidOf({ messages }: Running): Promise<number> {
  return Number((await messages.next((line) => line.startsWith('pid='))).slice(4));
}

describe('wait', { concurrent: true }, () => {
  test('ends with the first event that matches, as one line of JSON', async ({ serve, command, expect }) => {
    const server = await serve();
    const running = wait(command, server, 'devices', '-t', 'device.error', '--timeout', '20s');
    (await accept(server)).text(event(1), event(2, 'device.error'), event(3, 'device.error'));
    const { code, stdout, stderr } = await running.ended;
    expect([code, stderr]).toEqual([0, expect.stringContaining('1 event (devices 1)')]);
    expect(stdout).toMatch(/^\{"received_at":"[^"]+","endpoint":"devices",[^\n]*"number":2\}\}\n$/);
  });

  test('takes an event in the same packet as the answer to the upgrade', async ({
    serve,
    command,
    expect,
  }) => {
    const server = await serve();
    const running = wait(command, server, 'devices', '--timeout', '20s');
    (await server.request()).accept(text(event(1)));
    expect(await running.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('"number":1') });
  });

  test('goes on with the events of --then, prints each as it comes, and the time between them', async ({
    serve,
    command,
    expect,
  }) => {
    const server = await serve();
    const then = [
      '--then',
      'data.number == first.data.number + 5',
      '--then',
      'data.number > previous.data.number',
    ];
    const running = wait(command, server, 'devices', '-t', 'device.error', '--timeout', '20s', ...then);
    const client = await accept(server);
    client.text(event(6), event(1, 'device.error'));
    expect(await running.lines.next()).toContain('"number":1}');
    client.text(event(5), event(6, 'x'), event(2), event(7, 'y'));
    const { code, stdout, stderr } = await running.ended;
    expect(code).toBe(0);
    expect(stdout.match(/"number":\d/g)).toEqual(['"number":1', '"number":6', '"number":7']);
    expect(stderr).toMatch(/^x came \d+\.\d{3}s after device\.error$/m);
    expect(stderr).toMatch(/^y came 0\.000s after x$/m);
  });

  test('ends with 7 when it was not in time, and explains itself', async ({ serve, command, expect }) => {
    const server = await serve();
    const then = 'data.number == first.data.nummer';
    const running = wait(command, server, 'devices', '--then', then, '--timeout', '6s');
    (await accept(server)).text(event(1), event(2));
    const { code, stderr } = await running.ended;
    expect(code).toBe(7);
    expect(stderr).toContain(
      '1 event came and none matched --then; types: device.status_update; no event had first.data.nummer',
    );
    expect(stderr).toMatch(/^opmas-ws: 1 of 2 events came in 6s$/m);
  });

  test('ends with 8 when the event may have come in a gap', async ({ serve, command, expect }) => {
    const server = await serve();
    const running = wait(command, server, 'devices', '-t', 'never', '--timeout', '6s');
    const client = await accept(server);
    client.text(event(1));
    await client.roundTrips();
    client.reset();
    await accept(server);
    const { code, stderr } = await running.ended;
    expect(stderr).toMatch(
      /^opmas-ws: the event did not come in 6s, but may have come in a gap \(devices\)$/m,
    );
    expect(code).toBe(8);
  });

  test('ends with 8 when it was lost for good after an event', async ({ serve, command, expect }) => {
    const server = await serve();
    const running = wait(command, server, 'devices', '-t', 'never', '--no-reconnect');
    const client = await accept(server);
    client.text(event(1));
    await client.roundTrips();
    client.reset();
    const { code, stderr } = await running.ended;
    expect([code, stderr]).toEqual([
      8,
      expect.stringMatching(/may have come in a gap \(devices\); gave up on .*1006/),
    ]);
  });

  test('counts no gap before the first event, and none before the event that came', async ({
    serve,
    command,
    expect,
  }) => {
    const server = await serve();
    const then = ['b', 'never'].flatMap((type) => ['--then', `event.type == "${type}"`]);
    const running = wait(command, server, 'devices', '-t', 'a', ...then);
    (await accept(server)).reset();
    const client = await accept(server);
    client.text(event(1));
    await client.roundTrips();
    client.reset();
    const last = await accept(server);
    last.text(event(2, 'a'));
    await running.lines.next();
    running.child.stdout.destroy();
    last.text(event(3, 'b'));
    const { code, stderr } = await running.ended;
    expect([code, stderr]).toEqual([
      7,
      expect.stringContaining('2 of 3 events came before stdout was closed'),
    ]);
    expect(stderr).toContain('a gap, events may be missing');
  });

  test('ends with 4 when nothing was ever open', async ({ serve, command, expect }) => {
    const server = await serve();
    server.onRequest((client) => client.respond('503 Service Unavailable'));
    const { code, stderr } = await wait(command, server, 'devices', 'rules', '--timeout', '6s').ended;
    expect(stderr).toMatch(/the event did not come in 6s; devices, rules could not be reached: .*503/);
    expect(code).toBe(4);
  });

  test('ends with 7 when one of the endpoints was open all the time', async ({ serve, command, expect }) => {
    const server = await serve();
    server.onRequest((client) =>
      client.path.includes('rules') ? client.respond('503 Service Unavailable') : client.accept(),
    );
    expect(await wait(command, server, 'devices', 'rules', '--timeout', '6s').ended).toMatchObject({
      code: 7,
    });
  });

  test('ends with 3 when the token is rejected', async ({ serve, command, expect }) => {
    const server = await serve();
    server.onRequest((client) => client.respond('401 Unauthorized'));
    const running = wait(command, server, 'devices', '--timeout', '30s', ...shell('exit 9'));
    const { code, stderr } = await running.ended;
    expect([code, stderr]).toEqual([3, expect.not.stringContaining('pid=')]);
    expect(stderr).toMatch(/^opmas-ws: ws:\S+ rejected the token from OPMAS_TOKEN: /m);
    expect(stderr).not.toContain('(see above)');
  });

  test.for([
    [['--then', 'frist.data.id == data.id'], /--then: unknown variable: frist[\s\S]*Did you mean first\?/],
    [['--'], /there is no command after --/],
    [['--', '', 'x'], /there is no command after --/],
    [['--then', 'data.a == b'], /\n {2}Text needs quotes .*: --then "event\.type/],
    [['nowhere', '--', 'true'], /nowhere"\n.*\n$/],
    [['devices', 'echo', 'x'], /"echo"\n.*\n {2}A command stands after --: wait -- COMMAND\.\n$/],
  ] as const)('takes %j for a usage error', async ([args, message], { command, expect }) => {
    const { code, stderr } = await command.sandbox.run(['wait', '-u', 'ws://127.0.0.1:9', ...args]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });

  test.for([
    [['--timeout', '0s'], /^USAGE --timeout must not be zero/],
    [['--timeout', '5'], /^USAGE --timeout: "5" is not a duration/],
    [['-n', '3'], /^USAGE unknown option '-n': For N events: `opmas-ws tail -n N/],
    [['--duration', '3s'], /^USAGE unknown option '--duration': .*--timeout/],
  ] as const)('does not take %j', async ([args, message], { expect }) => {
    expect(await refusalOf(['wait', ...args])).toMatch(message);
  });
});

describe('the command of wait', { concurrent: true }, () => {
  test('starts when all endpoints are open, and only later events count', async ({
    serve,
    command,
    expect,
  }) => {
    const server = await serve();
    const running = wait(command, server, 'devices', 'rules', ...shell('sleep 60'));
    const first = await accept(server);
    first.text(event(1));
    await first.roundTrips();
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(running.messages.all.join()).not.toContain('pid=');
    const second = await accept(server);
    second.text(event(2));
    const pid = await pidOf(running);
    second.text(event(3));
    const { code, stdout, stderr } = await running.ended;
    expect([code, stdout.match(/"number":\d/g)]).toEqual([0, ['"number":3']]);
    expect(stderr).toMatch(/^device\.status_update came \d+\.\d{3}s after the start of sh$/m);
    expect(isAlive(pid)).toBe(false);
  });

  test('is not given events that came before its start, even with the one that proves the connection', async ({
    serve,
    command,
    expect,
  }) => {
    const server = await serve();
    const running = wait(command, server, 'devices', '--timeout', '20s', ...shell('sleep 20'));
    const client = (await server.request()).accept(text(event(1)), text(event(2)), text(event(3)));
    // The rest of what the server has at the start comes in packets of its own.
    await client.roundTrips(1);
    client.text(event(3));
    await client.roundTrips(1);
    client.text(event(3));
    await pidOf(running);
    client.text(event(4));
    const { code, stdout, stderr } = await running.ended;
    expect([code, stderr]).toEqual([0, expect.stringContaining('after the start of sh')]);
    expect(stdout).toContain('"number":4');
  });

  test('does not start on a connection that is opened only to be closed', async ({
    serve,
    command,
    expect,
  }) => {
    const server = await serve();
    const running = wait(command, server, 'devices', '--timeout', '20s', ...shell('sleep 60'));
    for (let i = 0; i < 3; i++) (await accept(server)).close(1011);
    expect(running.messages.all.join()).not.toContain('pid=');
    const client = await accept(server);
    await pidOf(running);
    client.text(event(1));
    expect(await running.ended).toMatchObject({ code: 0 });
  });

  test('gets no shell, our environment and our stdin, and all its output goes to stderr', async ({
    serve,
    command,
    expect,
  }) => {
    const server = await serve();
    const script = `process.stdout.write(process.argv[1] + process.env.MINE + Object.keys(process.env).filter((name) => name.startsWith('OPMAS_')).sort());
      process.stdin.on('data', (data) => process.stderr.write('stdin=' + data + '\\n'));`;
    const running = command.start(
      ['wait', 'devices', '-u', server.url, '--', process.execPath, '-e', script, '$HOME;`id`', '-q', '--'],
      { input: 'some text', environment: { MINE: 'mine' } },
    );
    const client = await accept(server);
    await running.messages.next((line) => line.includes('stdin=some text'));
    client.text(event(1));
    const { code, stdout, stderr } = await running.ended;
    expect([code, stderr]).toEqual([0, expect.stringContaining('$HOME;`id`mineOPMAS_KEYCHAIN,OPMAS_TOKEN')]);
    expect(stdout.split('\n')).toHaveLength(2);
    expect(stderr).not.toContain(canary);
  });

  test.for([
    ['fails', ['sh', '-c', 'exit 42'], 42, 'with 42: sh failed with exit code 42'],
    ['is killed', ['sh', '-c', 'kill -9 $$'], 137, 'with 137: sh was ended by SIGKILL'],
    ['does not exist', ['no-such-program'], 127, 'with 127: there is no program no-such-program'],
    ['is not executable', ['/etc/passwd'], 126, 'with 126: /etc/passwd is not executable'],
  ] as const)('ends the wait when it %s', async ([, words, code, message], { serve, command, expect }) => {
    const server = await serve();
    server.onRequest((client) => client.accept());
    const ended = await wait(command, server, 'devices', '--', ...words).ended;
    expect([ended.code, ended.stdout]).toEqual([code, '']);
    expect(ended.stderr).toContain(`\nopmas-ws: the command ended the wait ${message}\n`);
  });

  test('does not end the wait when it succeeds', async ({ serve, command, expect }) => {
    const server = await serve();
    const running = wait(command, server, 'devices', '--timeout', '20s', ...shell('exit 0'));
    const client = await accept(server);
    const pid = await pidOf(running);
    while (isAlive(pid)) await client.roundTrips();
    await client.roundTrips(20);
    client.text(event(1));
    expect(await running.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('"number":1') });
  });

  test('gets SIGTERM with its children when the wait is over, and SIGKILL when it ignores that', async ({
    serve,
    command,
    expect,
  }) => {
    const server = await serve();
    const script = "trap '' TERM; sleep 300 & echo pid=$!; while :; do sleep 0.1; done";
    const running = wait(command, server, 'devices', ...shell(script));
    const client = await accept(server);
    const pids = [await pidOf(running), await pidOf(running)];
    client.text(event(1));
    const { code, stderr } = await running.ended;
    expect([code, pids.map(isAlive)]).toEqual([0, [false, false]]);
    expect(stderr).toContain('warning: sh did not end 5 s after SIGTERM and was killed');
  });

  test.for(['SIGINT', 'SIGTERM'] as const)(
    'is gone after %s, even if it ignores SIGTERM',
    async (signal, { serve, command, expect }) => {
      const server = await serve();
      const running = wait(
        command,
        server,
        'devices',
        ...shell("trap '' TERM INT; while :; do sleep 0.1; done"),
      );
      await accept(server);
      const pid = await pidOf(running);
      running.child.kill(signal);
      expect(await running.ended).toMatchObject({ signal });
      expect(isAlive(pid)).toBe(false);
    },
  );

  test('may print without end', async ({ serve, command, expect }) => {
    const server = await serve();
    const running = wait(command, server, 'devices', ...shell('yes'));
    const client = await accept(server);
    await running.messages.count(100_000);
    client.text(event(1));
    expect(await running.ended).toMatchObject({ code: 0 });
  });

  test('is not started when an endpoint is refused for good', async ({ serve, command, expect }) => {
    const server = await serve();
    const file = join(command.sandbox.home, 'started');
    server.onRequest((client) =>
      client.path.includes('rules') ? client.respond('404 Not Found') : client.accept(),
    );
    const running = wait(command, server, 'devices', 'rules', '--timeout', '60s', '--', 'touch', file);
    const { code, stderr } = await running.ended;
    expect([code, existsSync(file)]).toEqual([4, false]);
    expect(stderr).toMatch(/the command was not started; gave up on rules/);
  });

  test('is not started when an endpoint is not open in time', async ({ serve, command, expect }) => {
    const server = await serve();
    server.onRequest((client) =>
      client.path.includes('rules') ? client.respond('503 Unavailable') : client.accept(),
    );
    const running = wait(command, server, 'devices', 'rules', '--timeout', '6s', ...shell('exit 9'));
    const { code, stderr } = await running.ended;
    expect(code).toBe(4);
    expect(stderr).toMatch(
      /did not come in 6s: the command was not started; rules could not be reached: .*503/,
    );
  });

  test('may leave a daemon behind', async ({ serve, command, expect }) => {
    const server = await serve();
    const file = join(command.sandbox.home, 'daemon');
    const running = wait(
      command,
      server,
      'devices',
      ...shell(`setsid sh -c 'echo $$ > ${file}; exec sleep 300' > /dev/null 2>&1 &`),
    );
    const client = await accept(server);
    await pidOf(running);
    while (!existsSync(file) || readFileSync(file, 'utf8') === '') await client.roundTrips();
    client.text(event(1));
    expect(await running.ended).toMatchObject({ code: 0 });
    const pid = Number(readFileSync(file, 'utf8'));
    expect(isAlive(pid)).toBe(true);
    process.kill(pid);
  });
});

/** A recording of `devices` with numbered events, a gap between the second and the third, and a last event at 9 s. */
const RECORDING = [
  [0, '"connection":{"state":"connecting","attempt":1,"url":"ws://x/"},"endpoint":"devices"'],
  [1, '"connection":{"state":"open"},"endpoint":"devices"'],
  ...[2, 3].map((at) => [at, `"endpoint":"devices","type":"a","data":{"number":${at}}`] as const),
  [
    4,
    '"connection":{"state":"closed","code":1006,"reason":"","lost":true,"retry_in_ms":9},"endpoint":"devices"',
  ],
  [6, '"connection":{"state":"open","gap_since":"2026-11-22T21:50:04.000000Z"},"endpoint":"devices"'],
  ...[7, 8, 9].map((at) => [at, `"endpoint":"devices","type":"b","data":{"number":${at}}`] as const),
].map(([at, rest]) => `{"received_at":"2026-11-22T21:50:0${at}.000000Z",${rest}}\n`);
const DROPPED =
  '{"received_at":"2026-11-22T21:50:09.500000Z","connection":{"state":"dropped","count":3,"from":"","to":""},"endpoint":"devices"}\n';
const OTHER = [
  '{"received_at":"2026-11-22T21:50:09.900000Z","connection":{"state":"open"},"endpoint":"rules"}\n',
];
const REFUSED = [
  '{"received_at":"2026-11-22T21:50:00.000000Z","connection":{"state":"refused","status":503},"endpoint":"rules"}\n',
];

describe('wait --file', { concurrent: true }, () => {
  test.for([
    ['finds an event', RECORDING, ['-t', 'b'], 0, [7]],
    [
      'finds an event after another',
      RECORDING,
      ['--then', 'data.number == first.data.number + 6'],
      0,
      [2, 8],
    ],
    ['finds an event in a part', RECORDING, ['--from', '-1s'], 0, [8]],
    ['finds the first of the last events', RECORDING, ['-t', 'a', '--last', '1'], 0, [3]],
    ['misses an event that a gap may hide', RECORDING, ['-t', 'c'], 8, []],
    ['misses an event after the gap', RECORDING, ['-t', 'b', '--then', 'event.type == "c"'], 7, [7]],
    ['misses an event before the gap', RECORDING, ['-t', 'b', '--timeout', '3s'], 7, []],
    ['misses an event in a gap up to the end of the time', RECORDING, ['-t', 'b', '--timeout', '5s'], 8, []],
    [
      'has recorded time from the start of the part',
      RECORDING,
      ['-t', 'b', '--from', '5s', '--timeout', '1s'],
      0,
      [7],
    ],
    [
      'misses an event in a part that lies in a gap',
      RECORDING,
      ['--from', '4500ms', '--to', '5500ms'],
      8,
      [],
    ],
    ['misses an event after a gap before the part', RECORDING, ['-t', 'c', '--from', '6500ms'], 7, []],
    ['misses an event in a part that begins in a gap', RECORDING, ['-t', 'c', '--from', '5s'], 8, []],
    ['knows no gap of another endpoint', [...RECORDING, ...OTHER], ['rules', '--from', '4500ms'], 7, []],
    [
      'misses an event that was dropped',
      [...RECORDING, DROPPED],
      ['-t', 'b', '--then', 'event.type == "c"'],
      8,
      [7],
    ],
    ['knows that nothing was open', REFUSED, [], 4, []],
    ['finds nothing in an empty part', RECORDING, ['rules'], 7, []],
    ['takes no command', RECORDING, ['--', 'true'], 2, []],
    [
      'does not combine --then with a number of last events',
      RECORDING,
      ['--then', 'true', '--last', '2'],
      2,
      [],
    ],
  ] as const)('%s', async ([, lines, args, code, numbers], { command, expect }) => {
    writeFileSync(join(command.sandbox.home, 'a.ndjson'), lines.join(''));
    const ended = await command.sandbox.run(['wait', '--file', 'a.ndjson', ...args]);
    expect([ended.code, ended.stderr]).toEqual([code, expect.any(String)]);
    expect(ended.stderr.includes('`opmas-ws inspect FILE` shows the gaps')).toBe(code === 8);
    expect([...ended.stdout.matchAll(/"number":(\d)/g)].map(([, number]) => Number(number))).toEqual(numbers);
  });

  test('is for recordings only where it chooses a part', async ({ command, expect }) => {
    const { code, stderr } = await command.sandbox.run(['wait', '--last', '5m']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('--last needs a recording')]);
  });
});

test.for([
  [-999, 'came 0.000s after the start of sh'],
  [1_500_000, 'came 1.500s after the start of sh'],
] as const)(
  'an event %d microseconds after the start of a command %s',
  async ([micros, text], { expect }) => {
    const sequence = await compileSequence({}, []);
    const said: string[] = [];
    new WaitProgress(sequence, (line) => said.push(line)).begin('the start of sh', 1e15);
    sequence.onMatch({ type: 'a', receivedAt: 1e15 + micros });
    expect(said).toEqual([`a ${text}`]);
  },
);
