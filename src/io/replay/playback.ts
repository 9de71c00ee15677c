import type { ConnectionEvent } from '../../core/recording/connection-event.js';
import { MICROS_PER_MS, type Playhead } from '../../core/replay/schedule.js';
import type { ServedClient } from '../server/stream-source.js';
import { EndpointChannels } from './endpoint-channel.js';
import type { ChunkReceiver, FrameChunk } from './frame-chunk.js';
import { readChunks } from './read-chunks.js';
import type { ReplayPlan } from './replay-plan.js';
import type { Scheduler, Task } from './scheduler.js';

/** With lifecycle lines, a playback goes on for this long after its last line, for a client that is a little late. */
const LATE_MS = 500;
/** Clients that come together share a playback: it starts when none has come for 5 ms, at the latest after 250 ms. */
const START_DEBOUNCE_MS = 5;
const LONGEST_DEBOUNCE_MS = 250;

/**
 * Plays a recording once to the clients that have joined, each event when it is due. The pace is set by the clock: a
 * slow client does not hold the others up, the server keeps what was sent up to its limit. At full speed all events are
 * due at once, and the pace is set by the slowest client.
 */
export class Playback implements Task, ChunkReceiver {
  readonly channels: EndpointChannels;
  started = false;
  /** When it starts by itself, at the latest and after the clients so far. */
  #latestStartMs = Number.POSITIVE_INFINITY;
  #startMs = Number.POSITIVE_INFINITY;
  /** `true` once everything has been sent and taken. */
  isOver = false;
  readonly #isFullSpeed: boolean;
  /** Where it stands at position 0 of the playhead, in microseconds of the schedule. */
  #offset = 0;
  readonly #stopping = new AbortController();
  readonly #chunks: AsyncGenerator<FrameChunk, void>;
  /** The chunk that is played, and the next one, which is read meanwhile. */
  #chunk: FrameChunk | undefined;
  #nextChunk: FrameChunk | undefined;
  /** The latest read. */
  #reading: Promise<void> | undefined;
  /** Everything has been read, or failed to be. */
  #isRead = false;
  #failure: unknown;
  /** `true` once nothing is left to send. */
  #isPlayed = false;
  #nowMs = 0;
  /** Due time of the lines that were sent last. */
  #sentPosition = 0;
  /** One more event is to be sent although it is paused. */
  #isStepping = false;
  /** At full speed: a client is not ready for more. */
  #isHeldUp = false;

  /**
   * @param playhead Moves all playbacks at the same speed.
   * @param onOver Called when all has been sent and taken, or with the error when the recording cannot be read further;
   *   not after {@link stop}.
   */
  constructor(
    private readonly plan: ReplayPlan,
    private readonly playhead: Playhead,
    private readonly scheduler: Scheduler,
    private readonly onOver: (failure: unknown) => void,
  ) {
    this.channels = new EndpointChannels(plan);
    this.#isFullSpeed = plan.speed === 'max';
    const wants = (endpoint: string) => plan.shared || this.channels.at(endpoint).subscribers.size > 0;
    this.#chunks = readChunks(plan, wants, this.#stopping.signal);
  }

  /** Reads the beginning of the recording, so that the start is prompt. */
  prepare(): Promise<void> {
    this.#reading ??= this.#read();
    return this.#reading;
  }

