import { describe, expect } from 'vitest';
import { compileFilter, noToken, parseBaseUrl, subscribe } from '../../../src/index.js';
import { close, event, text } from '../../support/raw-frames.js';
import type { RawConnection } from '../../support/raw-server.js';
import { test } from '../../support/stage.js';

const endpointOf = (client: RawConnection) => client.path.split('?')[0]!.split('/').at(-1)!;

describe.concurrent('an end that was asked for', () => {
  test('count: exactly so many events, over all endpoints, and no more is read', async ({ serve, read }) => {
    const server = await serve();
    server.onRequest((client) => client.accept(...[1, 2, 3, 4, 5].map((i) => text(event(i)))));
    const reading = read({ url: server.url, endpoints: ['devices', 'agents'], count: 7 });
    expect(await reading.end).toBeUndefined();
    expect(reading.events.all).toHaveLength(7);
    const { events } = reading.subscription.summary();
    expect(Object.values(events).reduce((sum, count) => sum + count)).toBe(7);
  });

  test('count: events that the filter drops do not count', async ({ serve, read }) => {
    const server = await serve();
    server.onRequest((client) =>
      client.accept(text(event(1)), text('no JSON'), text(event(2, 'device.error')), text(event(3))),
    );
    const filter = await compileFilter({ types: ['device.error'] });
    const reading = read({ url: server.url, count: 1, filter });
    expect(await reading.end).toBeUndefined();
    expect(reading.events.all.map(({ data }) => data?.number)).toEqual([2]);
    expect(reading.invalid.all).toEqual([]);
  });

  test('duration: ends whatever the connection is doing', async ({ serve, read }) => {
    const server = await serve();
    server.onRequest((client) => client.path.includes('devices') && client.accept());
    const reading = read({ url: server.url, endpoints: ['devices', 'system'], durationMs: 50 });
    expect(await reading.end).toBeUndefined();
    expect(reading.subscription.summary().durationMs).toBeGreaterThanOrEqual(49);
  });

  test('signal: closes with 1000 and delivers queued lines', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url });
    const client = await server.request();
    client.accept(text(event(1)));
    await reading.event();
    expect(await reading.stop()).toBeUndefined();
    const { opcode, payload } = await client.frames.next();
    expect([opcode, payload.readUInt16BE()]).toEqual([8, 1000]);
    expect(reading.lifecycle.all.at(-1)?.connection).toEqual({ state: 'closed', code: 1000, reason: '' });
    await client.ended;
  });

  test('signal that has been given already: nothing is connected', async ({ serve }) => {
    const server = await serve();
    const stopped = subscribe({
      url: parseBaseUrl(server.url),
      endpoints: ['devices'],
      token: noToken(),
      signal: AbortSignal.abort(),
    });
    for await (const _ of stopped) throw new Error('a line');
    expect(server.connections.all).toEqual([]);
  });

  test('stop before there is a token, before the upgrade and during a wait', async ({ serve, read }) => {
    const server = await serve();
    const forever = new Promise<never>(() => undefined);
    const tokenless = read({ url: server.url, token: { source: 'test', token: () => forever } });
    expect(await tokenless.stop()).toBeUndefined();
    expect(tokenless.states).toEqual([]);

    const connecting = read({ url: server.url });
    const client = await server.request();
    expect(await connecting.stop()).toBeUndefined();
    expect(connecting.states).toEqual(['connecting', 'stopped']);
    await client.ended;

    server.onRequest((one) => one.respond('503 Service Unavailable', ['Retry-After: 300']));
    const waiting = read({ url: server.url });
    await waiting.state('refused');
    expect(await waiting.stop()).toBeUndefined();
    expect(waiting.states).toEqual(['connecting', 'refused', 'stopped']);
  });

  test('a server that does not answer our close causes no delay', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url });
    const client = await server.request();
    client.answersClose = false;
    client.accept();
    await reading.state('open');
    expect(await reading.stop()).toBeUndefined();
  });

  test('the end of an iteration closes the connections', async ({ serve }) => {
    const server = await serve();
    const url = parseBaseUrl(server.url);
    const subscription = subscribe({ url, endpoints: ['devices'], token: noToken() });
    const seen = server.request().then((client) => client.accept(text(event(1))));
    for await (const { count } of subscription) {
      expect(count).toBe(1);
      break;
    }
    await (await seen).ended;
    expect(subscription.summary().events).toEqual({ devices: 1 });
  });

  test('--exit-on-close: ends when the last endpoint was closed with 1000', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({
      url: server.url,
      endpoints: ['devices', 'agents'],
      retry: { exitOnClose: true },
    });
    const clients = [await server.request(), await server.request()];
    clients[0]!.accept(close(1000));
    await reading.state('closed');
    clients[1]!.accept(text(event(1)));
    await reading.event();
    clients[1]!.close(1000);
    expect(await reading.end).toBeUndefined();
    expect(server.connections.all).toHaveLength(2);
  });

  test('--no-reconnect: a normal close is an end, a lost connection is a failure', async ({
    serve,
    read,
  }) => {
    const server = await serve();
    const options = { url: server.url, retry: { reconnect: false } };
    const closed = read(options);
    (await server.request()).accept(text(event(1)), close(1000));
    expect(await closed.end).toBeUndefined();
    const lost = read(options);
    (await server.request()).accept(text(event(1)), close(1012, 'reload'));
    expect(await lost.end).toMatchObject({ code: 'NETWORK' });
    expect((await lost.end)?.message).toContain('closed with 1012 (service restart): reload');
    expect(lost.events.all).toHaveLength(1);
    expect(server.connections.all).toHaveLength(2);
  });
});

