import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { formatInvalidLine, formatLifecycleLine } from '../../../src/core/recording/encoder.js';
import { serveRecording } from '../../../src/index.js';
import { eventLine, RecordingFolder, stamp } from '../../support/recordings.js';
import { StreamClient, streamUrl } from '../server/stream-client.js';

const folder = new RecordingFolder();
afterAll(() => folder[Symbol.dispose]());

/** A message that a client gets; its payload as latin1, because `toEqual` takes a thousand times as long for bytes. */
interface Message {
  isBinary: boolean;
  payload: string;
}

/** One line of a recording, its place in time, and the message that it stands for, if any. */
interface RecordedEntry {
  line: string;
  /** Milliseconds after the start of the recording; `undefined` when the line has no time of its own. */
  at: number | undefined;
  endpoint: string;
  message: Message | undefined;
}

const PATH = '/api/v1/ws/device/42';
/** Endpoint of what is no line of a recording. */
const NONE = '';
const ENDPOINTS = ['devices', 'agents', 'system', PATH];

const spec = fc.record({
  kind: fc.oneof(
    { weight: 6, arbitrary: fc.constant('event') },
    {
      weight: 4,
      arbitrary: fc.constantFrom(
        ...['empty', 'leading space', 'odd escape', 'foreign', 'rewritten', 'documented path'],
        ...['not JSON', 'binary', 'opening', 'closing', 'blank', 'damaged'],
      ),
    },
  ),
  endpoint: fc.constantFrom(...ENDPOINTS),
  padding: fc.oneof(
    { weight: 12, arbitrary: fc.integer({ min: 0, max: 900 }) },
    { weight: 1, arbitrary: fc.constantFrom(65_400, 65_536, 70_000, 600_000) },
  ),
  /** How long after the line before it; clocks are set back now and then. */
  after: fc.oneof(
    { weight: 12, arbitrary: fc.integer({ min: 0, max: 30 }) },
    { weight: 1, arbitrary: fc.integer({ min: -3000, max: 3000 }) },
  ),
  /** How often in a row: enough to cross the seams of blocks and chunks. */
  times: fc.oneof(
    { weight: 12, arbitrary: fc.constant(1) },
    { weight: 1, arbitrary: fc.integer({ min: 100, max: 700 }) },
  ),
});
type Spec = typeof spec extends fc.Arbitrary<infer T> ? T : never;

const text = (payload: string): Message => ({
  isBinary: false,
  payload: Buffer.from(payload).toString('latin1'),
});

function entryOf({ kind, endpoint, padding }: Spec, n: number, at: number): RecordedEntry {
  const time = stamp(at);
  const pad = `${n % 10}é`.repeat(padding / 3);
  const frame = `{"type":"device.x","n":${n},"pad":"${pad}"}`;
  const entry = (line: string, message: Message | undefined): RecordedEntry => ({
    line,
    at,
    endpoint,
    message,
  });
  const ours = (line: Buffer) => line.toString().trimEnd();
  switch (kind) {
    case 'empty':
      return entry(`{"received_at":"${time}","endpoint":"${endpoint}"}`, text('{}'));
    case 'leading space':
      return entry(` {"received_at":"${time}","endpoint":"${endpoint}","n":${n}}`, text(` {"n":${n}}`));
    case 'odd escape':
      return entry(
        eventLine(at, `{"\\u0061":"\\ud800 ${pad}","n":${n}}`, endpoint),
        text(`{"\\u0061":"\\ud800 ${pad}","n":${n}}`),
      );
    case 'foreign':
      return {
        line: `{"type":"${n % 2 === 0 ? 'device' : 'agent'}.x","n":${n}}`,
        at: undefined,
        endpoint: n % 2 === 0 ? 'devices' : 'agents',
        message: text(`{"type":"${n % 2 === 0 ? 'device' : 'agent'}.x","n":${n}}`),
      };
    case 'rewritten': {
      const line = `{ "endpoint": "${endpoint}", "data": {"n": ${n}}, "received_at": "${time}" }`;
      return entry(line, text(`{"data": {"n": ${n}}}`));
    }
    case 'documented path':
      return { ...entry(eventLine(at, frame, '/api/v1/ws/devices'), text(frame)), endpoint: 'devices' };
    case 'not JSON': {
      const payload = Buffer.from(`{"torn":${pad}`);
      return entry(ours(formatInvalidLine(time, endpoint, 'not JSON', payload, false)), {
        isBinary: false,
        payload: payload.toString('latin1'),
      });
    }
    case 'binary': {
      const payload = Buffer.alloc(padding, 128 + (n % 100));
      return entry(ours(formatInvalidLine(time, endpoint, 'binary', payload, true)), {
        isBinary: true,
        payload: payload.toString('latin1'),
      });
    }
    case 'opening':
      return entry(ours(formatLifecycleLine(time, endpoint, { state: 'open' })), undefined);
    case 'closing':
      return entry(
        ours(formatLifecycleLine(time, endpoint, { state: 'closed', code: 1011, reason: '' })),
        undefined,
      );
    case 'blank':
      return { line: ' ', at: undefined, endpoint: NONE, message: undefined };
    case 'damaged':
      return { line: `{"received_at":"${time}",`, at: undefined, endpoint: NONE, message: undefined };
    default:
      return entry(eventLine(at, frame, endpoint), text(frame));
  }
}

