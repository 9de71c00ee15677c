import { CloseCode } from '../../core/close-code.js';
import type { ServedClient } from '../server/stream-source.js';
import { BlockReturn } from './block-return.js';
import type { FrameRun } from './frame-run.js';
import { LaneGroup } from './lane-group.js';
import type { LaneTable } from './lane-table.js';
import type { Playback } from './playback.js';
import type { ReadingOptions } from './read-frames.js';
import { RunCursor, type RunReceiver } from './run-cursor.js';
import { RunQueue } from './run-queue.js';

/** What {@link FullSpeedPlayback} takes. */
export interface FullSpeedPlaybackOptions {
  read: (reading: ReadingOptions) => AsyncIterable<FrameRun>;
  /** Whether clients may come after the start, to any endpoint. */
  shared: boolean;
  /** A client that takes nothing for so long, while others wait for it, is ended. */
  stallMs: number;
  lanes: LaneTable;
  paused: boolean;
}

/** What one write and one read cost is shared by so many bytes. */
const MEMORY = { runBytes: 512 * 1024, blockBytes: 2048 * 1024 };

/** Sends as fast as the slowest of its clients takes it. */
export class FullSpeedPlayback implements Playback, RunReceiver {
  readonly ended: Promise<void>;
  readonly #lanes: LaneGroup;
  readonly #options: FullSpeedPlaybackOptions;
  readonly #blocks: BlockReturn;
  #queue: RunQueue | undefined;
  readonly #stopping = new AbortController();
  #settle!: { resolve: () => void; reject: (error: unknown) => void };
  #paused: boolean;
  #started = false;
  /** Whether one more event is to be sent though it is paused. */
  #isStepping = false;
  /** Wakes the loop that waits while it is paused. */
  #wake: () => void = () => undefined;
  #position = 0;
  #isOver = false;
  /** The client that all others wait for at this moment, and who it was at the last look. */
  #awaited: ServedClient | undefined;
  #suspect: { client: ServedClient | undefined; pending: number } = { client: undefined, pending: 0 };

  constructor(options: FullSpeedPlaybackOptions) {
    this.#paused = options.paused;
    this.#lanes = new LaneGroup(options.lanes);
    this.#blocks = new BlockReturn(this.#lanes);
    this.#options = options;
    this.ended = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  get clients(): number {
    return this.#lanes.clients;
  }

  get position(): number {
    return this.#position;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  join(client: ServedClient): void {
    this.#lanes.join(client, 0);
  }

  leave(client: ServedClient): void {
    this.#lanes.leave(client);
  }

  get started(): boolean {
    return this.#started;
  }

  start(): void {
    this.#started = true;
    const watch = setInterval(() => this.#watchForStall(), this.#options.stallMs);
    void this.#play()
      .finally(() => clearInterval(watch))
      .then(this.#settle.resolve, this.#settle.reject);
  }

  stop(): void {
    this.#stopping.abort();
    this.#wake();
    void Promise.resolve(this.#queue?.stop()).then(this.#settle.resolve);
  }

  /** There is no time to be faster than. */
  setSpeed(): void {}

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#isStepping = false;
    this.#wake();
  }

  step(): void {
    if (!this.#paused) return;
    this.#isStepping = true;
    this.#wake();
  }

  onFrames(lane: number, frames: Buffer, events: number): void {
    const clients = this.#lanes.at(lane);
    // Events of endpoints that nobody watches are no step that anybody sees.
    if (clients.clients.size > 0) this.#isStepping = false;
    clients.send(frames, events, 0);
  }

  /** What happened to connections has its times, and here are none. */
  onLifecycle(): void {}

  async #play(): Promise<void> {
    const { signal } = this.#stopping;
    const { read, shared } = this.#options;
    const wants = (lane: number) => shared || this.#lanes.at(lane).clients.size > 0;
    const queue = new RunQueue((stopping) => read({ signal: stopping, ...MEMORY, timed: false, wants }));
    this.#queue = queue;
    for (;;) {
      const run = await queue.next();
      if (run === undefined || signal.aborted) break;
      await this.#playRun(run);
    }
    if (queue.failure !== undefined) throw queue.failure;
    if (signal.aborted) return;
    await this.#lanes.drained();
    this.#isOver = true;
  }

  async #playRun(run: FrameRun): Promise<void> {
    const { signal } = this.#stopping;
    const cursor = new RunCursor(run);
    while (cursor.due !== Number.POSITIVE_INFINITY && !signal.aborted) {
      if (this.#paused && !this.#isStepping) {
        await this.#untilWoken();
        continue;
      }
      this.#position = cursor.due;
      if (this.#isStepping) cursor.pass(Number.POSITIVE_INFINITY, this, 1);
      else cursor.passAll(this);
      if (cursor.due === Number.POSITIVE_INFINITY) this.#blocks.add(run);
      await this.#clientsReady();
    }
    this.#blocks.collect();
  }

  async #untilWoken(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = () => undefined;
  }

  async #clientsReady(): Promise<void> {
    for (const client of this.#lanes.members()) {
      // The others go on taking meanwhile, so that waiting for one after the other costs nothing.
      this.#awaited = client;
      await client.ready();
    }
    this.#awaited = undefined;
  }

  /** Ends the client that all wait for, once it has taken nothing between two looks. */
  #watchForStall(): void {
    const client = this.#awaited;
    const stands =
      client !== undefined && client === this.#suspect.client && client.pending >= this.#suspect.pending;
    if (stands && this.#lanes.clients > 1) client.close(CloseCode.TRY_AGAIN_LATER, 'Client reads too slowly');
    this.#suspect = { client, pending: client?.pending ?? 0 };
  }
}
