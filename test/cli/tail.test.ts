import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { startMockServer } from '../../src/index.js';
import { startProxy } from '../support/proxy-server.js';
import { close, event, text } from '../support/raw-frames.js';
import { canary, test } from '../support/stage.js';

const withoutJq = spawnSync('jq', ['--version']).status === 0 ? undefined : 'jq is not installed';

describe.concurrent('tail against the mock', () => {
  test('prints events of all four endpoints, and nothing else, on stdout', async ({ command, expect }) => {
    const server = await startMockServer({ rate: 50 });
    const { ended } = command.start(['tail', '-u', server.url, '-n', '100'], {
      environment: { OPMAS_TOKEN: server.token },
    });
    const { code, stdout, stderr } = await ended;
    await server.close();
    expect(code, stderr).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(100);
    const endpoints = new Set(lines.map((line) => JSON.parse(line).endpoint));
    expect([...endpoints].sort()).toEqual(['agents', 'devices', 'rules', 'system']);
    expect(stderr).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d all 4 endpoints {2}connected$/m);
    expect(stderr).toMatch(
      /100 events \(devices \d+, agents \d+, rules \d+, system \d+\) in \S+, coverage \d.+ %, no gaps, 0 dropped\n$/,
    );
  });

  test('shows loss, gap and recovery on stderr when the server is restarted', async ({ command, expect }) => {
    const first = await startMockServer({ rate: 50 });
    const { port, token } = first;
    const tail = command.tail(first, [], { environment: { OPMAS_TOKEN: token } });
    await tail.lines.count(3);
    await first.close();
    const lost = await tail.messages.next((line) => line.includes('lost'));
    expect(lost).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d devices {2}lost: 1012 service restart.*, retry in \d+ms$/,
    );
    const refused = await tail.messages.next();
    expect(refused).toMatch(
      new RegExp(`^[-\\d: ]{19} devices {2}connection refused .*:${port}.*, retry in \\d+ms$`),
    );
    const before = tail.lines.all.length;
    // The tokens of the second server are others; the mock takes any that is well-formed.
    const second = await startMockServer({ rate: 50, port });
    const back = await tail.messages.next((line) => line.includes('back'));
    expect(back).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d devices {2}back after .+: a gap, events may be missing$/,
    );
    await tail.lines.count(before + 3);
    tail.child.kill('SIGTERM');
    const { stdout, stderr, signal } = await tail.ended;
    await second.close();
    expect(signal).toBe('SIGTERM');
    expect(stderr).toMatch(/, coverage [\d.]+ %, 1 outage of [\d.]+m?s, 0 dropped\n$/);
    for (const line of stdout.trimEnd().split('\n')) {
      expect(Object.keys(JSON.parse(line)).slice(0, 3)).toEqual(['received_at', 'endpoint', 'type']);
    }
  });

  test('a wrong token ends with 3 and says what to do', async ({ command, expect }) => {
    for (const refuse of ['close', 'http'] as const) {
      const server = await startMockServer({ refuse });
      const { code, stdout, stderr } = await command.runTail(server, [], {
        environment: { OPMAS_TOKEN: 'no-token-of-anybody' },
      });
      await server.close();
      expect([code, stdout]).toEqual([3, '']);
      expect(stderr).toContain(refuse === 'close' ? 'closed with 4001' : 'HTTP 403');
      expect(stderr).toContain('OPMAS_TOKEN');
      expect(stderr).toContain('opmas-ws auth login');
    }
  });

  test.skipIf(withoutJq)(`feeds jq${withoutJq ? ` (${withoutJq})` : ''}`, async ({ command, expect }) => {
    const server = await startMockServer({ rate: 100 });
    const through = ['bash', '-c', '"$@" | jq -c .data; exit $?', 'bash'];
    const { code, stdout } = await command.tail(server, ['--type', 'device.*', '-n', '5'], {
      environment: { OPMAS_TOKEN: server.token },
      through,
    }).ended;
    await server.close();
    expect(code).toBe(0);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => typeof JSON.parse(line)),
    ).toEqual(Array(5).fill('object'));
  });
});

