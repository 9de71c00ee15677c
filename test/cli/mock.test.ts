import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { rawConnect } from '../io/server/raw-client.js';
import { StreamClient, streamUrl } from '../io/server/stream-client.js';
import { SHUTDOWN_MS } from '../support/time-limits.js';
import { Sandbox } from './sandbox.js';
import { ServedProcess } from './served-process.js';

function mock(args: string[], environment?: NodeJS.ProcessEnv): ServedProcess {
  return new ServedProcess(['mock', ...args], environment);
}

describe.concurrent('mock', () => {
  it('prints one JSON line when it listens, serves, and ends by SIGINT with 1012 for its clients', async () => {
    await using server = mock(['-p', '0', '--rate', '100']);
    const at = await server.ready();
    expect(at.url).toMatch(/^ws:\/\/127\.0\.0\.1:\d+$/);
    await server.says(new RegExp(`OPMAS_URL=${at.url} OPMAS_TOKEN=${at.token} opmas-ws tail`));
    const client = new StreamClient(streamUrl(at));
    await client.received(10);
    await server.says(/^devices: client connected \(1 client\)$/);
    const started = performance.now();
    server.process.kill('SIGINT');
    expect((await client.end).code).toBe(1012);
    expect(await server.ended).toBe('SIGINT');
    expect(performance.now() - started).toBeLessThan(SHUTDOWN_MS);
    expect(server.stdout.split('\n').length).toBe(2);
    expect(server.messages.at(-1)).toMatch(/^Served \d+ events in /);
    await expect(rawConnect(Number(new URL(at.url).port))).rejects.toThrow();
  });

  it('says that a page has left, and gives the printed token the life that was asked for', async () => {
    await using server = mock(['-p', '0', '--token-life', '60s']);
    const at = await server.ready();
    const { exp, iat } = JSON.parse(Buffer.from(at.token.split('.')[1]!, 'base64url').toString());
    expect(exp - iat).toBeLessThanOrEqual(61);
    const client = await new StreamClient(streamUrl(at)).opened();
    client.socket.close(1001);
    await server.says(/^devices: client disconnected, 1001 client going away \(no clients\)$/);
  });

  it('SIGTERM is over in 2 s with a client that does not read', async () => {
    await using server = mock(['-p', '0', '--rate', '10000']);
    const client = await new StreamClient(streamUrl(await server.ready())).opened();
    client.socket.pause();
    const started = performance.now();
    server.process.kill('SIGTERM');
    expect(await server.ended).toBe('SIGTERM');
    expect(performance.now() - started).toBeLessThan(SHUTDOWN_MS);
    client.socket.terminate();
  });

  it('--count ends it with 0 after so many events on each endpoint; the same seed gives the same', async () => {
    const run = async () => {
      await using server = mock(['-p', '0', '--rate', '500', '--count', '40', '--seed', '5']);
      const at = await server.ready();
      const clients = ['devices', 'system'].map((name) => new StreamClient(streamUrl(at, name)));
      const ends = await Promise.all(clients.map(({ end }) => end));
      expect(ends.map(({ code, messages }) => [code, messages.length])).toEqual([
        [1000, 40],
        [1000, 40],
      ]);
      expect(await server.ended).toBe(0);
      return ends;
    };
    expect(await run()).toEqual(await run());
  });

  it('--duration ends it with 0, and its clients with it', async () => {
    await using server = mock(['-p', '0', '--rate', '100', '--duration', '1.5s']);
    const client = new StreamClient(streamUrl(await server.ready()));
    await client.received(10);
    expect(await server.ended).toBe(0);
    expect((await client.end).code).toBe(1012);
  });

  it('says when a fault happens', async () => {
    await using server = mock(['-p', '0', '--fault', 'close:1011@200ms', '--fault', 'refuse:503@0s+1h']);
    const at = await server.ready();
    const { status } = await new StreamClient(streamUrl(at)).end;
    expect(status).toBe(503);
    await server.says(/^fault refuse:503@0s\+1h begins \(no clients\)$/);
    await server.says(/^devices: refused, 503: fault on demand$/);
    await server.says(/^fault close:1011@200ms \(no clients\)$/);
  });

  it('names no token of a client', async () => {
    await using server = mock(['-p', '0', '--debug', '--refuse', 'http']);
    const { url } = await server.ready();
    const canary = 'eyJhbGciOiJub25lIn0.canary-of-a-token.x';
    await new StreamClient(`${url}/api/v1/ws/devices?token=${canary}`).end;
    await new StreamClient(`${url}/api/v1/ws/\u001b[2Jx?token=${canary}`).end;
    await server.says(/^devices: refused, 403: the token is not a JWT$/);
    await server.says(/refused, 403: no such path$/);
    await new StreamClient(`${url}/api/v1/ws/${'a'.repeat(10_000)}`).end;
    await server.says(/^\/api\/v1\/ws\/a{100,200}…: refused, 403: no such path$/);
    server.process.kill('SIGTERM');
    await server.ended;
    expect(server.messages.join('\n')).not.toContain('canary');
    expect(server.messages.join('\n')).not.toContain('\u001b');
  });

  it('mode secret: repeats the token nowhere, and the secret less so', async () => {
    const secret = 'the-secret-of-a-real-server-1234567890';
    await using server = mock(['-p', '0', '--auth', 'secret'], { OPMAS_MOCK_SECRET: secret });
    const at = await server.ready();
    await new StreamClient(streamUrl(at)).received(1);
    await server.says(/OPMAS_TOKEN="\$TOKEN"/);
    expect(server.messages.join('\n')).not.toContain(at.token);
    expect(server.stdout + server.messages.join('\n')).not.toContain(secret);
  });

  it('warns when other machines can reach it', async () => {
    await using server = mock(['-p', '0', '--host', '0.0.0.0']);
    await server.ready();
    await server.says(/^warning: 0\.0\.0\.0 can be reached from other machines/);
  });

  it('a port in use is exit 5 and named', async () => {
    await using first = mock(['-p', '0']);
    const { port } = new URL((await first.ready()).url);
    using sandbox = new Sandbox();
    const { code, stdout, stderr } = await sandbox.run(['mock', '-p', port]);
    expect([code, stdout, stderr]).toEqual([5, '', expect.stringContaining(`port ${port} is in use`)]);
  });

  const ordinaryUser = process.getuid?.() !== 0;
  const lowestFree = (() => {
    try {
      return Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
    } catch {
      return 1024;
    }
  })();
  it.skipIf(!ordinaryUser || lowestFree === 0)('a privileged port is exit 5 and named', async () => {
    await using server = mock(['-p', '81']);
    expect(await server.ended).toBe(5);
    expect(server.messages.join('\n')).toContain('port 81');
  });

  it.each([
    [['--port', '65536'], 'port'],
    [['--port', 'x'], '--port'],
    [['--rate', '0'], '--rate'],
    [['--rate', '1e3'], '--rate'],
    [['--count', '-1'], '--count'],
    [['--seed', '1.5'], '--seed'],
    [['--token-life', '10'], '--token-life'],
    [['--token-life', '10ms'], 'token'],
    [['--fault', 'drop'], 'fault "drop"'],
    [['--auth', 'basic'], '--auth'],
    [['--auth', 'secret'], 'OPMAS_MOCK_SECRET'],
    [['--refuse', '401'], '--refuse'],
    [['--allow-origin', 'x'], 'origin'],
    [['file.ndjson'], 'too many arguments'],
    [['--ratte', '5'], '--rate'],
  ])('%j is exit 2 and named', async (args, named) => {
    using sandbox = new Sandbox({ OPMAS_MOCK_SECRET: '' });
    const { code, stdout, stderr } = await sandbox.run(['mock', '-p', '0', ...args]);
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(named)]);
  });
});
