import { setImmediate } from 'node:timers/promises';
import { type StoryStep, tellStory } from '../../core/mock/story.js';
import type { OptionRules } from '../../core/options.js';
import type { EndpointName } from '../../core/protocol.js';
import { encodeFrame } from '../../core/websocket-frame.js';
import { type Clock, deferred, systemClock } from '../clock.js';
import { checkServing, type MockServer, SERVING_RULES, type ServingOptions } from './serving-options.js';
import { StreamServer } from './stream-server.js';
import type { ServedClient, StreamSource } from './stream-source.js';

/** Options of the generated events. */
export interface StoryOptions {
  /** The same seed gives the same events with the same times, at any rate. Default: a new story that begins now. */
  seed?: number | undefined;
  /** Events a second on each endpoint. Default 2. */
  rate?: number | undefined;
  /** Ends after so many events on each endpoint. Default: never. */
  count?: number | undefined;
  clock?: Clock | undefined;
}

/** Options of {@link startMockServer}. */
export interface MockServerOptions extends ServingOptions, StoryOptions {}

const HIGHEST_RATE = 100_000;
const MOCK_RULES: OptionRules<MockServerOptions> = {
  ...SERVING_RULES,
  rate: [
    (rate) => rate > 0 && rate <= HIGHEST_RATE,
    `a rate is above 0 and at most ${HIGHEST_RATE} events a second`,
  ],
  count: [
    (count) => count === Number.POSITIVE_INFINITY || (Number.isInteger(count) && count > 0),
    'a count is a whole number above 0',
  ],
  clock: true,
};

/**
 * Serves generated events of all twelve types on the four endpoints, as an OPMAS Management API would.
 *
 * The story begins with the first client; late clients join mid-stream. After `count` events on each endpoint the
 * server closes its clients with 1000 and ends (`finished`).
 *
 * @throws {OpmasError} `USAGE` for bad options, `LOCAL` if it cannot listen on the port.
 */
export async function startMockServer(options: MockServerOptions = {}): Promise<MockServer> {
  checkServing('startMockServer', options, MOCK_RULES);
  const server = new StreamServer(new StorySource(options), options);
  await server.start();
  return server;
}

/** Delay of the first event, so that clients that connect together all see the beginning. */
const FIRST_EVENT_AFTER_MS = 250;
/** Longest time for which it generates events before it yields to the event loop. */
const LONGEST_TURN_MS = 10;
/** Delay after which it skips missed events instead of catching up. */
const LONGEST_LAG_MS = 1000;
/** A block of this size is sent even if more events are due. */
const BLOCK_BYTES = 256 * 1024;

/** Sends one story to all clients, beginning with the first client; late clients join mid-stream. */
export class StorySource implements StreamSource {
  readonly #told = deferred();
  readonly finished = this.#told.promise;
  readonly #steps: Iterator<StoryStep, never>;
  readonly #periodMs: number;
  readonly #count: number;
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  readonly #clients = new Map<string, Set<ServedClient>>();
  readonly #blocks = new Map<EndpointName, { frames: Buffer[]; bytes: number }>();
  #started = false;

  constructor({ seed, rate = 2, count = Number.POSITIVE_INFINITY, clock = systemClock }: StoryOptions = {}) {
    this.#clock = clock;
    this.#periodMs = 1000 / rate;
    this.#steps =
      seed === undefined
        ? tellStory(clock.nowMicros() % 2 ** 32, clock.nowMicros() / 1000, this.#periodMs)
        : tellStory(seed);
    this.#count = count;
  }

  connect(client: ServedClient): () => void {
    const clients = this.#clients.get(client.endpoint) ?? new Set();
    this.#clients.set(client.endpoint, clients.add(client));
    if (!this.#started) {
      this.#started = true;
      void this.#tell();
    }
    return () => clients.delete(client);
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** Sends each event at its own time, however late the event before it was. */
  async #tell(): Promise<void> {
    const { signal } = this.#stopping;
    const interval = this.#periodMs / 4;
    let due = this.#clock.monotonicMs() + FIRST_EVENT_AFTER_MS;
    let paused = due;
    for (let step = 0; step < this.#count; step++) {
      for (const { endpoint, type, subject, data } of this.#steps.next().value) {
        const now = this.#clock.monotonicMs();
        // At a rate that this machine cannot reach, no event is ever early, yet the event loop must go on.
        if (now < due || now - paused > LONGEST_TURN_MS) {
          this.#flush();
          if (now < due) await this.#clock.sleep(due - now, signal);
          else await setImmediate();
          if (signal.aborted) return;
          paused = this.#clock.monotonicMs();
          // After a suspended machine wakes, the events of the night are skipped.
          if (paused - due > LONGEST_LAG_MS) due = paused;
        }
        due += interval;
        this.#add(endpoint, encodeFrame(Buffer.from(JSON.stringify({ type, subject, data }))));
      }
    }
    this.#flush();
    this.#told.resolve();
  }

  #add(endpoint: EndpointName, frame: Buffer): void {
    const block = this.#blocks.get(endpoint) ?? { frames: [], bytes: 0 };
    this.#blocks.set(endpoint, block);
    block.frames.push(frame);
    block.bytes += frame.length;
    if (block.bytes >= BLOCK_BYTES) this.#flush();
  }

  #flush(): void {
    for (const [endpoint, { frames }] of this.#blocks) {
      const block = frames.length === 1 ? frames[0]! : Buffer.concat(frames);
      for (const client of this.#clients.get(endpoint) ?? []) client.send(block, frames.length);
    }
    this.#blocks.clear();
  }
}
