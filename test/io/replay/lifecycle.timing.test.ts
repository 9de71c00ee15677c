import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect } from 'vitest';
import { encodeFrame } from '../../../src/core/websocket-frame.js';
import {
  parseTimestamp,
  type Refusal,
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

/** No line may be further than this from when it came before, apart from times when the machine did not let us run. */
const LIMIT_MS = 20;

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
const steady = { random: () => 1, retry: { retryDelayMs: 300, retryMaxMs: 300, exitOnClose: true } };

/** Waits add up over the attempts of an outage; what the machine cost further back than this has no effect any more. */
const MEMORY_MS = 1500;

/**
 * A control for the machine: a timer beside server and client, on the same event loop. When the timer is late, neither
 * of them could be on time either.
 */
class StallMeter implements Disposable {
  /** Ends of stalls, in microseconds since 1970, and their lengths in milliseconds. */
  readonly #stalls: { end: number; ms: number }[] = [];
  readonly #timer: NodeJS.Timeout;
  #lastMs = performance.now();

  constructor() {
    this.#timer = setInterval(() => this.#look(), 1);
  }

  /** Milliseconds that were lost in stalls shortly before a time. */
  lostBefore(micros: number): number {
    const from = micros - MEMORY_MS * 1000;
    // A stall may end a moment after a line that it held up.
    return this.#stalls.reduce(
      (sum, { end, ms }) => (end > from && end <= micros + 2000 ? sum + ms : sum),
      0,
    );
  }

  #look(): void {
    const nowMs = performance.now();
    const lostMs = nowMs - this.#lastMs - 1;
    // Timers are late by a millisecond or two on any machine.
    if (lostMs > 2) this.#stalls.push({ end: Date.now() * 1000, ms: lostMs });
    this.#lastMs = nowMs;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** Lines that a client got, and the control that ran beside it. */
interface Run {
  texts: readonly string[];
  meter: StallMeter;
}
const both = ['devices', 'rules'];

/** A short connection on each endpoint. */
const warmUp = both.flatMap((endpoint) => [
  eventLine(0, numbered(0, endpoint), endpoint),
  JSON.stringify({
    received_at: stamp(1),
    connection: { state: 'closed', code: 1000, reason: '' },
    endpoint,
  }),
]);

/** The parts of lines that are equal when the same happens again: texts of events, and states of connections. */
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

interface LineTime {
  /** Milliseconds from the first event: how long a client takes to connect for the first time is its own affair. */
  ms: number;
  lostMs: number;
}

function timesOf({ texts, meter }: Run, endpoint: string): LineTime[] {
  const lines = texts.map((text) => JSON.parse(text));
  const stamps = lines.map((line) => parseTimestamp(line.received_at) as number);
  const start = stamps[lines.findIndex((line) => line.connection === undefined)]!;
  return stamps
    .filter((_, i) => lines[i]!.endpoint === endpoint)
    .map((stamp) => ({
      ms: (stamp - start) / 1000,
      lostMs: meter.lostBefore(stamp) + meter.lostBefore(start),
    }));
}

// Here, because a client that is a second late gets none of them.
test('later parts are kept for late clients, even when the beginning does not mention the endpoint', async () => {
  const lines = [
    ...Array.from({ length: 1000 }, (_, n) => eventLine(n, numbered(n))),
    ...[0, 1, 2].map((n) => eventLine(1000 + n * 10, numbered(n, 'agents'), 'agents')),
  ];
  await using server = await serveRecording(folder.write(lines, 'late.ndjson'), { lifecycle: true });
  await new StreamClient(streamUrl(server)).received(1000);
  await delay(200);
  const late = new StreamClient(streamUrl(server, 'agents'));
  expect((await late.received(3)).map(numberOf)).toEqual([0, 1, 2]);
});

describe('a recorded outage', () => {
  test('recorded from its replay is the same again: events, lifecycle, order, times', async ({ read }) => {
    // Loading the client takes its time, once: that is no part of what is recorded.
    await recordReplay(folder.write(warmUp, 'warm-up.ndjson'), read);
    const original = await measured(() => recordOutage(read));
    const path = folder.write(original.texts, 'outage.ndjson');
    const again = await measured(() => recordReplay(path, read));
    for (const endpoint of both) {
      expect(essenceOf(again.texts, endpoint)).toEqual(essenceOf(original.texts, endpoint));
      const times = timesOf(again, endpoint);
      const lateness = timesOf(original, endpoint).map(({ ms, lostMs }, i) => {
        const { ms: againMs, lostMs: againLostMs } = times[i]!;
        return Math.abs(againMs - ms) - lostMs - againLostMs;
      });
      expect(Math.max(...lateness)).toBeLessThanOrEqual(LIMIT_MS);
    }
  });

  async function measured(run: () => Promise<string[]>): Promise<Run> {
    using meter = new StallMeter();
    return { texts: await run(), meter };
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