describe.concurrent('exit codes', () => {
  test('0: the server closed normally and --exit-on-close was given', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server, ['--exit-on-close']);
    (await server.request()).accept(text(event(1)), close(1000));
    const { code, stderr } = await tail.ended;
    expect(code).toBe(0);
    expect(stderr).toMatch(/^[-\d: ]{19} devices {2}connected\n1 event .*\n$/);
  });

  test('0: the duration is over', async ({ serve, command, expect }) => {
    const server = await serve();
    server.onRequest((client) => client.accept());
    expect(await command.runTail(server, ['--duration', '500ms'])).toMatchObject({ code: 0, stdout: '' });
  });

  test('3: no token anywhere; nothing is connected', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.start(['tail', '-u', server.url], { environment: { OPMAS_TOKEN: '' } });
    const { code, stdout, stderr } = await tail.ended;
    expect([code, stdout]).toEqual([3, '']);
    expect(stderr).toContain('auth login');
    expect(stderr.match(/opmas-ws: /g)).toHaveLength(1);
    expect(server.connections.all).toEqual([]);
  });

  test('3: refused forever; the second try is the last', async ({ serve, command, expect }) => {
    const server = await serve();
    const streams: string[] = [];
    server.onRequest((client) => {
      if (!client.path.startsWith('/api/v1/ws/')) return client.respond('404 Not Found');
      streams.push(client.path);
      return client.accept(close(4001, 'token expired'));
    });
    const { code, stderr } = await command.runTail(server);
    expect(code).toBe(3);
    expect(stderr).toContain('4001 (authentication failed): token expired');
    expect(streams).toHaveLength(2);
  });

  test('4: nothing listens', async ({ serve, command, expect }) => {
    const server = await serve();
    const { url } = server;
    await server.stop();
    // Waits from ranges that hardly meet: two lines with the same wait would be folded into one.
    const waits = ['--retry-delay', '100ms', '--retry-max', '1s', '--retries', '3'];
    const { code, stdout, stderr } = await command.runTail({ url }, waits);
    expect([code, stdout]).toEqual([4, '']);
    expect(new Set(stderr.match(/connection refused .*, retry in \d+ms/g))).toHaveLength(2);
    expect(stderr).toMatch(
      /opmas-ws: gave up on ws:\/\/127\.0\.0\.1:\d+\/api\/v1\/ws\/devices: connection refused/,
    );
    expect(stderr).toContain('opmas-ws doctor');
    expect(stderr).toContain('0 events');
  });

  test('4: the path does not exist', async ({ serve, command, expect }) => {
    const server = await serve();
    server.onRequest((client) => client.respond('404 Not Found'));
    expect(await command.runTail(server, ['/no/such/path'])).toMatchObject({ code: 4 });
  });

  test('4: --no-reconnect and a lost connection', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server, ['--no-reconnect']);
    (await server.request()).accept(text(event(1))).reset();
    const { code, stderr } = await tail.ended;
    expect(code).toBe(4);
    expect(stderr).toContain('1006 (abnormal closure)');
  });

  test('of several endpoints: each failure is said once, the worst is the code', async ({
    serve,
    command,
    expect,
  }) => {
    const server = await serve();
    server.onRequest((client) => client.respond(client.path.includes('rules') ? '401 No' : '404 Not Found'));
    const { code, stderr } = await command.sandbox.run(['tail', '-u', server.url, '--retry-delay', '10ms']);
    expect(code).toBe(3);
    expect(stderr).toMatch(/^[-\d: ]{19} gave up on devices, agents, system: .*HTTP 404/m);
    expect(stderr.match(/gave up/g)).toHaveLength(2);
    expect(stderr.match(/rejected the token from OPMAS_TOKEN/g)).toHaveLength(1);
    expect(stderr).toMatch(/\nopmas-ws: gave up on all endpoints \(see above\)\n {2}.*auth login.*\n$/);
  });
});

