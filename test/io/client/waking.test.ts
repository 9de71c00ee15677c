import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import { ENDPOINTS, inspectRecording, systemClock, type TokenProvider } from '../../../src/index.js';
import { close, event, text } from '../../support/raw-frames.js';
import type { RawConnection } from '../../support/raw-server.js';
import type { ReadOptions } from '../../support/reading.js';
import { RecordingFolder } from '../../support/recordings.js';
import { test } from '../../support/stage.js';

/** Waits of half a minute, but for the endpoints named. */
function slowBut(...quick: string[]): Omit<ReadOptions, 'url'> {
  let isQuick = false;
  return {
    retry: { retryDelayMs: 30_000, retryMaxMs: 30_000, retries: Number.POSITIVE_INFINITY },
    onLifecycle: ({ endpoint }) => {
      isQuick = quick.includes(endpoint);
    },
    // A wait begins right after its line.
    clock: { ...systemClock, sleep: (ms, signal) => systemClock.sleep(isQuick ? 20 : ms, signal) },
  };
}

/** Much more than it takes to bring back an endpoint, and much less than the waits of half a minute. */
const WOKEN_MS = 10_000;

const endpointOf = ({ path }: RawConnection) => path.replace(/\?.*$/, '').replace(/^.*\//, '');

describe.concurrent('the first endpoint that is back', () => {
  test('brings back all others long before their waits are over', async ({ serve, read }) => {
    const server = (await serve()).onRequest((client) => client.accept(text(event(1))));
    const reading = read({ url: server.url, endpoints: ENDPOINTS, ...slowBut('devices') });
    await reading.events.count(4);
    for (const client of server.requests.all) client.close(1012);
    await reading.events.count(5);
    const firstAt = performance.now();
    await reading.events.count(8);
    expect(performance.now() - firstAt).toBeLessThan(WOKEN_MS);
    await reading.stop();
    const { gaps, outages, coverage } = reading.subscription.summary();
    expect([gaps.count, outages.count]).toEqual([4, 1]);
    expect(outages.totalMs).toBeLessThan(gaps.totalMs);
    expect(Object.keys(coverage)).toEqual(ENDPOINTS);
    for (const share of Object.values(coverage)) expect(share).toBeLessThan(1);
  });

  test('has attempts begun again that hang, because their packets were lost', async ({ serve, read }) => {
    let isDown = false;
    const server = (await serve()).onRequest((client) => {
      if (!isDown) client.accept(text(event(1)));
    });
    const reading = read({
      url: server.url,
      endpoints: ['devices', 'rules'],
      connectTimeoutMs: 30_000,
      ...slowBut('devices', 'rules'),
    });
    await reading.events.count(2);
    isDown = true;
    for (const client of server.requests.all) client.close(1012);
    await server.requests.count(4);
    await delay(1000);
    isDown = false;
    const waiting = server.requests.all.slice(2);
    waiting.find((client) => endpointOf(client) === 'devices')!.accept(text(event(2)));
    await reading.events.count(3);
    const firstAt = performance.now();
    await reading.events.count(4);
    expect(performance.now() - firstAt).toBeLessThan(WOKEN_MS);
    expect(server.requests.all.map(endpointOf).filter((endpoint) => endpoint === 'rules')).toHaveLength(3);
  });

  test('is not back while the server opens connections only to close them', async ({ serve, read }) => {
    const server = (await serve()).onRequest((client) => client.accept(text(event(1)), close(1011)));
    read({ url: server.url, endpoints: ['devices', 'rules'], ...slowBut() });
    await server.requests.count(2);
    const again = read({ url: server.url, endpoints: ['devices', 'rules'], ...slowBut('devices') });
    await again.events.count(5);
    await delay(700);
    expect(server.requests.all.filter((client) => endpointOf(client) === 'rules')).toHaveLength(2);
  });

  test('has an endpoint that is refused alone tried once, however often it comes back', async ({
    serve,
    read,
  }) => {
    const tried: string[] = [];
    const server = (await serve()).onRequest((client) => {
      const endpoint = endpointOf(client);
      tried.push(endpoint);
      if (endpoint === 'rules') return client.respond('503 Service Unavailable');
      client.accept(text(event(1)));
      setTimeout(() => client.close(1012), 600);
    });
    const reading = read({ url: server.url, endpoints: ['devices', 'rules'], ...slowBut('devices') });
    await reading.events.count(4);
    expect(tried.filter((endpoint) => endpoint === 'rules')).toHaveLength(2);
  });

  test('does not bring back one before the time for which the server has asked', async ({ serve, read }) => {
    const tried: string[] = [];
    const server = (await serve()).onRequest((client) => {
      const endpoint = endpointOf(client);
      tried.push(endpoint);
      if (endpoint === 'rules') return client.respond('503 Service Unavailable', ['Retry-After: 60']);
      client.accept(text(event(1)));
      setTimeout(() => client.close(1012), 600);
    });
    const reading = read({ url: server.url, endpoints: ['devices', 'rules'], ...slowBut('devices') });
    await reading.events.count(3);
    expect(tried.filter((endpoint) => endpoint === 'rules')).toHaveLength(1);
  });
});

test('many endpoints cause no warning of Node.js', async ({ serve, read }) => {
  const warnings: string[] = [];
  const note = ({ message }: Error) => void warnings.push(message);
  process.on('warning', note);
  const server = (await serve()).onRequest((client) => client.accept(text(event(1))));
  const endpoints = Array.from({ length: 20 }, (_, i) => `/own/${i}`);
  const reading = read({ url: server.url, endpoints });
  await reading.events.count(20);
  for (const client of server.requests.all) client.close(1012);
  await reading.events.count(40);
  await reading.stop();
  process.off('warning', note);
  expect(warnings.filter((text) => text.includes('abort listeners'))).toEqual([]);
});

describe.concurrent('an endpoint', () => {
  test('that never opened is missing for the whole time, one that was given up up to the end', async ({
    serve,
    read,
  }) => {
    const server = (await serve()).onRequest((client) => {
      if (endpointOf(client) === 'devices') client.accept(text(event(1)));
      else client.respond(client.path.includes('gone') ? '410 Gone' : '404 Not Found');
    });
    const reading = read({ url: server.url, endpoints: ['devices', '/nowhere', '/gone'] });
    await reading.givenUp.count(2);
    await delay(300);
    await reading.stop();
    const { outages, gaps, coverage, durationMs } = reading.subscription.summary();
    expect(gaps.count).toBe(0);
    // One for each reason, in the summary as in the report of what was recorded.
    using folder = new RecordingFolder();
    const report = await inspectRecording(folder.write(reading.texts));
    expect([outages.count, report.outageCount]).toEqual([2, 2]);
    // Timers count whole milliseconds, so they may fire up to one early.
    expect(outages.totalMs).toBeGreaterThan(299);
    expect(outages.totalMs).toBeLessThanOrEqual(durationMs + 5);
    expect(coverage).toEqual({ devices: expect.any(Number), '/nowhere': 0, '/gone': 0 });
    expect(coverage.devices).toBeGreaterThan(0.5);
  });
});

test('endpoints that fail together, and may be given up, are given up together', async ({ serve, read }) => {
  const server = (await serve()).onRequest((client) => client.respond('503 Service Unavailable'));
  const retry = { retries: 4, retryDelayMs: 300, retryMaxMs: 3000 };
  const reading = read({ url: server.url, endpoints: ENDPOINTS, retry });
  await reading.givenUp.next();
  const firstAt = performance.now();
  await reading.end;
  // The last wait takes 3 s.
  expect(performance.now() - firstAt).toBeLessThan(2500);
  const waits = reading.lifecycle.all.flatMap(({ connection }) =>
    connection.state === 'refused' ? [connection.retry_in_ms] : [],
  );
  expect(new Set(waits).size).toBe(4);
});

/** A source of tokens that end at these times, in milliseconds from now. */
function tokensThatEnd(...lives: number[]): TokenProvider & { renewals: number } {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const tokens = lives.map((life) => {
    const exp = (Date.now() + life) / 1000;
    return `${encode({ alg: 'none' })}.${encode({ exp })}.${encode(life)}`;
  });
  return {
    source: 'a test',
    renewals: 0,
    token: async () => tokens[0],
    async renew() {
      if (tokens.length > 1) tokens.shift();
      this.renewals++;
      return tokens.length > 1;
    },
  };
}

describe.concurrent('the end of a token', () => {
  /** Waits are over at once, and written down. */
  function watched() {
    const waits: number[] = [];
    const sleep = async (ms: number) => void waits.push(ms);
    return { waits, options: { clock: { ...systemClock, sleep } } };
  }

  test('that was due costs no wait: with a new one, the next attempt is made at once', async ({
    serve,
    read,
  }) => {
    const server = await serve();
    const { waits, options } = watched();
    const token = tokensThatEnd(0, 1, 60_000, 60_000);
    const reading = read({ url: server.url, token, ...options });
    for (const code of [4001, 1008]) {
      (await server.request()).accept(text(event(1)), close(code, 'expired'));
      expect(await reading.state('closed')).toMatchObject({ code, retry_in_ms: 0, lost: true });
    }
    (await server.request()).accept(text(event(2)));
    await reading.events.count(3);
    expect(waits).toEqual([]);
    expect(token.renewals).toBe(2);
    expect(reading.subscription.summary().gaps.count).toBe(2);
    // This one had not come to its end.
    server.requests.all[2]!.close(4001);
    await server.request();
    expect((await reading.state('closed')).retry_in_ms).toBeGreaterThan(0);
    expect(waits).toHaveLength(1);
  });

  test('that cannot be renewed is waited for, and ends with the rejection as before', async ({
    serve,
    read,
  }) => {
    const server = (await serve()).onRequest((client) => client.accept(text(event(1)), close(4001)));
    const { waits, options } = watched();
    const reading = read({ url: server.url, token: tokensThatEnd(0), ...options });
    await server.request();
    server.onRequest((client) => client.accept(close(4001)));
    expect((await reading.end)?.code).toBe('AUTH');
    expect(waits.length).toBeGreaterThan(0);
  });

  test('of which a server speaks again and again does not make a tight loop', async ({ serve, read }) => {
    const server = (await serve()).onRequest((client) => client.accept(text(event(1)), close(4001)));
    const token = tokensThatEnd(...Array<number>(50).fill(0));
    read({ url: server.url, token, retry: { retryDelayMs: 1000, retryMaxMs: 30_000 } });
    await server.requests.count(4);
    await delay(1000);
    expect(server.requests.all).toHaveLength(4);
  });
});
