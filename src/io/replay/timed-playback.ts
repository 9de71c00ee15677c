import { Playhead } from '../../core/replay/playhead.js';
import type { Clock } from '../clock.js';
import type { ServedClient } from '../server/stream-source.js';
import type { FrameRun, LifecycleStep } from './frame-run.js';
import type { Remembrance } from './lane.js';
import { LaneGroup } from './lane-group.js';
import type { LaneTable } from './lane-table.js';
import type { Paced, Pacer } from './pacer.js';
import type { Playback } from './playback.js';
import type { ReadingOptions } from './read-frames.js';
import { RunCursor, type RunReceiver } from './run-cursor.js';
import { RunQueue } from './run-queue.js';

/** What {@link TimedPlayback} takes. */
export interface TimedPlaybackOptions {
  read: (reading: ReadingOptions) => AsyncIterable<FrameRun>;
  /** Whether clients may come after the start, to any endpoint. */
  shared: boolean;
  lanes: LaneTable;
  clock: Clock;
  pacer: Pacer;
  speed: number;
  paused: boolean;
  /** What clients get that come after the start. */
  remembrance?: Omit<Remembrance, 'until'> & { forMs: number };
  /** How long it goes on after its last line, for clients that are a little late. Default 0. */
  lingerMs?: number;
  onLifecycle?: (step: LifecycleStep, lanes: LaneGroup, now: number) => void;
  /** Told when nothing more will be sent and nobody can be late any more. */
  onEnd?: (lanes: LaneGroup) => void;
}

/** There may be many playbacks, each with memory of its own. */
const MEMORY = { runBytes: 32 * 1024, blockBytes: 64 * 1024 };

/**
 * Sends every event when it is due. Clients have no say in it: for who is slow, the server keeps what was sent, up to
 * its limit, and then ends that client alone.
 */
export class TimedPlayback implements Playback, Paced, RunReceiver {
  readonly ended: Promise<void>;
  dueAt = Number.POSITIVE_INFINITY;
  readonly #options: TimedPlaybackOptions;
  readonly #lanes: LaneGroup;
  #queue: RunQueue | undefined;
  readonly #playhead: Playhead;
  #run: FrameRun | undefined;
  #cursor: RunCursor | undefined;
  #started = false;
  /** Whether nothing is left to send. */
  #isPlayed = false;
  #isOver = false;
  readonly #stopping = new AbortController();
  /** Aborts when somebody joins. */
  #joining = new AbortController();
  #now = 0;
  /** Whether a client got something since this was last set to false. */
  #delivered = false;
  #settle!: { resolve: () => void; reject: (error: unknown) => void };