describe.concurrent('what is said', () => {
  test('--lifecycle puts it into the lines, too', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server, ['--lifecycle', '-n', '1']);
    (await server.request()).accept(close(1011, 'oops'));
    (await server.request()).accept(text(event(1)));
    const { stdout } = await tail.ended;
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ connection, type }) => connection?.state ?? type)).toEqual([
      'connecting',
      'open',
      'closed',
      'connecting',
      'open',
      'device.status_update',
      'closed',
    ]);
    expect(lines[0].connection).toEqual({
      state: 'connecting',
      attempt: 1,
      url: `${server.url}/api/v1/ws/devices`,
      recorder: expect.stringMatching(/^opmas-ws\/\d+\.\d+\.\d+$/),
      format: 2,
    });
    expect(lines[2].connection).toMatchObject({
      code: 1011,
      reason: 'oops',
      retry_in_ms: expect.any(Number),
    });
  });

  test('--quiet says nothing but errors', async ({ serve, command, expect }) => {
    const server = await serve();
    const quiet = command.tail(server, ['--quiet', '-n', '1', '--type', 'device.statusupdate,device.*']);
    (await server.request()).accept(text(event(1)));
    expect(await quiet.ended).toMatchObject({ code: 0, stderr: '' });
    server.onRequest((client) => client.respond('404 Not Found'));
    const failing = await command.runTail(server, ['--quiet']);
    expect(failing.code).toBe(4);
    expect(failing.stderr).toMatch(/^opmas-ws: gave up on .*\n {2}.*\n$/);
  });

  test('--quiet says all the same which endpoint is given up while others go on', async ({
    serve,
    command,
    expect,
  }) => {
    const server = await serve();
    server.onRequest((client) => {
      if (client.path.includes('/nope')) client.respond('404 Not Found');
      else client.accept();
    });
    const tail = command.tail(server, ['--quiet', '/nope']);
    expect(await tail.messages.next()).toMatch(/^[-\d: ]{19} \/nope +gave up on .*HTTP 404/);
    tail.child.kill('SIGINT');
    expect((await tail.ended).stderr.split('\n')).toHaveLength(2);
  });

  test('how long the server wants us to wait', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server);
    (await server.request()).respond('503 Service Unavailable', ['Retry-After: 70']);
    const said = await tail.messages.next((line) => line.includes('503'));
    expect(said).toMatch(/refused with HTTP 503, retry in 1m1\ds$/);
  });

  test('a type that is misspelt, and goes on', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server, ['--type', 'device.eror,device.status_update', '-n', '1']);
    (await server.request()).accept(text(event(1)));
    const { code, stderr } = await tail.ended;
    expect(code).toBe(0);
    expect(stderr).toMatch(/^warning: .*device\.eror.*device\.error/m);
    expect(stderr.match(/device\.eror/g)).toHaveLength(1);
  });

  test('--debug tells each attempt, without the token', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server, ['--debug', '-n', '1']);
    (await server.request()).respond('500 Internal Server Error');
    (await server.request()).accept(text(event(1)));
    const { stderr } = await tail.ended;
    expect(stderr).toMatch(/^debug: devices: attempt 1, ws:.*\/devices$/m);
    expect(stderr).toMatch(/^debug: devices: attempt 2, ws:.*\/devices$/m);
    expect(stderr).not.toContain('token=');
  });
});

describe.concurrent('the token', () => {
  test('is read afresh from its file for every attempt, and goes out as it is', async ({
    serve,
    command,
    expect,
  }) => {
    const server = await serve();
    const path = join(command.sandbox.home, 'token');
    writeFileSync(path, 'first+token\n', { mode: 0o600 });
    const tail = command.tail(server, ['--token-file', path, '-n', '2']);
    const first = await server.request();
    expect(first.path).toContain('?token=first%2Btoken');
    writeFileSync(path, 'Bearer second/token\r\n', { mode: 0o600 });
    first.accept(text(event(1)), close(4001));
    const second = await server.request();
    expect(second.path).toContain('?token=second%2Ftoken');
    second.accept(text(event(2)));
    const { code, stderr } = await tail.ended;
    expect(code).toBe(0);
    expect(stderr).toMatch(/lost: 4001 authentication failed, retry in .*\n.*back after .*: a gap/);
  });

  test('comes from stdin once, for all attempts', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server, ['--token-file', '-', '-n', '1'], { input: 'piped-token\n' });
    (await server.request()).respond('503 Service Unavailable');
    const client = await server.request();
    expect(client.path).toContain('?token=piped-token');
    client.accept(text(event(1)));
    expect((await tail.ended).code).toBe(0);
  });

  test('is left out with --no-token only', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server, ['--no-token', '-n', '1']);
    const client = await server.request();
    expect(client.path).toBe('/api/v1/ws/devices');
    client.accept(text(event(1)));
    expect((await tail.ended).code).toBe(0);
  });
});

describe.concurrent('the way', () => {
  test('goes through the proxy of the environment, which resolves the name', async ({
    serve,
    command,
    expect,
  }) => {
    const server = await serve();
    await using proxy = await startProxy({ port: server.port });
    const tail = command.tail({ url: 'ws://opmas.test:8000' }, ['--plaintext', '-n', '1'], {
      environment: { HTTP_PROXY: `http://127.0.0.1:${proxy.port}` },
    });
    (await server.request()).accept(text(event(1)));
    const { code, stderr } = await tail.ended;
    expect(code, stderr).toBe(0);
    expect(proxy.seen.map(({ request }) => request)).toEqual(['CONNECT opmas.test:8000']);
    expect(stderr).toContain('not encrypted');
  });

  test('goes around it with NO_PROXY', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.tail(server, ['-n', '1'], {
      environment: { http_proxy: 'http://127.0.0.1:1', NO_PROXY: '127.0.0.1' },
    });
    (await server.request()).accept(text(event(1)));
    expect((await tail.ended).code).toBe(0);
  });

  test('is taken from OPMAS_URL, with its prefix', async ({ serve, command, expect }) => {
    const server = await serve();
    const tail = command.start(['tail', 'system', '-n', '1'], {
      environment: { OPMAS_URL: `${server.url.replace('ws', 'http')}/opmas/` },
    });
    const client = await server.request();
    expect(client.path).toBe(`/opmas/api/v1/ws/system?token=${encodeURIComponent(canary)}`);
    client.accept(text(event(1)));
    expect((await tail.ended).code).toBe(0);
  });
});
