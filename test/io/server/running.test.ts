import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeFrame } from '../../../src/core/websocket-frame.js';
import {
  type MockServer,
  type Refusal,
  type ServerControl,
  startMockServer,
  startServer,
} from '../../../src/index.js';
import { HandSource } from './hand-source.js';
import { rawConnect, rawRequest, readToEnd, statusOf, upgradeRequest } from './raw-client.js';
import { StreamClient, streamUrl } from './stream-client.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

function keep<Closable extends MockServer>(server: Closable): Closable {
  closers.push(() => server.close());
  return server;
}

const event = encodeFrame(Buffer.from('{"type":"system.status"}'));
const HEALTH = 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

/** A TCP listener in the way. */
async function occupy(port: number, host: string): Promise<Server> {
  const server = createServer().listen({ port, host });
  await once(server, 'listening');
  closers.push(() => server.close());
  return server;
}

async function hasIPv6(): Promise<boolean> {
  const server = createServer().listen({ port: 0, host: '::1' });
  const there = await Promise.race([
    once(server, 'listening').then(() => true),
    once(server, 'error').then(() => false),
  ]);
  server.close();
  return there;
}

describe('listening', () => {
  it('serves this machine only, on both loopback addresses, with no warning', async () => {
    const server = keep(await startMockServer());
    expect(server.warnings).toEqual([]);
    expect(server.url).toBe(`ws://127.0.0.1:${server.port}`);
    const addresses = (await hasIPv6()) ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
    for (const address of addresses)
      expect(statusOf(await rawRequest(server.port, HEALTH, address))).toBe(200);
    // 127.0.0.2 is this machine, too, but would answer if it listened everywhere.
    await expect(rawConnect(server.port, '127.0.0.2')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it.for(['0.0.0.0', '::'])('warns when it listens everywhere (%s)', async (host, { skip }) => {
    if (host === '::' && !(await hasIPv6())) skip('this machine has no IPv6');
    const server = keep(await startMockServer({ host }));
    expect(server.warnings).toEqual([expect.stringContaining(host)]);
    expect(server.url).toBe(`ws://127.0.0.1:${server.port}`);
    for (const name of ['localhost', '10.1.2.3', '[2001:db8::1]']) {
      expect(statusOf(await rawRequest(server.port, HEALTH.replace('localhost', name)))).toBe(200);
    }
    expect(statusOf(await rawRequest(server.port, HEALTH.replace('localhost', 'evil.example')))).toBe(403);
  });

  it('says which port is in use', async () => {
    const first = keep(await startMockServer());
    await expect(startMockServer({ port: first.port })).rejects.toMatchObject({
      name: 'OpmasError',
      code: 'LOCAL',
      message: `port ${first.port} is in use on 127.0.0.1`,
      hint: expect.stringContaining('`port`'),
    });
  });

  it('a port that is in use on ::1 only is in use', async ({ skip }) => {
    if (!(await hasIPv6())) skip('this machine has no IPv6');
    const other = await occupy(0, '::1');
    const { port } = other.address() as { port: number };
    await expect(startMockServer({ port })).rejects.toMatchObject({
      code: 'LOCAL',
      message: `port ${port} is in use on [::1]`,
    });
    // What it had taken on 127.0.0.1 is free again.
    await occupy(port, '127.0.0.1');
  });

  it.each(['', ' ', '[]'])('refuses an empty host, which would mean everywhere: %j', async (host) => {
    await expect(startMockServer({ host })).rejects.toMatchObject({ code: 'USAGE' });
  });

  it.each([-1, 65_536, 1.5, Number.NaN])('refuses port %d', async (port) => {
    await expect(startMockServer({ port })).rejects.toMatchObject({ code: 'USAGE' });
  });

  it.each(['203.0.113.1', 'no-such-host.invalid', 'not a host'])(
    'says what is wrong with host %s',
    async (host) => {
      await expect(startMockServer({ host })).rejects.toMatchObject({
        code: 'LOCAL',
        message: expect.stringContaining(host),
      });
    },
  );

  it('stops its source when it cannot listen', async () => {
    const first = keep(await startMockServer());
    const source = new HandSource();
    await expect(startServer(source, { port: first.port })).rejects.toThrow();
    expect(source.stopped).toBe(1);
  });
});

describe('capabilities of a source', () => {
  it('serves further paths, which are their own labels', async () => {
    const source = new HandSource();
    const server = keep(await startServer(source));
    await new StreamClient(streamUrl(server, 'device/42')).opened();
    const [client] = await source.hasClients(1);
    expect(client!.endpoint).toBe('/api/v1/ws/device/42');
    expect(statusOf(await rawRequest(server.port, upgradeRequest('/api/v1/ws/agent/42')))).toBe(403);
  });

  it('turns attempts away: with a status, with a cut, with silence', async () => {
    const refusals: Refusal[] = [
      { kind: 'status', status: 503, headers: { 'retry-after': '7' } },
      { kind: 'drop' },
      { kind: 'silence' },
    ];
    const source = Object.assign(new HandSource(), { admit: () => refusals.shift() });
    const server = keep(await startServer(source));
    const request = upgradeRequest(`/api/v1/ws/rules?token=${server.token}`);
    const answer = await rawRequest(server.port, request);
    expect(answer).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/);
    expect(answer).toContain('\r\nretry-after: 7\r\n');
    expect(await rawRequest(server.port, request)).toBe('');
    const silent = await rawConnect(server.port);
    const nothing = readToEnd(silent);
    silent.write(request);
    // While it is silent there, it lets the next one in.
    await new StreamClient(streamUrl(server)).opened();
    silent.end();
    expect(await nothing).toBe('');
  });

  it('stops listening and listens again on the same port, while open streams stay', async () => {
    let control!: ServerControl;
    const source = Object.assign(new HandSource(), {
      start(given: ServerControl) {
        control = given;
      },
    });
    const server = keep(await startServer(source));
    const { port } = server;
    const client = await new StreamClient(streamUrl(server)).opened();
    for (let round = 0; round < 3; round++) {
      control.suspend();
      await expect(rawConnect(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      await control.resume();
      await new StreamClient(streamUrl(server)).opened();
    }
    (await source.hasClients(1))[0]!.send(event, 1);
    await client.received(1);
    expect(server.port).toBe(port);
  });

  it('stays shut when it is shut again before it listens', async () => {
    let control!: ServerControl;
    const source = Object.assign(new HandSource(), {
      start(given: ServerControl) {
        control = given;
      },
    });
    const { port } = keep(await startServer(source));
    control.suspend();
    const listening = control.resume();
    control.suspend();
    await listening;
    await expect(rawConnect(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    if (await hasIPv6()) await expect(rawConnect(port, '::1')).rejects.toThrow();
    await control.resume();
    expect(statusOf(await rawRequest(port, HEALTH))).toBe(200);
    control.suspend();
    const calls = [control.resume()];
    control.suspend();
    calls.push(control.resume());
    await Promise.all(calls);
    expect(statusOf(await rawRequest(port, HEALTH))).toBe(200);
  });

  it.each([
    [1000, '', 1000],
    [1011, 'x', 1011],
    [4001, 'é'.repeat(100), 4001],
    [4999, '', 4999],
    [1005, 'ignored', 1005],
    [1006, 'ignored', 1006],
  ])('closes a client with %i', async (code, reason, seen) => {
    const source = new HandSource();
    const server = keep(await startServer(source));
    const client = await new StreamClient(streamUrl(server)).opened();
    const [served] = await source.hasClients(1);
    served!.close(code, reason);
    const end = await client.end;
    expect(end.code).toBe(seen);
    // A reason is cut between characters.
    expect(end.reason).toBe(code > 1006 ? reason.slice(0, 61) : '');
    expect(served!.open).toBe(false);
    served!.close(1000);
    served!.destroy();
  });

  it('ends when the source has nothing more: clients get it all, then 1000', async () => {
    const source = new HandSource();
    const server = keep(await startServer(source));
    const client = await new StreamClient(streamUrl(server)).opened();
    const [served] = await source.hasClients(1);
    client.socket.pause();
    const block = Buffer.concat(Array.from({ length: 10_000 }, () => event));
    for (let i = 0; i < 20; i++) served!.send(block, 10_000);
    source.finish();
    client.socket.resume();
    const { code, messages } = await client.end;
    expect([code, messages.length]).toEqual([1000, 200_000]);
    await server.finished;
    expect(source.stopped).toBe(1);
    await expect(rawConnect(server.port)).rejects.toThrow();
  });

  it('hands on the failure of its source', async () => {
    const source = new HandSource();
    const server = keep(await startServer(source));
    const client = await new StreamClient(streamUrl(server)).opened();
    source.fail(new Error('the recording is torn'));
    await expect(server.finished).rejects.toThrow('the recording is torn');
    // A client that takes 1000 for the end of everything would miss the rest without knowing it.
    expect((await client.end).code).toBe(1011);
  });
});

describe('the end', () => {
  it('lets nobody in who was connected before and asks for his stream now', async () => {
    const source = new HandSource();
    const server = keep(await startServer(source));
    const early = await rawConnect(server.port);
    const client = await new StreamClient(streamUrl(server)).opened();
    client.socket.pause();
    source.finish();
    // The first client has not taken its end yet, so the server is still there.
    const answer = readToEnd(early);
    early.write(upgradeRequest(`/api/v1/ws/rules?token=${server.token}`));
    expect(await answer).toBe('');
    client.socket.resume();
    await server.finished;
    expect(source.clients).toHaveLength(1);
  });

  it.each([
    ['admit', { admit: () => Promise.reject(new Error('broken')) }],
    ['serves', { serves: () => Promise.reject(new Error('broken')) }],
    [
      'connect',
      {
        connect: () => {
          throw new Error('broken');
        },
      },
    ],
  ])('comes with the error of a source that fails in `%s`, and clients hear of it', async (_, broken) => {
    const server = keep(await startServer(Object.assign(new HandSource(), broken)));
    const client = new StreamClient(streamUrl(server, 'device/42'));
    const { code, status } = await client.end;
    expect(status ?? code).toBe('connect' in broken ? 1011 : 500);
    await expect(server.finished).rejects.toThrow('broken');
  });

  it('comes with the error of a source that fails at a plain request', async () => {
    const broken = { serves: () => Promise.reject(new Error('broken')) };
    const server = keep(await startServer(Object.assign(new HandSource(), broken)));
    const answer = await rawRequest(server.port, HEALTH.replace('/health', '/api/v1/ws/device/42'));
    expect(statusOf(answer)).toBe(500);
    await expect(server.finished).rejects.toThrow('broken');
  });

  it('comes with the error of whoever listens to what happens', async () => {
    const source = new HandSource();
    const server = keep(
      await startServer(source, {
        onActivity: () => {
          throw new Error('broken');
        },
      }),
    );
    const client = new StreamClient(streamUrl(server));
    await expect(server.finished).rejects.toThrow('broken');
    expect((await client.end).code).toBe(1011);
  });
});

describe('an error that comes while the server ends', () => {
  it('is told all the same', async () => {
    const source = new HandSource();
    const server = keep(
      await startServer(source, {
        onActivity: ({ kind }) => {
          if (kind === 'ended') throw new Error('broken');
        },
      }),
    );
    await new StreamClient(streamUrl(server)).opened();
    source.finish();
    await expect(server.finished).rejects.toThrow('broken');
  });

  it('is told when somebody closes the server meanwhile, and when the source cannot stop', async () => {
    const source = new HandSource();
    const server = keep(await startServer(source));
    await new StreamClient(streamUrl(server)).opened();
    source.fail(new Error('torn'));
    await server.close();
    await expect(server.finished).rejects.toThrow('torn');
    const stuck = Object.assign(new HandSource(), { stop: () => Promise.reject(new Error('stuck')) });
    const other = await startServer(stuck);
    await other.close();
    await expect(other.finished).rejects.toThrow('stuck');
  });
});

describe('close', () => {
  it('is for good, whatever the source wants meanwhile', async () => {
    let control!: ServerControl;
    const source = Object.assign(new HandSource(), {
      start(given: ServerControl) {
        control = given;
      },
    });
    const server = keep(await startServer(source));
    const deaf = await rawConnect(server.port);
    deaf.write(upgradeRequest(`/api/v1/ws/rules?token=${server.token}`));
    await source.hasClients(1);
    const closing = server.close();
    await control.resume();
    await closing;
    await expect(rawConnect(server.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('closes all clients with 1012 and is over in 2 s, whatever they do', async () => {
    const source = new HandSource();
    const server = keep(await startServer(source));
    const polite = await Promise.all([1, 2, 3].map(() => new StreamClient(streamUrl(server)).opened()));
    const deaf = await new StreamClient(streamUrl(server)).opened();
    deaf.socket.pause();
    const served = await source.hasClients(4);
    for (const client of served) client.send(event, 1);
    const block = Buffer.alloc(1_000_000, encodeFrame(Buffer.alloc(123, 0x20)));
    for (let i = 0; i < 15; i++) served[3]!.send(block, 8000);
    const idle = await rawConnect(server.port);
    const started = performance.now();
    // An idle connection is kept for 5 s, and one that does not answer a close for 30 s.
    await Promise.all([server.close(), server.close()]);
    expect(performance.now() - started).toBeLessThan(4500);
    for (const client of polite)
      expect(await client.end).toMatchObject({ code: 1012, reason: 'Server stopped' });
    await server.finished;
    expect([server.clients, source.left, source.stopped]).toEqual([0, 4, 1]);
    deaf.socket.terminate();
    idle.destroy();
  });

  it('can be left to `await using`', async () => {
    const server = await startMockServer();
    await server[Symbol.asyncDispose]();
    await expect(rawConnect(server.port)).rejects.toThrow();
  });
});