  constructor(options: TimedPlaybackOptions) {
    const { clock, speed, paused, lanes } = options;
    this.#options = options;
    this.#lanes = new LaneGroup(lanes);
    this.#playhead = new Playhead(clock.monotonicMs(), speed);
    if (paused) this.#playhead.pause(clock.monotonicMs());
    this.ended = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  /** Reads the beginning of the recording, so that the start is prompt. */
  async prepare(): Promise<void> {
    await this.#open().ready;
  }

  get clients(): number {
    return this.#lanes.clients;
  }

  get started(): boolean {
    return this.#started;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get position(): number {
    return this.#started ? this.#playhead.position(this.#options.clock.monotonicMs()) : 0;
  }

  get speed(): number {
    return this.#playhead.speed;
  }

  /** When a position of the schedule is reached; infinite while that cannot be told. */
  timeOf(position: number): number {
    return this.#started ? this.#playhead.timeOf(position) : Number.POSITIVE_INFINITY;
  }

  join(client: ServedClient): void {
    this.#lanes.join(client, this.#options.clock.monotonicMs());
    this.#joining.abort();
  }

  leave(client: ServedClient): void {
    this.#lanes.leave(client);
  }

  /** @param position Where it starts. */
  start(position = 0): void {
    const { clock, pacer, remembrance } = this.#options;
    const now = clock.monotonicMs();
    this.#started = true;
    this.#playhead.moveTo(position, now);
    if (remembrance !== undefined) {
      const { firstOnly, forMs } = remembrance;
      this.#lanes.remember({ firstOnly, until: now + forMs });
    }
    pacer.add(this);
    this.#open();
    this.#refill();
  }

  stop(): void {
    this.#stopping.abort();
    this.#options.pacer.remove(this);
    this.#cursor = undefined;
    this.dueAt = Number.POSITIVE_INFINITY;
    void Promise.resolve(this.#queue?.stop()).then(this.#settle.resolve);
  }

  setSpeed(speed: number): void {
    this.#playhead.setSpeed(speed, this.#options.clock.monotonicMs());
    this.#reschedule();
  }

  pause(): void {
    this.#playhead.pause(this.#options.clock.monotonicMs());
    this.#reschedule();
  }

  resume(): void {
    this.#playhead.resume(this.#options.clock.monotonicMs());
    this.#reschedule();
  }

  step(): void {
    if (!this.#playhead.paused || !this.#started || this.#cursor === undefined) return;
    this.#now = this.#options.clock.monotonicMs();
    this.#delivered = false;
    // Events of endpoints that nobody watches are no step that anybody sees.
    while (!this.#delivered && this.#cursor.due !== Number.POSITIVE_INFINITY) {
      this.#playhead.moveTo(Math.max(this.#cursor.due, this.#playhead.position(this.#now)), this.#now);
      this.#cursor.pass(Number.POSITIVE_INFINITY, this, 1);
    }
    this.#refill();
  }

  advance(now: number): void {
    this.#now = now;
    const position = this.#playhead.position(now);
    while (this.#cursor !== undefined && this.#cursor.due <= position) {
      this.#cursor.pass(position, this);
      if (this.#cursor.due === Number.POSITIVE_INFINITY) this.#nextRun();
    }
    this.#updateDue();
  }

  onFrames(lane: number, frames: Buffer, events: number): void {
    const { clients } = this.#lanes.at(lane);
    if (clients.size > 0) this.#delivered = true;
    this.#lanes.at(lane).send(frames, events, this.#now);
  }

  onLifecycle(step: LifecycleStep): void {
    this.#options.onLifecycle?.(step, this.#lanes, this.#now);
  }

  #open(): RunQueue {
    const { read, shared } = this.#options;
    const wants = (lane: number) => shared || this.#lanes.at(lane).clients.size > 0;
    this.#queue ??= new RunQueue(
      (signal) => read({ signal, ...MEMORY, timed: true, wants }),
      () => this.#refill(),
    );
    return this.#queue;
  }

  #refill(): void {
    if (!this.#started || this.#isPlayed) return;
    if (this.#cursor === undefined || this.#cursor.due === Number.POSITIVE_INFINITY) this.#nextRun();
    this.#reschedule();
  }

  #nextRun(): void {
    if (this.#lanes.areIdle) this.#run?.release();
    const run = this.#queue?.take();
    this.#run = run;
    this.#cursor = run && new RunCursor(run);
    if (run === undefined && this.#queue?.isOver) void this.#end(this.#queue.failure);
  }

  async #end(failure: unknown): Promise<void> {
    this.#isPlayed = true;
    this.#options.pacer.remove(this);
    const { clock, lingerMs = 0 } = this.#options;
    await clock.sleep(lingerMs, this.#stopping.signal);
    await this.#untilNobodyIsExpected();
    this.#options.onEnd?.(this.#lanes);
    await this.#lanes.drained();
    if (failure === undefined) this.#isOver = !this.#stopping.signal.aborted;
    if (failure === undefined) this.#settle.resolve();
    else this.#settle.reject(failure);
  }

  async #untilNobodyIsExpected(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stopping;
    for (;;) {
      const wait = this.#lanes.expectsUntil - clock.monotonicMs();
      if (wait <= 0 || signal.aborted) return;
      this.#joining = new AbortController();
      await clock.sleep(wait, AbortSignal.any([signal, this.#joining.signal]));
    }
  }

  #reschedule(): void {
    this.#updateDue();
    this.#options.pacer.reschedule();
  }

  #updateDue(): void {
    const due = this.#cursor?.due ?? Number.POSITIVE_INFINITY;
    // While paused nothing is due, not even what has the same time as the event that was stepped to.
    const isWaiting = this.#playhead.paused || due === Number.POSITIVE_INFINITY;
    this.dueAt = isWaiting ? Number.POSITIVE_INFINITY : this.#playhead.timeOf(due);
  }
}
