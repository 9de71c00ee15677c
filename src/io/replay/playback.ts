import type { ConnectionEvent } from '../../core/recording/connection-event.js';
import { Playhead } from '../../core/replay/schedule.js';
import type { Clock } from '../clock.js';
import { type CatchUpRule, EndpointChannels } from './endpoint-channel.js';
import type { ChunkReceiver, FrameChunk } from './frame-chunk.js';
import { ReadAhead } from './read-ahead.js';
import type { PlaybackControls, ReplayPlan } from './replay-plan.js';
import type { Scheduler, Task } from './scheduler.js';

export interface PlaybackOptions {
  plan: ReplayPlan;
  /** `max`: the clients set the pace, each chunk waits until the slowest client is ready for it. */
  speed: number | 'max';
  paused: boolean;
  /** `true`: clients may come after the start, to any endpoint. */
  shared: boolean;
  clock: Clock;
  scheduler: Scheduler;
  /** At full speed, a client that takes nothing for this long while others wait for it is ended. */
  stallMs: number;
  /** The rule for clients that come after the start. */
  catchUp?: Pick<CatchUpRule, 'firstOnly'> & { forMs: number };
  /** How long it goes on after its last line, for clients that are a little late. */
  lingerMs: number;
  onLifecycle: (endpoint: number, connection: ConnectionEvent, nowMs: number) => void;
  /** Called when nothing more will be sent and no client can be late any more. */
  onEnd: () => void;
}

/** There may be many playbacks by the clock, each with memory of its own. */
const CLOCKED = { chunkBytes: 64 * 1024, blockBytes: 64 * 1024 };
/** At full speed the cost of one write and of one read is shared by many events. */
const FULL_SPEED = { chunkBytes: 512 * 1024, blockBytes: 1024 * 1024 };

/**
 * Plays a recording once to the clients that have joined, each event when it is due. The pace is set by the clock: a
 * slow client does not hold the others up, the server keeps what was sent up to its limit. At full speed all events are
 * due at once, and the pace is set by the slowest client.
 */
export class Playback implements PlaybackControls, Task, ChunkReceiver {
  /** Resolves when all has been sent and taken, or after {@link stop}; rejects when the recording cannot be read. */
  readonly ended: Promise<void>;
  readonly channels: EndpointChannels;
  dueAtMs = Number.POSITIVE_INFINITY;
  readonly #options: PlaybackOptions;
  readonly #isFullSpeed: boolean;
  readonly #playhead: Playhead;
  #readAhead: ReadAhead | undefined;
  #chunk: FrameChunk | undefined;
  started = false;
  /** `true` once nothing is left to send. */
  #isPlayed = false;
  /** `true` once everything has been taken, too. */
  isOver = false;
  readonly #stopping = new AbortController();
  #nowMs = 0;
  /** Due time of the lines that were sent last. */
  #sentPosition = 0;
  /** One more event is to be sent although it is paused. */
  #isStepping = false;
  /** At full speed: a client is not ready for more. */
  #isHeldUp = false;
  #settle!: { resolve: () => void; reject: (error: unknown) => void };

