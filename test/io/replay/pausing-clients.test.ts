import { afterAll, expect, it } from 'vitest';
import { serveRecording } from '../../../src/index.js';
import { eventLine, RecordingFolder } from '../../support/recordings.js';
import { StreamClient, streamUrl } from '../server/stream-client.js';
import { RawStream, readServerFrames } from './raw-stream.js';

const folder = new RecordingFolder();
afterAll(() => folder[Symbol.dispose]());

const EVENTS = 30_000;
const LASTS_MS = 3000;
const MEBIBYTE = 1024 * 1024;
const TEXT = 1;

/** Every event is told from all others by its number and by its length. */
function frameOf(n: number, endpoint: string): string {
  return `{"data":{"n":${n}},"pad":"${String(n % 10).repeat(400 + ((n * 37) % 900))}","of":"${endpoint}"}`;
}

function expectedOf(endpoint: string): string[] {
  return Array.from({ length: EVENTS }, (_, n) => n)
    .filter((n) => (n % 3 === 0) === (endpoint === 'rules'))
    .map((n) => frameOf(n, endpoint));
}

/** Where the first difference lies; -1 when there is none. Comparing whole lists would print megabytes. */
function firstDifference(got: readonly string[], expected: readonly string[]): number {
  if (got.length === expected.length) return got.findIndex((frame, i) => frame !== expected[i]);
  return Math.min(got.length, expected.length);
}

it.each(['client', 'shared'] as const)(
  'in timed playback (clock: %s) clients that stop reading for seconds get every frame whole and in order',
  async (clock) => {
    const lines = Array.from({ length: EVENTS }, (_, n) => {
      const endpoint = n % 3 === 0 ? 'rules' : 'devices';
      return eventLine((n * LASTS_MS) / EVENTS, frameOf(n, endpoint), endpoint);
    });
    await using server = await serveRecording(folder.write(lines), {
      clock,
      exitWhenDone: true,
      // Far above what a client can miss in its pause: being ended for that is another test.
      limits: { pendingBytes: 256 * MEBIBYTE, closePatienceMs: 10_000 },
    });
    // A shared clock keeps its beginning for the first client only, so all have to be there before it moves.
    server.pause();
    const raw = ['devices', 'devices', 'rules', 'rules'].map((endpoint, i) => {
      const stream = new RawStream(streamUrl(server, endpoint));
      // One of each endpoint reads all the time: what it has taken must not count for the others.
      if (i % 2 === 0) stream.pauseAt((i + 1) * 100_000, 2000 + 500 * i);
      return { endpoint, stream };
    });
    const ws = ['devices', 'rules'].map((endpoint) => {
      const stream = new StreamClient(streamUrl(server, endpoint));
      stream.socket.on('message', () => {
        if (stream.messages.length !== 2000) return;
        stream.socket.pause();
        setTimeout(() => stream.socket.resume(), 2500);
      });
      return { endpoint, stream };
    });
    while (server.clients < raw.length + ws.length) await new Promise((resolve) => setTimeout(resolve, 5));
    server.resume();

    for (const { endpoint, stream } of ws) {
      const { code, messages } = await stream.end;
      expect([code, firstDifference(messages, expectedOf(endpoint))]).toEqual([1000, -1]);
    }
    for (const { endpoint, stream } of raw) {
      const { messages, rest } = readServerFrames(await stream.end);
      const closing = messages.pop();
      expect([closing?.opcode, rest.length]).toEqual([8, 0]);
      expect(messages.every(({ opcode }) => opcode === TEXT)).toBe(true);
      const payloads = messages.map(({ payload }) => payload);
      expect(firstDifference(payloads, expectedOf(endpoint))).toBe(-1);
    }
  },
);
