import { setTimeout as delay } from 'node:timers/promises';
import { LifecycleScript } from '../../core/replay/lifecycle-script.js';
import type { RecordedAttempts } from '../../core/replay/recorded-attempts.js';
import type { Refusal, ServerControl } from '../server/stream-source.js';
import type { Playback } from './playback.js';
import type { ReplayPlan } from './replay-plan.js';
import type { Scheduler, Task } from './scheduler.js';

/** An outgoing connection of any program may take the port for a moment, so it is tried again. */
const REOPEN_EVERY_MS = 50;
const REOPEN_TRIES = 100;

/** Plays what is recorded of attempts to connect: how they are answered, and when nothing listens. */
export class OutageReplay implements Task {
  #control!: ServerControl;
  #onFailure!: (error: unknown) => void;
  /** The playback whose clock counts, and the script for its clients. */
  #playback!: Playback;
  #script!: LifecycleScript;
  /** The next downtime has begun. */
  #isDown = false;
  #isShut = false;
  #stopped = false;

  constructor(
    private readonly plan: ReplayPlan,
    private readonly recorded: RecordedAttempts,
    private readonly scheduler: Scheduler,
  ) {}

  /** Sets the server that stops listening for the downtimes. @param onFailure The port cannot be opened again. */
  guard(control: ServerControl, onFailure: (error: unknown) => void): void {
    this.#control = control;
    this.#onFailure = onFailure;
    this.scheduler.add(this);
  }

  /** Begins anew, for a playback that has not started. */
  follow(playback: Playback): void {
    this.#playback = playback;
    this.#script = new LifecycleScript(this.recorded, this.plan.passes);
    this.#isDown = false;
  }

  /** Leaves the server as it is, for good: nothing opens or closes anymore. */
  stop(): void {
    this.#stopped = true;
    this.scheduler.remove(this);
  }

  /** Resolves when an attempt of a client is to be answered. The first attempt of all starts the playback. */
  async admit(endpoint: string): Promise<Refusal | undefined> {
    const playback = this.#playback;
    if (!playback.started) playback.start(this.recorded.startFor(endpoint));
    const { position, speed } = playback;
    const answer = this.#script.answer(endpoint, position, speed);
    if (answer.at > playback.position) await this.scheduler.when(() => playback.timeOf(answer.at));
    // The server does listen when an attempt reaches it: a reset is the nearest to "connection refused".
    return answer.refusal?.kind === 'unreachable' ? { kind: 'reset' } : answer.refusal;
  }

  get dueAtMs(): number {
    const { downtime } = this.#script;
    if (downtime === undefined) return Number.POSITIVE_INFINITY;
    return this.#playback.timeOf(this.#isDown ? downtime.to : downtime.from);
  }

  advance(nowMs: number): void {
    let isShut = this.#isShut;
    while (this.dueAtMs <= nowMs) {
      this.#isDown = !this.#isDown;
      isShut = this.#isDown;
      if (!this.#isDown) this.#script.passDowntime();
    }
    if (isShut !== this.#isShut && !this.#stopped) this.#shut(isShut);
  }

  #shut(isShut: boolean): void {
    this.#isShut = isShut;
    this.plan.onNotice({ kind: 'downtime', phase: isShut ? 'begins' : 'ends' });
    if (isShut) this.#control.suspend();
    else void this.#reopen().catch(this.#onFailure);
  }

  async #reopen(): Promise<void> {
    for (let tries = 1; !this.#stopped && !this.#isShut; tries++) {
      try {
        await this.#control.resume();
        return;
      } catch (error) {
        if (tries === REOPEN_TRIES) throw error;
        await delay(REOPEN_EVERY_MS);
      }
    }
  }
}
