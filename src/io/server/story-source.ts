import type { EndpointName } from '../../core/protocol.js';
import { type StoryStep, tellStory } from '../../core/story.js';
import { encodeFrame } from '../../core/websocket-frame.js';
import { type Clock, systemClock } from '../clock.js';
import type { ServedClient, StreamSource } from './stream-source.js';

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
        ? tellStory(clock.now() % 2 ** 32, clock.now() / 1000, this.#periodMs)
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

  /** One schedule against the start: event n is due at its own time, however late the one before it was. */
  async #tell(): Promise<void> {
    const { signal } = this.#stopping;
    const start = this.#clock.monotonic() + FIRST_EVENT_AFTER_MS;
    const interval = this.#periodMs / 4;
    let told = 0;
    for (let step = 0; step < this.#count && !signal.aborted; step++) {
      for (const { endpoint, type, subject, data } of this.#steps.next().value) {
        const wait = start + told * interval - this.#clock.monotonic();
        if (wait > 0) {
          this.#flush();
          await this.#clock.sleep(wait, signal);
          if (signal.aborted) return;
        }
        told++;
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
