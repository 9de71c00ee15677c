import { describe, expect } from 'vitest';
import { compileFilter, noToken, parseBaseUrl, subscribe } from '../../../src/index.js';
import { close, event, text } from '../../support/raw-frames.js';
import type { Reading } from '../../support/reading.js';
import { test } from '../../support/stage.js';

const errors = await compileFilter({ types: ['device.error'] });
const frames = (kinds: string, from = 0) =>
  [...kinds].map((kind, i) => text(kind === '!' ? event(from + i, 'device.error') : event(from + i)));

/** The numbers of the events and the states of the connections, in the order of the lines. */
function contentOf({ texts }: Reading): (number | string)[] {
  return texts.map((line) => {
    const { data, connection, invalid } = JSON.parse(line);
    return invalid === undefined ? (data?.number ?? connection.state) : 'invalid';
  });
}

describe.concurrent('context around live events', () => {
  test('is every event before and after, and matching events count', async ({ serve, read }) => {
    const server = await serve();
    server.onRequest((client) => client.accept(...frames('....!....!.'), close(1000)));
    const around = { before: { events: 2 }, after: { events: 1 } };
    const reading = read({ url: server.url, filter: errors, retry: { reconnect: false }, ...around });
    expect(await reading.end).toBeUndefined();
    expect(contentOf(reading)).toEqual(['connecting', 'open', 2, 3, 4, 5, 7, 8, 9, 10, 'closed']);
    expect(reading.subscription.summary()).toMatchObject({
      events: { devices: 2 },
      context: { events: 6, cut: 0 },
    });
  });

  test('does not count as the last matching event', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url, filter: errors, before: { events: 9 }, after: { events: 9 } });
    const client = (await server.request()).accept(...frames('.'));
    await client.roundTrips();
    expect(reading.subscription.summary().lastEventAt).toEqual({ devices: undefined });
    client.text(event(1, 'device.error'));
    await reading.events.count(2);
    await client.roundTrips();
    client.text(event(2));
    await reading.events.count(3);
    const matching = JSON.parse(reading.texts.find((line) => line.includes('device.error'))!);
    expect(reading.subscription.summary().lastEventAt).toEqual({ devices: matching.received_at });
  });

  test('has messages that are no events, and lifecycle lines in their order', async ({ serve, read }) => {
    const server = await serve();
    const attempts = [
      [text('no JSON'), ...frames('..'), close(1011)],
      [...frames('.!', 3), close(1000)],
    ];
    server.onRequest((client) => client.accept(...attempts.shift()!));
    const reading = read({
      url: server.url,
      filter: errors,
      before: { ms: 60_000 },
      retry: { exitOnClose: true },
    });
    expect(await reading.end).toBeUndefined();
    const second = ['closed', 'connecting', 'open', 3, 4, 'closed'];
    expect(contentOf(reading)).toEqual(['connecting', 'open', 'invalid', 0, 1, ...second]);
  });

  test('without a matching event is nothing but the lifecycle lines', async ({ serve, read }) => {
    const server = await serve();
    server.onRequest((client) => client.accept(...frames('....'), close(1000)));
    const reading = read({
      url: server.url,
      filter: errors,
      before: { ms: 1000 },
      retry: { reconnect: false },
    });
    expect(await reading.end).toBeUndefined();
    expect(contentOf(reading)).toEqual(['connecting', 'open', 'closed']);
  });

  test('is of all endpoints together', async ({ serve, read }) => {
    const server = await serve();
    const filter = await compileFilter({ types: ['device.error'] });
    const reading = read({
      url: server.url,
      endpoints: ['devices', 'rules'],
      filter,
      before: { events: 2 },
      lifecycle: false,
      count: 1,
    });
    const [first, second] = [await server.request(), await server.request()];
    for (const client of [first, second]) client.accept();
    await reading.state('open');
    await reading.state('open');
    for (const [i, client] of [first, second, first].entries()) {
      client.write(frames('.', i)[0]!);
      while (filter.report().judged <= i) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    second.write(frames('!', 3)[0]!);
    expect(await reading.end).toBeUndefined();
    expect(contentOf(reading)).toEqual([1, 2, 3]);
  });

  test('follows the last event that is wanted; further matches are context', async ({ serve, read }) => {
    const server = await serve();
    server.onRequest((client) => client.accept(...frames('.!.!...')));
    const options = { url: server.url, filter: errors, lifecycle: false, count: 1 };
    const reading = read({ ...options, after: { events: 3 } });
    expect(await reading.end).toBeUndefined();
    expect(contentOf(reading)).toEqual([1, 2, 3, 4]);
    expect(reading.subscription.outcome()).toMatchObject({ endedBy: 'count', count: 1 });
  });

  test('ends after its time, when no further event comes', async ({ serve, read }) => {
    const server = await serve();
    server.onRequest((client) => client.accept(...frames('!.')));
    const reading = read({ url: server.url, filter: errors, lifecycle: false, count: 1, after: { ms: 200 } });
    expect(await reading.end).toBeUndefined();
    expect(contentOf(reading)).toEqual([0, 1]);
    expect(reading.subscription.summary().durationMs).toBeGreaterThanOrEqual(199);
    expect(reading.subscription.outcome()).toMatchObject({ endedBy: 'count', count: 1 });
  });

  test('is bounded by the buffer, and says how often that cut it short', async ({ serve, read }) => {
    const server = await serve();
    server.onRequest((client) => client.accept(...frames('..........!'), close(1000)));
    const options = {
      lifecycle: false,
      before: { ms: 60_000 },
      maxBufferBytes: 1000,
      retry: { reconnect: false },
    };
    const reading = read({ url: server.url, filter: errors, ...options });
    expect(await reading.end).toBeUndefined();
    const numbers = contentOf(reading);
    expect(numbers.length).toBeLessThan(8);
    expect(numbers).toEqual([...Array(11).keys()].slice(-numbers.length));
    expect(reading.subscription.summary().context).toEqual({ events: numbers.length - 1, cut: 1 });
  });

  test('needs a filter', () => {
    const options = { url: parseBaseUrl('ws://localhost'), endpoints: ['devices'], token: noToken() };
    expect(() => subscribe({ ...options, before: { events: 1 } })).toThrow(/need a filter/);
    for (const before of [{ events: 0 }, { ms: -1 }, {}, 5, { events: 1, ms: 1 }]) {
      expect(() => subscribe({ ...options, filter: errors, before: before as never })).toThrow(
        /before must be/,
      );
    }
  });
});
