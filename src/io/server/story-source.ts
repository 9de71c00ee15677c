import { setImmediate } from 'node:timers/promises';
import { type StoryStep, tellStory } from '../../core/mock/story.js';
import type { EndpointName } from '../../core/protocol.js';
import { encodeFrame } from '../../core/websocket-frame.js';
import { type Clock, systemClock } from '../clock.js';
import type { ServedClient, StreamSource } from './stream-source.js';

/** Which story is told, how fast and how long. */
export interface StoryOptions {
  /** Same seed, same events, at any rate, the times in them included. Default: another story, told as of now. */
  seed?: number;
  /** Events a second on each endpoint. Default 2. */
  rate?: number;
  /** Ends after so many events on each endpoint. Default: never. */
  count?: number;
  clock?: Clock;
}

/** Clients that connect together shall all see the beginning. */
const FIRST_EVENT_AFTER_MS = 250;
/** How long it may go on telling before it lets others run. */
const LONGEST_TURN_MS = 10;
/** How far it may be behind its schedule before it gives that up. */
const LONGEST_LAG_MS = 1000;
/** A block is sent when it has so many bytes, even when more is due. */
const BLOCK_BYTES = 256 * 1024;

/** Tells a story to all clients at once, from the first one on; whoever comes later gets what comes later. */
export class StorySource implements StreamSource {
  readonly finished: Promise<void>;
  readonly #steps: Iterator<StoryStep, never>;
  readonly #periodMs: number;
  readonly #count: number;
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  readonly #clients = new Map<string, Set<ServedClient>>();
  readonly #blocks = new Map<EndpointName, { frames: Buffer[]; bytes: number }>();
  #finish!: () => void;
  #started = false;

  constructor({ seed, rate = 2, count = Number.POSITIVE_INFINITY, clock = systemClock }: StoryOptions = {}) {
    this.#clock = clock;
    this.#periodMs = 1000 / rate;
    this.#steps =
      seed === undefined
        ? tellStory(clock.nowMicros() % 2 ** 32, clock.nowMicros() / 1000, this.#periodMs)
        : tellStory(seed);
    this.#count = count;
    this.finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
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

  /** Each event is due at its own time, however late the one before it was. */
  async #tell(): Promise<void> {
    const { signal } = this.#stopping;
    const interval = this.#periodMs / 4;
    let due = this.#clock.monotonicMs() + FIRST_EVENT_AFTER_MS;
    let paused = due;
    for (let step = 0; step < this.#count; step++) {
      for (const { endpoint, type, subject, data } of this.#steps.next().value) {
        const now = this.#clock.monotonicMs();
        // At a rate that this machine can't reach nothing is ever early, and others need their turn, too.
        if (now < due || now - paused > LONGEST_TURN_MS) {
          this.#flush();
          if (now < due) await this.#clock.sleep(due - now, signal);
          else await setImmediate();
          if (signal.aborted) return;
          paused = this.#clock.monotonicMs();
          // After a suspended machine wakes, nobody wants the events of the night.
          if (paused - due > LONGEST_LAG_MS) due = paused;
        }
        due += interval;
        this.#add(endpoint, encodeFrame(Buffer.from(JSON.stringify({ type, subject, data }))));
      }
    }
    this.#flush();
    this.#finish();
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
