import type { Clock } from '../clock.js';
import type { Refusal, ServedClient, ServerControl, StreamSource } from '../server/stream-source.js';
import { CATCH_UP_AFTER_OPENING_MS, OutageReplay } from './outage-replay.js';
import { Playback } from './playback.js';
import type { RecordingIndex } from './recording-index.js';
import type { PlaybackControls, ReplayNotice, ReplayPlan, ReplayStatus } from './replay-plan.js';
import { Scheduler } from './scheduler.js';

/** Options of a {@link ReplaySource}; every default is filled in. */
export interface ReplaySourceOptions {
  plan: ReplayPlan;
  index: RecordingIndex;
  speed: number | 'max';
  /** `true`: one clock for all, which starts with the first client. Lifecycle lines need it. */
  shared: boolean;
  exitWhenDone: boolean;
  /** At full speed, a client that takes nothing for this long while others wait for it is ended. */
  stallMs: number;
  precise: boolean;
  clock: Clock;
  onNotice: (notice: ReplayNotice) => void;
}

/** On a shared clock, the first client of each endpoint that comes within this time misses nothing. */
const START_GRACE_MS = 1000;
/** With lifecycle lines, a playback goes on for this long after its last line, for a client that is a little late. */
const LATE_MS = 500;
/** A replay is done when no client has come for this long after the last client had everything. */
const LINGER_MS = 250;
/** Clients that come together share a playback: it starts when none has come for 5 ms, at the latest after 250 ms. */
const START_DEBOUNCE_MS = 5;
const LONGEST_DEBOUNCE_MS = 250;

/** Serves a recording: gives every client its playback, and ends when all of them are over. */
export class ReplaySource implements StreamSource, PlaybackControls {
  /** Resolves when the recording has been played to its end and taken, for the first time. */
  readonly played: Promise<void>;
  /** Resolves when there is nothing more to serve; read by the server. */
  readonly finished: Promise<void>;
  readonly #options: ReplaySourceOptions;
  readonly #scheduler: Scheduler;
  readonly #playbacks = new Set<Playback>();
  /** The playback that new clients join. */
  #current: Playback | undefined;
  readonly #outages: OutageReplay | undefined;
  #startDebounce: { timer: NodeJS.Timeout; sinceMs: number } | undefined;
  #lingering: NodeJS.Timeout | undefined;
  #speed: number;
  #paused = false;
  /** A playback went through to its end. */
  #completed = false;
  #finish!: { resolve: () => void; reject: (error: unknown) => void };
  #markPlayed!: { resolve: () => void; reject: (error: unknown) => void };

  constructor(options: ReplaySourceOptions) {
    const { plan, index, speed } = options;
    this.#options = options;
    this.#speed = speed === 'max' ? Number.POSITIVE_INFINITY : speed;
    this.#scheduler = new Scheduler(options);
    if (plan.lifecycle) this.#outages = new OutageReplay(plan, index.attempts, this.#scheduler);
    this.played = new Promise((resolve, reject) => {
      this.#markPlayed = { resolve, reject };
    });
    this.finished = new Promise((resolve, reject) => {
      this.#finish = { resolve, reject };
    });
    for (const promise of [this.played, this.finished]) promise.catch(() => undefined);
  }

