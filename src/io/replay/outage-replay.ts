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
  /** By endpoint. */
  readonly #scripts = new Map<string, LifecycleScript>();
  /** Number of downtimes that have passed, in all passes of a loop. */
  #downtimesPassed = 0;
  /** The next downtime has begun. */
  #isDown = false;
  #isShut = false;
  #stopped = false;

  /** @param control Stops listening for the downtimes. @param onFailure The port cannot be opened again. */
  constructor(
    private readonly plan: ReplayPlan,
    private readonly recorded: RecordedAttempts,
    private readonly playback: Playback,
    private readonly scheduler: Scheduler,
    private readonly control: ServerControl,
    private readonly onFailure: (error: unknown) => void,
  ) {
    scheduler.add(this);
  }

  /** Leaves the server as it is, for good: nothing opens or closes anymore. */
  stop(): void {
    this.#stopped = true;
    this.scheduler.remove(this);
  }

  /** Resolves when an attempt of a client is to be answered. */
  async admit(endpoint: string): Promise<Refusal | undefined> {
    const { playback } = this;
    const script =
      this.#scripts.get(endpoint) ?? new LifecycleScript(this.recorded, endpoint, this.plan.passes);
    this.#scripts.set(endpoint, script);
    const answer = script.answer(playback.position, playback.speed);
    if (answer.at > playback.position) await this.scheduler.when(() => playback.timeOf(answer.at));
    // The server does listen when an attempt reaches it: a reset is the nearest to "connection refused".
    return answer.refusal?.kind === 'unreachable' ? { kind: 'reset' } : answer.refusal;
  }

  get dueAtMs(): number {
    const downtime = this.recorded.downtimeAt(this.#downtimesPassed, this.plan.passes);
    if (downtime === undefined) return Number.POSITIVE_INFINITY;
    return this.playback.timeOf(this.#isDown ? downtime.to : downtime.from);
  }

  advance(nowMs: number): void {
    let isShut = this.#isShut;
    while (this.dueAtMs <= nowMs) {
      this.#isDown = !this.#isDown;
      isShut = this.#isDown;
      if (!this.#isDown) this.#downtimesPassed++;
    }
    if (isShut !== this.#isShut && !this.#stopped) this.#shut(isShut);
  }

  #shut(isShut: boolean): void {
    this.#isShut = isShut;
    this.plan.onNotice({ kind: 'downtime', phase: isShut ? 'begins' : 'ends' });
    if (isShut) this.control.suspend();
    else void this.#reopen().catch(this.onFailure);
  }

  async #reopen(): Promise<void> {
    for (let tries = 1; !this.#stopped && !this.#isShut; tries++) {
      try {
        await this.control.resume();
        return;
      } catch (error) {
        if (tries === REOPEN_TRIES) throw error;
        await delay(REOPEN_EVERY_MS);
      }
    }
  }
}