  /** Position in microseconds of the schedule. */
  get position(): number {
    if (this.#isFullSpeed) return this.#sentPosition;
    return this.started ? this.#positionAt(this.plan.clock.monotonicMs()) : 0;
  }

  get speed(): number {
    return this.playhead.speed;
  }

  /** The time when a position is reached, in milliseconds; infinite while that is not known. */
  timeOf(position: number): number {
    return this.started ? this.playhead.timeOf(position - this.#offset) : Number.POSITIVE_INFINITY;
  }

  /** Lets a client join. The first ones start it: a shared clock at once, else a moment later. */
  join(client: ServedClient): void {
    const { clock, shared, leadMs } = this.plan;
    const nowMs = clock.monotonicMs();
    if (this.started) {
      // If it waits for this client, it ends sooner.
      this.scheduler.reschedule();
    } else if (shared && !this.#isFullSpeed) {
      this.start(-leadMs * MICROS_PER_MS);
    } else {
      this.#latestStartMs = Math.min(this.#latestStartMs, nowMs + LONGEST_DEBOUNCE_MS);
      this.#startMs = Math.min(this.#latestStartMs, nowMs + START_DEBOUNCE_MS);
      this.scheduler.add(this);
    }
    this.channels.join(client, nowMs);
  }

  /** Starts its clock. @param position Where it starts, in microseconds of the schedule. */
  start(position = 0): void {
    const { clock, shared } = this.plan;
    const nowMs = clock.monotonicMs();
    this.started = true;
    this.#moveTo(position, nowMs);
    if (shared && !this.#isFullSpeed) this.channels.keepForLateClients(nowMs);
    void this.prepare();
    this.scheduler.add(this);
    this.#onRead();
  }

  /** Sends nothing more. Resolves when the recording is closed. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.scheduler.remove(this);
    if (this.plan.lifecycle && this.#isPlayed) this.channels.reportUndelivered();
    this.#chunk?.release();
    this.#chunk = undefined;
    await this.#chunks.return();
  }

  #positionAt(nowMs: number): number {
    return this.playhead.position(nowMs) + this.#offset;
  }

  #moveTo(position: number, nowMs: number): void {
    if (!this.#isFullSpeed) this.#offset = position - this.playhead.position(nowMs);
  }

  /** While paused: sends the next event, whenever it is due. */
  step(): void {
    if (!this.playhead.paused || !this.started) return;
    this.#isStepping = true;
    this.#onRead();
  }

  get dueAtMs(): number {
    if (!this.started) return this.#startMs;
    const due = this.#chunk?.due ?? Number.POSITIVE_INFINITY;
    // While paused nothing is due, not even events with the time of the event that was stepped to.
    const isWaiting = this.playhead.paused || this.#isHeldUp || due === Number.POSITIVE_INFINITY;
    return isWaiting ? Number.POSITIVE_INFINITY : this.timeOf(due);
  }

  advance(nowMs: number): void {
    this.#nowMs = nowMs;
    if (!this.started) this.start();
    // What has only started may be paused.
    if (this.#chunk === undefined || this.dueAtMs > nowMs) return;
    if (nowMs - this.dueAtMs > this.plan.longestLagMs) this.#moveTo(this.#chunk.due, nowMs);
    // Rounding may put the time of an event before its position: what is due by its time is sent.
    const position = Math.max(this.#positionAt(nowMs), this.#chunk.due);
    while (this.#chunk !== undefined && this.#chunk.due <= position) {
      this.#pass(this.#chunk, position);
      if (this.#isFullSpeed) break;
    }
  }

  onFrames(endpoint: string, frames: Buffer, events: number, chunk: FrameChunk): void {
    const channel = this.channels.at(endpoint);
    // An event of an endpoint without clients is not a visible step.
    if (channel.subscribers.size > 0) this.#isStepping = false;
    const areReady = channel.send(frames, events, chunk, this.#nowMs);
    if (this.#isFullSpeed && !areReady && !this.#isHeldUp) void this.#waitForClients();
  }

  onLifecycle(endpoint: string, connection: ConnectionEvent): void {
    this.channels.at(endpoint).play(connection, this.#nowMs);
  }

  async #read(): Promise<void> {
    try {
      const { done, value } = await this.#chunks.next();
      this.#isRead = done === true;
      this.#nextChunk = done ? undefined : value;
    } catch (error) {
      this.#isRead = true;
      this.#failure = error;
    }
    this.#onRead();
  }

  #onRead(): void {
    if (!this.started || this.#isPlayed || this.#stopping.signal.aborted) return;
    if (this.#chunk === undefined) this.#takeChunk();
    if (this.#isStepping && this.playhead.paused) this.#sendStep();
    this.scheduler.reschedule();
  }

  #sendStep(): void {
    this.#nowMs = this.plan.clock.monotonicMs();
    while (this.#isStepping && this.#chunk !== undefined) {
      const { due } = this.#chunk;
      this.#moveTo(Math.max(due, this.#positionAt(this.#nowMs)), this.#nowMs);
      this.#pass(this.#chunk, due, 1);
    }
  }

  #pass(chunk: FrameChunk, position: number, most?: number): void {
    this.#sentPosition = chunk.due;
    chunk.pass(position, this, most);
    if (chunk.due === Number.POSITIVE_INFINITY) this.#takeChunk();
  }

  /** Goes on with the next chunk, if it has been read. */
  #takeChunk(): void {
    this.#chunk?.release();
    this.#chunk = this.#nextChunk;
    this.#nextChunk = undefined;
    if (this.#chunk !== undefined) this.#reading = this.#read();
    else if (this.#isRead) void this.#end(this.#failure);
  }

  async #waitForClients(): Promise<void> {
    this.#isHeldUp = true;
    await this.channels.ready();
    this.#isHeldUp = false;
    this.scheduler.reschedule();
  }

  async #end(failure: unknown): Promise<void> {
    if (this.#isPlayed) return;
    this.#isPlayed = true;
    this.scheduler.remove(this);
    if (this.plan.lifecycle) {
      const lateMs = this.plan.clock.monotonicMs() + LATE_MS;
      await this.scheduler.when(() => Math.max(lateMs, this.channels.expectsUntilMs));
      this.channels.reportUndelivered();
    }
    if (failure === undefined && !this.#stopping.signal.aborted) this.plan.onNotice({ kind: 'end' });
    await this.channels.drained();
    if (this.#stopping.signal.aborted) return;
    this.isOver = failure === undefined;
    this.onOver(failure);
  }
}
