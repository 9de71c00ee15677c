import type { Clock } from '../clock.js';
import type { Refusal, ServedClient, ServerControl, StreamSource } from '../server/stream-source.js';
import { EndpointSearch } from './endpoint-search.js';
import type { LifecycleStep } from './frame-run.js';
import { FullSpeedPlayback } from './full-speed-playback.js';
import { Gathering } from './gathering.js';
import type { LaneGroup } from './lane-group.js';
import { LifecycleStage, REMEMBER_MS } from './lifecycle-stage.js';
import { Pacer } from './pacer.js';
import type { Playback, PlaybackControls } from './playback.js';
import { type Programme, type ReadingOptions, readFrames } from './read-frames.js';
import { TimedPlayback } from './timed-playback.js';

/** What a replay does that its starter may want to know. */
export type ReplayNotice =
  /** So many events of that endpoint (foreign text) came while nobody was connected. */
  | { kind: 'unseen'; endpoint: string; events: number }
  /** A recorded time in which nothing listened. */
  | { kind: 'downtime'; phase: 'begins' | 'ends' }
  /** A source that can be read only once is copied, and its end has not come yet. `source` is a path or `stdin`. */
  | { kind: 'copying'; source: string }
  /** No event of the recording passes the filter and lies between `from` and `to`. */
  | { kind: 'nothing' };

/** What {@link ReplaySource} takes; every default is filled in. */
export interface ReplaySourceOptions {
  programme: Programme;
  speed: number | 'max';
  /** One clock for all, which starts with the first client; else each client has its own. Lifecycle lines need it. */
  shared: boolean;
  /** Microseconds of the schedule, if that is known. */
  length: number | undefined;
  exitWhenDone: boolean;
  /** At full speed, a client that takes nothing for so long while others wait for it is ended. */
  stallMs: number;
  precise: boolean;
  clock: Clock;
  onNotice: (notice: ReplayNotice) => void;
}

/** Where a replay stands. */
export interface ReplayStatus {
  /** Microseconds of the schedule; of several playbacks the one that is furthest. */
  position: number;
  /** Microseconds of the whole schedule; `undefined` when that is not known (compressed files, loops). */
  length: number | undefined;
  speed: number | 'max';
  paused: boolean;
  /** Whether everybody who is there has come to the end. */
  over: boolean;
}

/** The first client of each endpoint that comes so soon after the start of a shared clock misses nothing. */
const START_GRACE_MS = 1000;
/** After its last line it goes on for so long, for a client that is a little late for that. */
const LATE_MS = 500;
/** A replay is done when nobody has come for so long after the last client had everything. */
const LINGER_MS = 250;

/** Serves a recording. */
export class ReplaySource implements StreamSource, PlaybackControls {
  /** Resolves when the recording has been played to its end and taken, for the first time. */
  readonly played: Promise<void>;
  /** For the server: settles when there is nothing more to serve. */
  readonly finished: Promise<void>;
  readonly #options: ReplaySourceOptions;
  readonly #pacer: Pacer;
  readonly #playbacks = new Set<Playback>();
  /** The playback that new clients join. */
  #current: Playback | undefined;
  readonly #stage: LifecycleStage | undefined;
  readonly #search: EndpointSearch;
  readonly #gathering: Gathering;
  #lingering: NodeJS.Timeout | undefined;
  #speed: number;
  #paused = false;
  /** Whether a playback went through to its end. */
  #completed = false;
  #finish!: { resolve: () => void; reject: (error: unknown) => void };
  #markPlayed!: { resolve: () => void; reject: (error: unknown) => void };