  constructor(options: PlaybackOptions) {
    const { clock, speed, paused, plan } = options;
    this.#options = options;
    this.channels = new EndpointChannels(plan.endpoints);
    this.#isFullSpeed = speed === 'max';
    this.#playhead = new Playhead(clock.monotonicMs(), speed === 'max' ? Number.POSITIVE_INFINITY : speed);
    if (paused) this.#playhead.pause(clock.monotonicMs());
    this.ended = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  /** Reads the beginning of the recording, so that the start is prompt. */
  async prepare(): Promise<void> {
    await this.#read().ready;
  }

  /** Position in microseconds of the schedule. */
  get position(): number {
    if (this.#isFullSpeed) return this.#sentPosition;
    return this.started ? this.#playhead.position(this.#options.clock.monotonicMs()) : 0;
  }

  get speed(): number {
    return this.#playhead.speed;
  }

  /** The time when a position is reached, in milliseconds; infinite while that is not known. */
  timeOf(position: number): number {
    return this.started ? this.#playhead.timeOf(position) : Number.POSITIVE_INFINITY;
  }

  /** Starts its clock. @param position Where it starts, in microseconds of the schedule. */
  start(position = 0): void {
    const { clock, scheduler, catchUp } = this.#options;
    const nowMs = clock.monotonicMs();
    this.started = true;
    this.#playhead.moveTo(position, nowMs);
    if (catchUp !== undefined) {
      const { firstOnly, forMs } = catchUp;
      this.channels.keepForLateClients({ firstOnly, untilMs: nowMs + forMs });
    }
    this.#read();
    scheduler.add(this);
    this.#onRead();
  }

  /** Sends nothing more and closes the recording. */
  stop(): void {
    this.#stopping.abort();
    this.#options.scheduler.remove(this);
    this.#chunk?.release();
    this.#chunk = undefined;
    this.dueAtMs = Number.POSITIVE_INFINITY;
    void Promise.resolve(this.#readAhead?.stop()).then(this.#settle.resolve);
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
    this.#isStepping = false;
    this.#playhead.resume(this.#options.clock.monotonicMs());
    this.#reschedule();
  }

  step(): void {
    if (!this.#playhead.paused || !this.started) return;
    this.#isStepping = true;
    this.#onRead();
  }

  advance(nowMs: number): void {
    this.#nowMs = nowMs;
    const position = this.#playhead.position(nowMs);
    while (this.#chunk !== undefined && this.#chunk.due <= position) {
      this.#pass(this.#chunk, position);
      if (this.#isFullSpeed) break;
    }
    this.#updateDue();
  }

  onFrames(endpoint: number, frames: Buffer, events: number, chunk: FrameChunk): void {
    const channel = this.channels.at(endpoint);
    // An event of an endpoint without clients is not a step that anybody sees.
    if (channel.subscribers.size > 0) this.#isStepping = false;
    const areReady = channel.send(frames, events, chunk, this.#nowMs);
    if (this.#isFullSpeed && !areReady && !this.#isHeldUp) void this.#waitForClients();
  }

  onLifecycle(endpoint: number, connection: ConnectionEvent): void {
    this.#options.onLifecycle(endpoint, connection, this.#nowMs);
  }

  #read(): ReadAhead {
    const { plan, shared } = this.#options;
    this.#readAhead ??= new ReadAhead(plan, {
      ...(this.#isFullSpeed ? FULL_SPEED : CLOCKED),
      timed: !this.#isFullSpeed,
      wants: (endpoint) => shared || this.channels.at(endpoint).subscribers.size > 0,
      onChange: () => this.#onRead(),
    });
    return this.#readAhead;
  }

  #onRead(): void {
    if (!this.started || this.#isPlayed) return;
    if (this.#chunk === undefined) this.#nextChunk();
    if (this.#isStepping) this.#sendStep();
    this.#reschedule();
  }

  #sendStep(): void {
    this.#nowMs = this.#options.clock.monotonicMs();
    while (this.#isStepping && this.#chunk !== undefined) {
      const { due } = this.#chunk;
      if (!this.#isFullSpeed) {
        this.#playhead.moveTo(Math.max(due, this.#playhead.position(this.#nowMs)), this.#nowMs);
      }
      this.#pass(this.#chunk, due, 1);
    }
  }

  #pass(chunk: FrameChunk, position: number, most?: number): void {
    this.#sentPosition = chunk.due;
    chunk.pass(position, this, most);
    if (chunk.due === Number.POSITIVE_INFINITY) this.#nextChunk();
  }

  #nextChunk(): void {
    this.#chunk?.release();
    this.#chunk = this.#readAhead?.take();
    if (this.#chunk === undefined && this.#readAhead?.isOver) void this.#end(this.#readAhead.failure);
  }

  async #waitForClients(): Promise<void> {
    this.#isHeldUp = true;
    await this.channels.ready(this.#options.stallMs);
    this.#isHeldUp = false;
    this.#reschedule();
  }

  async #end(failure: unknown): Promise<void> {
    if (this.#isPlayed) return;
    this.#isPlayed = true;
    const { clock, scheduler, lingerMs, onEnd } = this.#options;
    scheduler.remove(this);
    if (lingerMs > 0) await clock.sleep(lingerMs, this.#stopping.signal);
    await this.channels.untilNoClientIsExpected(clock, this.#stopping.signal);
    onEnd();
    await this.channels.drained();
    if (failure === undefined) this.isOver = !this.#stopping.signal.aborted;
    if (failure === undefined) this.#settle.resolve();
    else this.#settle.reject(failure);
  }

  #reschedule(): void {
    this.#updateDue();
    this.#options.scheduler.reschedule();
  }

  #updateDue(): void {
    const due = this.#chunk?.due ?? Number.POSITIVE_INFINITY;
    // While paused nothing is due, not even events with the time of the event that was stepped to.
    const isWaiting = this.#playhead.paused || this.#isHeldUp || due === Number.POSITIVE_INFINITY;
    this.dueAtMs = isWaiting ? Number.POSITIVE_INFINITY : this.#playhead.timeOf(due);
  }
}
