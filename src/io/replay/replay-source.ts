import { clearTimeout, setTimeout } from 'node:timers';
import { Playhead } from '../../core/replay/schedule.js';
import { deferred } from '../clock.js';
import type { Refusal, ServedClient, ServerControl, StreamSource } from '../server/stream-source.js';
import { OutageReplay } from './outage-replay.js';
import { Playback } from './playback.js';
import type { RecordingIndex } from './recording-index.js';
import type { PlaybackControls, ReplayStatus } from './replay-options.js';
import type { ReplayPlan } from './replay-plan.js';
import { Scheduler } from './scheduler.js';

/** A replay is done when no client has come for this long after the last client had everything. */
const LINGER_MS = 250;

/** Serves a recording: gives every client its playback, and ends when all of them are over. */
export class ReplaySource implements StreamSource, PlaybackControls {
  readonly #played = deferred();
  readonly #finished = deferred();
  /** Resolves when the recording has been played to its end and taken, for the first time. */
  readonly played = this.#played.promise;
  /** Resolves when there is nothing more to serve; read by the server. */
  readonly finished = this.#finished.promise;
  readonly #scheduler: Scheduler;
  readonly #playhead: Playhead;
  readonly #playbacks = new Set<Playback>();
  /** The playback that new clients join. */
  #current: Playback | undefined;
  #control!: ServerControl;
  /** With lifecycle lines: that of the latest playback. */
  #outages: OutageReplay | undefined;
  #lingering: NodeJS.Timeout | undefined;
  /** A playback went through to its end. */
  #hasCompleted = false;
  constructor(
    private readonly plan: ReplayPlan,
    private readonly index?: RecordingIndex,
  ) {
    const speed = plan.speed === 'max' ? Number.POSITIVE_INFINITY : plan.speed;
    this.#scheduler = new Scheduler(plan.clock, plan.precise);
    this.#playhead = new Playhead(plan.clock.monotonicMs(), speed);
  }

  /** Reads the beginning of the recording, so that a shared clock can start at once. */
  async prepare(): Promise<void> {
    if (this.plan.shared) await this.#currentPlayback().prepare();
  }

  get status(): ReplayStatus {
    const length = this.index?.length;
    // At full speed the last position is that of the last chunk.
    const playbacks = [...this.#playbacks];
    const positions = playbacks.map(({ isOver, position }) => (isOver && length) || position);
    return {
      position: Math.max(0, ...positions),
      length,
      speed: this.plan.speed === 'max' ? 'max' : this.#playhead.speed,
      paused: this.#playhead.paused,
      over: playbacks.length > 0 && playbacks.every(({ isOver }) => isOver),
    };
  }

  setSpeed(speed: number): void {
    if (this.plan.speed !== 'max') this.#playhead.setSpeed(speed, this.plan.clock.monotonicMs());
    this.#scheduler.reschedule();
  }

  pause(): void {
    this.#playhead.pause(this.plan.clock.monotonicMs());
    this.#scheduler.reschedule();
  }

  resume(): void {
    this.#playhead.resume(this.plan.clock.monotonicMs());
    this.#scheduler.reschedule();
  }

  step(): void {
    for (const playback of this.#playbacks) playback.step();
  }

  async serves(endpoint: string): Promise<boolean> {
    return (await this.index?.has(endpoint)) ?? false;
  }

  start(control: ServerControl): void {
    this.#control = control;
  }

  async admit(endpoint: string): Promise<Refusal | undefined> {
    const attempts = this.index?.attempts;
    if (!this.plan.lifecycle || attempts === undefined) return undefined;
    const playback = this.#currentPlayback();
    if (!playback.started) {
      // The first attempt of all starts it.
      const fail = (error: unknown) => this.#fail(error);
      this.#outages?.stop();
      this.#outages = new OutageReplay(this.plan, attempts, playback, this.#scheduler, this.#control, fail);
      playback.start(attempts.startFor(endpoint));
    }
    return await this.#outages?.admit(endpoint);
  }

  connect(client: ServedClient): () => void {
    clearTimeout(this.#lingering);
    const playback = this.#currentPlayback();
    playback.join(client);
    return () => this.#leave(playback, client);
  }

  async stop(): Promise<void> {
    clearTimeout(this.#lingering);
    this.#outages?.stop();
    this.#scheduler.stop();
    const stopping = [...this.#playbacks].map((playback) => playback.stop());
    await Promise.allSettled([this.index?.stop(), ...stopping]);
    await this.plan.removeCopies();
  }

  /** The playback that a new client joins. */
  #currentPlayback(): Playback {
    // A playback for each client takes those that come until it starts.
    if (this.#current !== undefined && (this.plan.shared || !this.#current.started)) return this.#current;
    this.plan.onNotice({ kind: 'again' });
    const playback: Playback = new Playback(this.plan, this.#playhead, this.#scheduler, (failure) => {
      if (failure === undefined) this.#completed(playback);
      else this.#fail(failure);
    });
    this.#current = playback;
    this.#playbacks.add(playback);
    return playback;
  }

  #leave(playback: Playback, client: ServedClient): void {
    playback.channels.leave(client);
    if (playback.channels.clients > 0 || (this.plan.shared && !playback.isOver)) return;
    this.#discard(playback);
    this.#checkDone();
  }

  #discard(playback: Playback): void {
    if (playback === this.#current) this.#current = undefined;
    this.#playbacks.delete(playback);
    void playback.stop();
  }

  #completed(playback: Playback): void {
    this.#hasCompleted = true;
    // A shared replay that is over begins anew for a client that comes when all others have gone.
    if (playback.channels.clients === 0) this.#discard(playback);
    this.#checkDone();
  }

  #checkDone(): void {
    clearTimeout(this.#lingering);
    const isBusy = [...this.#playbacks].some(({ isOver }) => !isOver);
    if (!this.#hasCompleted || isBusy) return;
    const done = () => {
      this.#played.resolve();
      if (this.plan.exitWhenDone) this.#finished.resolve();
    };
    if (this.plan.shared) done();
    else this.#lingering = setTimeout(done, LINGER_MS);
  }

  #fail(error: unknown): void {
    this.#played.reject(error);
    this.#finished.reject(error);
  }
}