  /** Reads the beginning of the recording, so that a shared clock can start at once. */
  async prepare(): Promise<void> {
    if (this.#options.shared) await this.#currentPlayback().prepare();
  }

  get status(): ReplayStatus {
    const { speed, index } = this.#options;
    // At full speed the last position is that of the last chunk.
    const playbacks = [...this.#playbacks];
    const positions = playbacks.map(({ isOver, position }) => (isOver && index.length) || position);
    return {
      position: Math.max(0, ...positions),
      length: index.length,
      speed: speed === 'max' ? 'max' : this.#speed,
      paused: this.#paused,
      over: playbacks.length > 0 && playbacks.every(({ isOver }) => isOver),
    };
  }

  setSpeed(speed: number): void {
    if (this.#options.speed === 'max') return;
    this.#speed = speed;
    for (const playback of this.#playbacks) playback.setSpeed(speed);
  }

  pause(): void {
    this.#paused = true;
    for (const playback of this.#playbacks) playback.pause();
  }

  resume(): void {
    this.#paused = false;
    for (const playback of this.#playbacks) playback.resume();
  }

  step(): void {
    for (const playback of this.#playbacks) playback.step();
  }

  serves(endpoint: string): boolean | Promise<boolean> {
    const { plan, index } = this.#options;
    return plan.endpoints.has(endpoint) || index.has(endpoint);
  }

  start(control: ServerControl): void {
    this.#outages?.guard({
      control,
      onDowntime: (phase) => this.#options.onNotice({ kind: 'downtime', phase }),
      onFailure: (error) => this.#fail(error),
    });
  }

  async admit(endpoint: string): Promise<Refusal | undefined> {
    if (this.#outages !== undefined) this.#currentPlayback();
    return await this.#outages?.admit(endpoint);
  }

  connect(client: ServedClient): () => void {
    clearTimeout(this.#lingering);
    const playback = this.#currentPlayback();
    if (!playback.started) this.#startSoon(playback);
    playback.channels.join(client, this.#options.clock.monotonicMs());
    return () => this.#leave(playback, client);
  }

  async stop(): Promise<void> {
    clearTimeout(this.#startDebounce?.timer);
    clearTimeout(this.#lingering);
    this.#outages?.stop();
    this.#scheduler.stop();
    for (const playback of this.#playbacks) playback.stop();
    await Promise.allSettled([this.#options.index.stop(), ...[...this.#playbacks].map(({ ended }) => ended)]);
    this.#markPlayed.resolve();
  }

  /** The playback that a new client joins. */
  #currentPlayback(): Playback {
    this.#current ??= this.#createPlayback();
    return this.#current;
  }

  #createPlayback(): Playback {
    const { shared, speed } = this.#options;
    const catchUp =
      this.#outages === undefined
        ? { firstOnly: true, forMs: START_GRACE_MS }
        : { firstOnly: false, forMs: CATCH_UP_AFTER_OPENING_MS };
    const playback: Playback = new Playback({
      ...this.#options,
      speed: speed === 'max' ? speed : this.#speed,
      paused: this.#paused,
      scheduler: this.#scheduler,
      ...(shared && speed !== 'max' && { catchUp }),
      lingerMs: this.#outages === undefined ? 0 : LATE_MS,
      onLifecycle: (endpoint, connection, nowMs) => {
        const channel = playback.channels.at(endpoint);
        this.#outages?.play(channel, connection, nowMs);
        this.#tellUndelivered(endpoint, channel.takeUndelivered());
      },
      onEnd: () => {
        const undelivered = this.#outages === undefined ? [] : playback.channels.takeUndelivered();
        for (const { endpoint, events } of undelivered) this.#tellUndelivered(endpoint, events);
      },
    });
    this.#playbacks.add(playback);
    this.#outages?.follow(playback);
    playback.ended.then(
      () => this.#ended(playback),
      (error) => this.#fail(error),
    );
    return playback;
  }

  #startSoon(playback: Playback): void {
    const { shared, speed, clock } = this.#options;
    if (shared && speed !== 'max') {
      playback.start();
      return;
    }
    const nowMs = clock.monotonicMs();
    const sinceMs = this.#startDebounce?.sinceMs ?? nowMs;
    const waitMs = Math.max(0, Math.min(START_DEBOUNCE_MS, sinceMs + LONGEST_DEBOUNCE_MS - nowMs));
    clearTimeout(this.#startDebounce?.timer);
    const timer = setTimeout(() => {
      this.#startDebounce = undefined;
      if (!shared) this.#current = undefined;
      playback.start();
    }, waitMs);
    this.#startDebounce = { timer, sinceMs };
  }

  #leave(playback: Playback, client: ServedClient): void {
    playback.channels.leave(client);
    if (playback.channels.clients > 0 || (this.#options.shared && !playback.isOver)) return;
    this.#discard(playback);
    this.#checkDone();
  }

  #discard(playback: Playback): void {
    if (playback === this.#current) {
      this.#current = undefined;
      clearTimeout(this.#startDebounce?.timer);
      this.#startDebounce = undefined;
    }
    this.#playbacks.delete(playback);
    playback.stop();
  }

  #ended(playback: Playback): void {
    if (!playback.isOver) return;
    this.#completed = true;
    // A shared replay that is over begins anew for a client that comes when all others have gone.
    if (playback.channels.clients === 0) this.#discard(playback);
    this.#checkDone();
  }

  #checkDone(): void {
    clearTimeout(this.#lingering);
    const isBusy = this.#startDebounce !== undefined || [...this.#playbacks].some(({ isOver }) => !isOver);
    if (!this.#completed || isBusy) return;
    const done = () => {
      this.#markPlayed.resolve();
      if (this.#options.exitWhenDone) this.#finish.resolve();
    };
    if (this.#options.shared) done();
    else this.#lingering = setTimeout(done, LINGER_MS);
  }

  #fail(error: unknown): void {
    this.#markPlayed.reject(error);
    this.#finish.reject(error);
  }

  #tellUndelivered(endpoint: number, events: number): void {
    const label = this.#options.plan.endpoints.labelOf(endpoint);
    if (events > 0 && label !== undefined)
      this.#options.onNotice({ kind: 'unseen', endpoint: label, events });
  }
}
