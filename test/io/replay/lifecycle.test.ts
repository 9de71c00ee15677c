import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect } from 'vitest';
import { encodeFrame } from '../../../src/core/websocket-frame.js';
import {
  parseTimestamp,
  type Refusal,
  type ReplayNotice,
  type ReplayServer,
  type ServeRecordingOptions,
  type ServerControl,
  serveRecording,
  startServer,
  tokenFromText,
} from '../../../src/index.js';
import type { Reading, ReadOptions } from '../../support/reading.js';
import { eventLine, numbered, numberOf, RecordingFolder, stamp } from '../../support/recordings.js';
import { test } from '../../support/stage.js';
import { HandSource } from '../server/hand-source.js';
import { StreamClient, streamUrl } from '../server/stream-client.js';

const folder = new RecordingFolder();
afterAll(() => folder[Symbol.dispose]());

/** A server that goes through an outage, told step by step. */
class FailingSource extends HandSource {
  control!: ServerControl;
  refusal: Refusal | undefined;
  #sent = 0;

  start(control: ServerControl): void {
    this.control = control;
  }

  admit(): Refusal | undefined {
    return this.refusal;
  }

  /** Sends events to the clients that came last, a little apart. */
  async send(clients: number, count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      for (const client of this.clients.slice(-clients)) {
        client.send(encodeFrame(Buffer.from(numbered(this.#sent++, client.endpoint))), 1);
      }
      await delay(20);
    }
  }

  last(clients: number) {
    return this.clients.slice(-clients);
  }
}

/** Waits that are the same each time. */
const steady = { random: () => 1, retry: { retryDelayMs: 400, retryMaxMs: 400, exitOnClose: true } };
const both = ['devices', 'rules'];

function lifecycleLine(milliseconds: number, connection: object, endpoint = 'devices'): string {
  return JSON.stringify({ received_at: stamp(milliseconds), connection, endpoint });
}

const connecting = { state: 'connecting', attempt: 1, url: 'ws://x/', recorder: 'test', format: 1 };
const open = { state: 'open' };
const closed = (code: number, reason = '') => ({ state: 'closed', code, reason });

/** What is the same when the same happens again: the texts of events, and what happened to connections. */
function essenceOf(lines: readonly string[], endpoint: string): string[] {
  return lines
    .map((line) => JSON.parse(line))
    .filter((line) => line.endpoint === endpoint)
    .map(({ received_at: _at, endpoint: _endpoint, ...rest }) => {
      if (rest.connection === undefined) return JSON.stringify(rest);
      const { url: _url, gap_since: _since, error, ...connection } = rest.connection;
      return JSON.stringify({
        ...connection,
        ...(error === undefined ? {} : { error: error.replace(/\d+/g, 'N') }),
      });
    });
}

/** Milliseconds from the first event: how long a client takes to connect for the first time is its own affair. */
function timesOf(lines: readonly string[], endpoint: string): number[] {
  const stamps = lines.map((line) => parseTimestamp(JSON.parse(line).received_at) as number);
  const start = stamps[lines.findIndex((line) => JSON.parse(line).connection === undefined)]!;
  return stamps
    .filter((_, i) => JSON.parse(lines[i]!).endpoint === endpoint)
    .map((time) => (time - start) / 1000);
}

describe('a recorded outage', () => {
  test('recorded from its replay is the same again: events, lifecycle, order, times', {
    timeout: 60_000,
  }, async ({ read }) => {
    const original = await recordOutage(read);
    const path = folder.write(original, 'outage.ndjson');
    // The order is the same every time. The times are, too, unless the machine does something else meanwhile.
    let onTime = 0;
    for (let tries = 0; tries < 3 && onTime < 1; tries++) {
      const again = await recordReplay(path, read);
      for (const endpoint of both) expect(essenceOf(again, endpoint)).toEqual(essenceOf(original, endpoint));
      onTime = Math.max(onTime, shareOnTime(original, again));
    }
    expect(onTime).toBeGreaterThan(0.8);
  });

  /** The part of the lines that came within 20 ms of when they had come before. */
  function shareOnTime(original: readonly string[], again: readonly string[]): number {
    const errors = both.flatMap((endpoint) => {
      const times = timesOf(again, endpoint);
      return timesOf(original, endpoint).map((time, i) => Math.abs(time - times[i]!));
    });
    return errors.filter((error) => error <= 20).length / errors.length;
  }

  async function recordOutage(read: (options: ReadOptions) => Reading): Promise<string[]> {
    const source = new FailingSource();
    const server = await startServer(source);
    const token = tokenFromText(server.token, 'test');
    const reading = read({ url: server.url, token, endpoints: both, recorder: 'test', ...steady });
    await source.hasClients(2);
    await source.send(2, 5);

    source.refusal = { kind: 'status', status: 503 };
    for (const client of source.last(2)) client.close(1011, 'going down\n');
    await states(reading, 'refused', 4);
    source.refusal = undefined;
    await source.hasClients(4);
    await source.send(2, 5);

    source.control.suspend();
    for (const client of source.last(2)) client.destroy();
    await states(reading, 'refused', 8);
    await source.control.resume();
    await source.hasClients(6);
    await source.send(2, 3);

    for (const client of source.last(2)) client.close(1005);
    await source.hasClients(8);
    await source.send(2, 2);
    for (const client of source.last(2)) client.close(1000, 'bye');
    await reading.end;
    await server.close();
    return reading.texts;
  }

  async function states(reading: Reading, state: string, count: number): Promise<void> {
    while (reading.states.filter((each) => each === state).length < count) await reading.lifecycle.next();
  }

  async function recordReplay(path: string, read: (options: ReadOptions) => Reading): Promise<string[]> {
    await using server = await serveRecording(path, { lifecycle: true });
    const token = tokenFromText(server.token, 'test');
    const reading = read({ url: server.url, token, endpoints: both, recorder: 'test', ...steady });
    await reading.end;
    return reading.texts;
  }
});

/** Serves lines; what it says goes into `notices`. */
async function serve(
  lines: readonly string[],
  options: ServeRecordingOptions = {},
): Promise<ReplayServer & { notices: ReplayNotice[] }> {
  const notices: ReplayNotice[] = [];
  const server = await serveRecording(folder.write(lines), {
    lifecycle: true,
    onNotice: (notice) => notices.push(notice),
    ...options,
  });
  return Object.assign(server, { notices });
}

/** An attempt with its answer. */
function attempt(milliseconds: number, answer: object, endpoint = 'devices'): string[] {
  return [
    lifecycleLine(milliseconds, connecting, endpoint),
    lifecycleLine(milliseconds + 2, answer, endpoint),
  ];
}

const refused = (how: number | string) =>
  typeof how === 'number' ? { state: 'refused', status: how } : { state: 'refused', error: how };

describe.concurrent('an outage', () => {
  const outage = [
    ...attempt(0, open),
    eventLine(10, numbered(0)),
    lifecycleLine(100, closed(1011, 'going down')),
    ...attempt(300, refused(503)),
    ...attempt(900, open),
    ...[1, 2, 3, 4].map((n) => eventLine(900 + n * 20, numbered(n))),
    lifecycleLine(1600, closed(1000)),
  ];

  test('lasts as long as it did for a client that never waits: more refusals, the same events', async ({
    read,
  }) => {
    await using server = await serve(outage);
    const reading = read({
      url: server.url,
      token: tokenFromText(server.token, 'test'),
      retry: { retryDelayMs: 1, retryMaxMs: 20, retries: Number.POSITIVE_INFINITY, exitOnClose: true },
    });
    await reading.end;
    expect(reading.events.all.map(({ data }) => data?.n)).toEqual([0, 1, 2, 3, 4]);
    const closedAt = reading.lifecycle.all.findIndex(({ connection }) => connection.state === 'closed');
    const reopened = reading.lifecycle.all.findLast(({ connection }) => connection.state === 'open')!;
    const lasted =
      parseTimestamp(reopened.receivedAt)! - parseTimestamp(reading.lifecycle.all[closedAt]!.receivedAt)!;
    // Recorded: 802 ms; it takes a client under load some time to notice an end.
    expect(lasted).toBeGreaterThan(400_000);
  });

  test('does not cost a client events that comes back late', async ({ read }) => {
    await using server = await serve(outage);
    const reading = read({
      url: server.url,
      token: tokenFromText(server.token, 'test'),
      random: () => 1,
      retry: { retryDelayMs: 1200, retryMaxMs: 1200, exitOnClose: true },
    });
    await reading.end;
    expect(reading.states).toEqual(['connecting', 'open', 'closed', 'connecting', 'open', 'closed']);
    expect(reading.events.all.map(({ data }) => data?.n)).toEqual([0, 1, 2, 3, 4]);
  });

  test('that nobody survived is told of', async () => {
    await using server = await serve(outage);
    const client = new StreamClient(streamUrl(server));
    expect(await client.end).toMatchObject({ code: 1011, reason: 'going down', messages: [numbered(0)] });
    await server.finished;
    while (server.notices.length === 0) await delay(10);
    expect(server.notices).toEqual([{ kind: 'unseen', endpoint: 'devices', events: 4 }]);
  });

  test('of one endpoint does not disturb another', async () => {
    const rules = [
      ...attempt(1, open, 'rules'),
      ...[0, 1, 2].map((n) => eventLine(10 + n * 400, numbered(n), 'rules')),
    ];
    const lines = [...outage, ...rules].sort();
    await using server = await serve(lines, { exitWhenDone: true });
    const clients = ['devices', 'rules'].map((endpoint) => new StreamClient(streamUrl(server, endpoint)));
    const [devices, others] = await Promise.all(clients.map(({ end }) => end));
    expect(devices?.code).toBe(1011);
    expect(others).toMatchObject({ code: 1000, messages: [0, 1, 2].map((n) => numbered(n)) });
  });

  test('happens again in each pass of a loop', async ({ read }) => {
    await using server = await serve(outage, { loop: 2, speed: 2, exitWhenDone: true });
    const reading = read({
      url: server.url,
      token: tokenFromText(server.token, 'test'),
      retry: { retryDelayMs: 1, retryMaxMs: 20, retries: 1000 },
    });
    while (reading.events.all.length < 10) await reading.events.next();
    expect(reading.events.all.map(({ data }) => data?.n)).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    expect(reading.states.filter((state) => state === 'closed').length).toBe(3);
  });
});

describe.concurrent('a refused connection', () => {
  const refusals = ['connection refused (127.0.0.1:1)', 'connection refused (127.0.0.1:1)'].map(refused);
  const lines = [
    ...attempt(0, open),
    lifecycleLine(50, closed(1006)),
    ...attempt(150, refusals[0]!),
    ...attempt(400, refusals[1]!),
    ...attempt(1000, open),
    eventLine(1100, numbered(1)),
  ];

  test('is one: for that time nothing listens, not even for plain requests', async () => {
    await using server = await serve(lines);
    const health = server.url.replace('ws', 'http').concat('/health');
    const client = new StreamClient(streamUrl(server));
    expect((await client.end).code).toBe(1006);
    while (server.notices.length === 0) await delay(5);
    expect(server.notices[0]).toEqual({ kind: 'downtime', phase: 'begins' });
    await expect(fetch(health)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    while (server.notices.length === 1) await delay(5);
    expect(server.notices[1]).toEqual({ kind: 'downtime', phase: 'ends' });
    while (
      !(await fetch(health).then(
        ({ ok }) => ok,
        () => false,
      ))
    );
    expect(await new StreamClient(streamUrl(server)).received(1)).toEqual([numbered(1)]);
  });

  test('by a server that has gone does not come back after the server was closed', async () => {
    await using server = await serve(lines);
    expect((await new StreamClient(streamUrl(server)).end).code).toBe(1006);
    while (server.notices.length === 0) await delay(5);
    await server.close();
    await delay(800);
    await expect(fetch(server.url.replace('ws', 'http'))).rejects.toThrow();
  });
});

describe.concurrent('how an attempt is turned away', () => {
  test.for<[number | string, string]>([
    [401, 'Unexpected server response: 401'],
    [502, 'Unexpected server response: 502'],
    ['connection reset', 'ECONNRESET'],
    ['connection refused (127.0.0.1:1)', 'ECONNRESET'],
    ['closed before the upgrade', 'socket hang up'],
    ['no upgrade within the time limit', 'Opening handshake has timed out'],
  ])('%s', async ([how, expected]) => {
    await using server = await serve([...attempt(0, refused(how)), ...attempt(2000, open)]);
    const client = new StreamClient(streamUrl(server), { handshakeTimeout: 500 });
    const errors: string[] = [];
    client.socket.on('error', (error) => errors.push(String(error)));
    const { status } = await client.end;
    expect(status === undefined ? errors[0] : `Unexpected server response: ${status}`).toContain(expected);
  });
});

describe.concurrent('how a connection ends', () => {
  test.for<[number, string, number, string]>([
    [1000, 'bye', 1000, 'bye'],
    [1012, '', 1012, ''],
    [4321, 'ünï', 4321, 'ünï'],
    [1005, '', 1005, ''],
    [1006, 'nothing came for 25 s', 1006, ''],
    [1015, '', 1006, ''],
    [999, '', 1006, ''],
    [5000, 'x', 1006, ''],
  ])('%i %s', async ([code, reason, expectedCode, expectedReason]) => {
    const events = [1, 2, 3].map((n) => eventLine(10, numbered(n)));
    await using server = await serve([
      ...attempt(0, open),
      ...events,
      lifecycleLine(20, closed(code, reason)),
    ]);
    const end = await new StreamClient(streamUrl(server)).end;
    expect(end).toMatchObject({ code: expectedCode, reason: expectedReason });
    expect(end.messages.map(numberOf)).toEqual([1, 2, 3]);
  });

  test('at once, as with a refused token: a client a little late meets it all the same', async () => {
    const lines = [
      ...attempt(0, open, 'rules'),
      ...attempt(1, open),
      lifecycleLine(4, closed(4001, 'Authentication failed')),
      ...attempt(600, open),
      eventLine(700, numbered(1)),
    ];
    await using server = await serve(lines);
    await new StreamClient(streamUrl(server, 'rules')).opened();
    await delay(50);
    expect(await new StreamClient(streamUrl(server)).end).toMatchObject({ code: 4001 });
    expect(await new StreamClient(streamUrl(server)).received(1)).toEqual([numbered(1)]);
  });
});