/** A whole recording. It begins with an event that has a time, as anything does that can be replayed by its times. */
function entriesOf(specs: readonly Spec[]): RecordedEntry[] {
  const first: Spec = { kind: 'event', endpoint: 'devices', padding: 0, after: 0, times: 1 };
  const entries: RecordedEntry[] = [];
  let at = 0;
  for (const one of [first, ...specs]) {
    for (let i = 0; i < one.times; i++) {
      at = Math.max(0, at + one.after);
      // A burst of the longest lines would be a matter of hundreds of megabytes.
      const padding = one.times > 1 ? Math.min(one.padding, 300) : one.padding;
      entries.push(entryOf({ ...one, padding }, entries.length, at));
    }
  }
  return entries;
}

/**
 * The messages of one endpoint between two times, both included. A line without a time lies where the line before it
 * does; reading ends a minute behind the end of the window, as the guide says.
 */
function expectedOf(
  entries: readonly RecordedEntry[],
  endpoint: string,
  from: number,
  to: number,
): Message[] {
  const messages: Message[] = [];
  let isInside = true;
  for (const entry of entries) {
    if (entry.endpoint === NONE) continue;
    if (entry.at !== undefined) {
      if (entry.at > to + 60_000) break;
      isInside = entry.at >= from && entry.at <= to;
    }
    if (isInside && entry.endpoint === endpoint && entry.message !== undefined) messages.push(entry.message);
  }
  return messages;
}

/** A client that keeps what it gets as it came. */
class CollectingClient {
  readonly messages: Message[] = [];
  readonly client: StreamClient;

  constructor(url: string) {
    this.client = new StreamClient(url);
    this.client.socket.on('message', (data: Buffer, isBinary: boolean) => {
      this.messages.push({ isBinary, payload: data.toString('latin1') });
    });
  }
}

describe('every client gets the messages of its endpoint, whole and in the order of the recording', () => {
  it.each([
    ['at full speed', { speed: 'max' }],
    ['at full speed, all clients together', { speed: 'max', clock: 'shared' }],
    ['by the recorded times', { speed: 200 }],
    ['by the recorded times on a shared clock', { speed: 200, clock: 'shared' }],
    ['at a rate', { rate: 100_000, clock: 'shared' }],
  ] as const)('%s', async (_title, how) => {
    const recordings = fc.array(spec, { minLength: 1, maxLength: 60 });
    const bounds = fc.tuple(
      fc.constantFrom(0, 0, 100),
      fc.constantFrom(undefined, undefined, 300),
      fc.constantFrom(1, 1, 2),
    );
    await fc.assert(
      fc.asyncProperty(recordings, bounds, fc.boolean(), async (specs, [from, to, loop], isCrLf) => {
        const entries = entriesOf(specs);
        const ending = isCrLf ? '\r\n' : '\n';
        const bytes = Buffer.from(entries.map(({ line }) => line + ending).join(''));
        const expected = new Map(
          ENDPOINTS.map((endpoint) => {
            const once = expectedOf(entries, endpoint, from, to ?? Number.POSITIVE_INFINITY);
            return [endpoint, loop === 1 ? once : [...once, ...once]];
          }),
        );
        // A replay of nothing ends before all clients are there.
        fc.pre([...expected.values()].some((messages) => messages.length > 0));
        await using server = await serveRecording(folder.write(bytes), {
          ...how,
          ...(from > 0 && { from }),
          ...(to !== undefined && { to }),
          loop,
          maxGapMs: 500,
          exitWhenDone: true,
        });
        server.pause();
        const connect = async (endpoint: string) => {
          const url = new URL(streamUrl(server, 'devices'));
          if (endpoint.startsWith('/')) url.pathname = endpoint;
          else url.pathname = url.pathname.replace('devices', endpoint);
          const got = new CollectingClient(url.href);
          await got.client.opened();
          return { endpoint, got };
        };
        const known = ENDPOINTS.filter((name) => entries.some(({ endpoint }) => endpoint === name));
        const hasMessages = (endpoint: string) => expected.get(endpoint)!.length > 0;
        const connectAll = (names: string[]) => Promise.all(names.map(connect));
        const clients = await connectAll(known.filter(hasMessages));
        // These end at once, and with them the server if no other client is there.
        clients.push(...(await connectAll(known.filter((endpoint) => !hasMessages(endpoint)))));
        server.resume();
        for (const { endpoint, got } of clients) {
          expect((await got.client.end).code).toBe(1000);
          expect(got.messages).toEqual(expected.get(endpoint));
        }
      }),
      { numRuns: 15 },
    );
  });
});