  constructor(options: ReplaySourceOptions) {
    this.#options = options;
    this.#speed = options.speed === 'max' ? Number.POSITIVE_INFINITY : options.speed;
    this.#pacer = new Pacer(options);
    this.#gathering = new Gathering(options.clock);
    this.#search = new EndpointSearch(options.programme);
    if (options.programme.lifecycle) {
      this.#stage = new LifecycleStage(options.programme, this.#pacer, (error) => this.#fail(error));
    }
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
    if (!this.#options.shared) return;
    const playback = this.#createPlayback();
    this.#current = playback;
    if (playback instanceof TimedPlayback) await playback.prepare();
  }

  get status(): ReplayStatus {
    const { length } = this.#options;
    // At full speed the last position is where the last piece began.
    const positions = [...this.#playbacks].map(({ isOver, position }) => (isOver && length) || position);
    return {
      position: Math.max(0, ...positions),
      length,
      speed: this.#options.speed === 'max' ? 'max' : this.#speed,
      paused: this.#paused,
      over: this.#playbacks.size > 0 && [...this.#playbacks].every(({ isOver }) => isOver),
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
    if (this.#options.programme.lanes.has(endpoint)) return true;
    if (this.#stage === undefined) return this.#search.find(endpoint);
    this.#currentPlayback();
    return this.#stage.finds(endpoint);
  }

  start(control: ServerControl): void {
    this.#stage?.guard({
      control,
      onDowntime: (phase) => this.#options.onNotice({ kind: 'downtime', phase }),
      onFailure: (error) => this.#fail(error),
    });
  }

  async admit(endpoint: string): Promise<Refusal | undefined> {
    if (this.#stage === undefined) return undefined;
    this.#currentPlayback();
    return await this.#stage.admit(endpoint);
  }

  connect(client: ServedClient): () => void {
    clearTimeout(this.#lingering);
    const playback = this.#currentPlayback();
    if (!playback.started) this.#startSoon(playback);
    playback.join(client);
    return () => this.#leave(playback, client);
  }

  async stop(): Promise<void> {
    this.#gathering.cancel();
    clearTimeout(this.#lingering);
    await Promise.all([this.#stage?.stop(), this.#search.stop()]);
    this.#pacer.stop();
    for (const playback of this.#playbacks) playback.stop();
    await Promise.allSettled([...this.#playbacks].map(({ ended }) => ended));
    this.#markPlayed.resolve();
  }

  /** The playback that a client joins who comes now. */
  #currentPlayback(): Playback {
    this.#current ??= this.#createPlayback();
    return this.#current;
  }

  #createPlayback(): Playback {
    const { programme, speed, shared, clock } = this.#options;
    const common = {
      read: (reading: ReadingOptions) => readFrames(programme, reading),
      shared,
      lanes: programme.lanes,
      paused: this.#paused,
    };
    const remembrance =
      this.#stage === undefined
        ? { firstOnly: true, forMs: START_GRACE_MS }
        : { firstOnly: false, forMs: REMEMBER_MS };
    const playback =
      speed === 'max'
        ? new FullSpeedPlayback({ ...common, stallMs: this.#options.stallMs })
        : new TimedPlayback({
            ...common,
            clock,
            pacer: this.#pacer,
            speed: this.#speed,
            ...(shared ? { remembrance } : {}),
            lingerMs: this.#stage === undefined ? 0 : LATE_MS,
            onLifecycle: (step, lanes, now) => this.#playLifecycle(step, lanes, now),
            onEnd: (lanes) => {
              if (this.#stage === undefined) return;
              for (const { lane, events } of lanes.takeUnseen()) this.#tellUnseen(lane, events);
            },
          });
    this.#playbacks.add(playback);
    if (playback instanceof TimedPlayback) this.#stage?.prepare(playback);
    playback.ended.then(
      () => this.#ended(playback),
      (error) => this.#fail(error),
    );
    return playback;
  }

  #startSoon(playback: Playback): void {
    if (this.#options.shared && this.#options.speed !== 'max') {
      playback.start();
      return;
    }
    this.#gathering.add(() => {
      if (!this.#options.shared) this.#current = undefined;
      playback.start();
    });
  }

  #leave(playback: Playback, client: ServedClient): void {
    playback.leave(client);
    if (playback.clients > 0 || (this.#options.shared && !playback.isOver)) return;
    this.#discard(playback);
    this.#checkDone();
  }

  #discard(playback: Playback): void {
    if (playback === this.#current) {
      this.#current = undefined;
      this.#gathering.cancel();
    }
    this.#playbacks.delete(playback);
    playback.stop();
  }

  #ended(playback: Playback): void {
    if (!playback.isOver) return;
    this.#completed = true;
    // A shared replay that is over begins anew for who comes when everybody has gone.
    if (playback.clients === 0) this.#discard(playback);
    this.#checkDone();
  }

  #checkDone(): void {
    clearTimeout(this.#lingering);
    const isBusy = this.#gathering.isUnderWay || [...this.#playbacks].some(({ isOver }) => !isOver);
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

  #playLifecycle(step: LifecycleStep, lanes: LaneGroup, now: number): void {
    this.#tellUnseen(step.lane, this.#stage?.perform(step, lanes, now) ?? 0);
  }

  #tellUnseen(lane: number, events: number): void {
    const endpoint = this.#options.programme.lanes.labelOf(lane);
    if (events > 0 && endpoint !== undefined) this.#options.onNotice({ kind: 'unseen', endpoint, events });
  }
}