describe.concurrent('endpoints are independent', () => {
  test('one that fails in every way leaves the others alone', async ({ serve, read }) => {
    const server = await serve();
    let rules = 0;
    const others: RawConnection[] = [];
    server.onRequest((client) => {
      if (endpointOf(client) !== 'rules') others.push(client.accept());
      else if (++rules % 3 === 0) client.reset();
      else if (rules % 3 === 1) client.accept(close(1011));
      else client.respond('503 Service Unavailable');
    });
    const reading = read({ url: server.url, endpoints: ['devices', 'agents', 'rules', 'system'] });
    while (rules < 7) await reading.state('connecting', 'rules');
    expect(others).toHaveLength(3);
    for (const client of others) client.text(event(1));
    await reading.events.count(3);
    const states = new Map<string, string[]>();
    for (const { endpoint, connection } of reading.lifecycle.all) {
      states.set(endpoint, [...(states.get(endpoint) ?? []), connection.state]);
    }
    for (const endpoint of ['devices', 'agents', 'system']) {
      expect(states.get(endpoint)).toEqual(['connecting', 'open']);
    }
    expect(reading.subscription.summary().events).toEqual({ devices: 1, agents: 1, rules: 0, system: 1 });
  });

  test('the stream fails only when none is left, and says the worst', async ({ serve, read }) => {
    const server = await serve();
    let devices: RawConnection | undefined;
    server.onRequest((client) => {
      const endpoint = endpointOf(client);
      if (endpoint === 'rules') client.respond('404 Not Found');
      else if (endpoint === 'agents') client.accept(close(4001, 'no'));
      else if (endpoint === 'devices') devices = client.accept(text(event(1)));
      else client.respond('404 Not Found');
    });
    const reading = read({
      url: server.url,
      endpoints: ['devices', 'agents', 'rules'],
      retry: { exitOnClose: true },
    });
    await reading.event();
    await reading.givenUp.count(2);
    devices!.text(event(2));
    await reading.event();
    devices!.close(1000);
    expect(await reading.end).toMatchObject({ code: 'AUTH' });
    const codes = reading.givenUp.all.map(({ endpoint, error }) => [endpoint, error.code]);
    expect(new Map(codes as [string, string][])).toEqual(
      new Map([
        ['agents', 'AUTH'],
        ['rules', 'NETWORK'],
      ]),
    );
  });

  test('one that was given up is no failure of an end that was asked for', async ({ serve, read }) => {
    const server = await serve();
    server.onRequest((client) => {
      if (endpointOf(client) === 'rules') client.respond('404 Not Found');
    });
    const reading = read({ url: server.url, endpoints: ['devices', 'rules'], count: 1 });
    const devices = await server.requests.next((client) => endpointOf(client) === 'devices');
    devices.accept();
    await reading.givenUp.count(1);
    devices.text(event(1));
    expect(await reading.end).toBeUndefined();
  });

  test('an endpoint that is named twice is connected once', async ({ serve, read }) => {
    const server = await serve();
    server.onRequest((client) => client.accept(text(event(1))));
    const reading = read({ url: server.url, endpoints: ['devices', 'devices'] });
    await reading.event();
    await reading.stop();
    expect(server.connections.all).toHaveLength(1);
  });

  test('a path is an endpoint and its own label', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url, endpoints: ['/api/v1/ws/device/42'] });
    const client = await server.request();
    expect(client.path).toBe('/api/v1/ws/device/42');
    client.accept(text(event(1)));
    expect((await reading.event()).endpoint).toBe('/api/v1/ws/device/42');
  });

  test('a single object is the same endpoint as its path, below the prefix, for filters too', async ({
    serve,
    read,
  }) => {
    const server = await serve();
    server.onRequest((client) => client.accept(text(event(1))));
    const filter = await compileFilter({ where: 'endpoint == "device/42" && "agent/7" != endpoint' });
    const endpoints = ['device/42', '/api/v1/ws/device/42', 'agent/7'];
    const reading = read({ url: `${server.url}/prefix`, endpoints, filter });
    expect((await reading.event()).endpoint).toBe('/api/v1/ws/device/42');
    await reading.state('open', '/api/v1/ws/agent/7');
    await reading.stop();
    const paths = server.requests.all.map(({ path }) => path).sort();
    expect(paths).toEqual(['/prefix/api/v1/ws/agent/7', '/prefix/api/v1/ws/device/42']);
  });
});

describe.concurrent('limits of the library', () => {
  test('it connects only when it is iterated over', async ({ serve }) => {
    const server = await serve();
    subscribe({ url: parseBaseUrl(server.url), endpoints: ['devices'], token: noToken() });
    await new Promise((resolve) => setImmediate(resolve));
    expect(server.connections.all).toEqual([]);
  });

  test('an expression that is not a boolean matches nothing, and ends nothing', async ({ serve, read }) => {
    const server = await serve();
    const filter = await compileFilter({ where: 'data.number' });
    const reading = read({ url: server.url, filter, retry: { exitOnClose: true } });
    const client = await server.request();
    client.accept(Buffer.concat([text(event(1)), close(1000)]));
    expect(await reading.end).toBeUndefined();
    expect(reading.events.all).toEqual([]);
    expect(filter.report().unevaluated).toBe(1);
  });

  test('a bug in a callback ends the iteration with it, and not the process', async ({ serve }) => {
    const server = await serve();
    server.onRequest((client) => client.accept(text(event(1))));
    const subscription = subscribe({
      url: parseBaseUrl(server.url),
      endpoints: ['devices'],
      token: noToken(),
      onLifecycle: ({ connection }) => {
        if (connection.state === 'open') throw new Error('a bug of the caller');
      },
    });
    await expect(async () => {
      for await (const _ of subscription);
    }).rejects.toThrow('a bug of the caller');
  });
});
