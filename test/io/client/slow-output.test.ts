import { describe, expect } from 'vitest';
import { noToken, parseBaseUrl, subscribe } from '../../../src/index.js';
import { event, text } from '../../support/raw-frames.js';
import type { RawConnection } from '../../support/raw-server.js';
import { test } from '../../support/stage.js';
import { eventually } from '../../support/time-limits.js';

/** Sends numbered events as fast as the client takes them, in packets of many. */
async function pour(client: RawConnection, count: number, from = 0): Promise<void> {
  for (let sent = 0; sent < count; sent += 500) {
    const packet = Array.from({ length: Math.min(500, count - sent) }, (_, i) =>
      text(event(from + sent + i)),
    );
    if (client.socket.destroyed) return;
    if (!client.socket.write(Buffer.concat(packet))) {
      await new Promise<void>((resolve) => {
        client.socket.once('drain', resolve);
        client.socket.once('close', () => resolve());
      });
    }
  }
}

interface Line {
  data?: { number: number };
  endpoint: string;
  connection?: { state: string; count: number; from: string; to: string };
}

const linesOf = (bytes: Buffer): Line[] =>
  bytes
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

describe.concurrent('output that is taken slowly', () => {
  test('holds the server up and loses nothing, with several endpoints', async ({ serve }) => {
    const server = await serve();
    const each = 20_000;
    server.onRequest((client) => void pour(client.accept(), each));
    const endpoints = ['devices', 'agents', 'rules', 'system'];
    const subscription = subscribe({
      url: parseBaseUrl(server.url),
      endpoints,
      token: noToken(),
      count: endpoints.length * each,
      maxBufferBytes: 1024 * 1024,
    });
    const next = new Map(endpoints.map((endpoint) => [endpoint, 0]));
    for await (const { bytes } of subscription) {
      for (const { endpoint, data } of linesOf(bytes)) {
        if (data?.number !== next.get(endpoint))
          throw new Error(`${endpoint}: ${data?.number} came too soon`);
        next.set(endpoint, data!.number + 1);
      }
      // A reader that needs a while for each batch.
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect([...next.values()]).toEqual(endpoints.map(() => each));
    expect(subscription.summary()).toMatchObject({ dropped: 0, gaps: { count: 0 } });
  });

  test('not taken at all: written and dropped events add up to those sent', async ({ serve }) => {
    const server = await serve();
    const sent = 60_000;
    const accepted = server.request().then((client) => client.accept());
    const stop = new AbortController();
    const told: unknown[] = [];
    const subscription = subscribe({
      url: parseBaseUrl(server.url),
      endpoints: ['devices'],
      token: noToken(),
      lifecycle: true,
      maxBufferBytes: 256 * 1024,
      deadAfterMs: 2000,
      signal: stop.signal,
      onLifecycle: ({ connection }) => connection.state === 'dropped' && told.push(connection),
    });
    const lines: Line[] = [];
    let isPoured = false;
    for await (const { bytes } of subscription) {
      lines.push(...linesOf(bytes));
      if (!isPoured) {
        isPoured = true;
        const client = await accepted;
        // Nothing is taken until everything has come.
        await pour(client, sent);
        await eventually(() => expect(subscription.summary().dropped).toBeGreaterThan(10_000));
        void client.roundTrips(1).then(() => client.text(event(sent)));
      }
      if (lines.at(-1)?.data?.number === sent) stop.abort();
    }
    // In order; wherever some are missing, a line in that very place says how many.
    let expected = 0;
    let dropped = 0;
    for (const { data, connection } of lines) {
      if (connection?.state === 'dropped') {
        expect(connection.count).toBeGreaterThan(0);
        expect(connection.from <= connection.to).toBe(true);
        dropped += connection.count;
        expected += connection.count;
      }
      if (data !== undefined) expect(data.number).toBe(expected++);
    }
    expect(expected).toBe(sent + 1);
    const summary = subscription.summary();
    expect(summary.dropped).toBe(dropped);
    expect(summary.events.devices! + dropped).toBe(sent + 1);
    expect(told).toHaveLength(lines.filter(({ connection }) => connection?.state === 'dropped').length);
    // It stayed connected all the while.
    expect(server.connections.all).toHaveLength(1);
  });

  test('dropped events are told before the loss of the connection that they came on', async ({ serve }) => {
    const server = await serve();
    const request = server.request();
    const stop = new AbortController();
    const states: string[] = [];
    const subscription = subscribe({
      url: parseBaseUrl(server.url),
      endpoints: ['devices'],
      token: noToken(),
      maxBufferBytes: 64 * 1024,
      signal: stop.signal,
      onLifecycle: ({ connection }) => states.push(connection.state),
    });
    const pouring = request.then(async (client) => {
      client.accept();
      await pour(client, 20_000);
      client.close(1012);
      await client.ended;
    });
    let events = 0;
    for await (const { count } of subscription) {
      events += count;
      await pouring;
      stop.abort();
    }
    const { dropped } = subscription.summary();
    expect(states.slice(0, 4)).toEqual(['connecting', 'open', 'dropped', 'closed']);
    expect(events + dropped).toBe(20_000);
  });
});
