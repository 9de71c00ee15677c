import { setTimeout as delay } from 'node:timers/promises';
import type { LifecycleScript } from '../../core/replay/lifecycle-script.js';
import type { ServerControl } from '../server/stream-source.js';
import type { Paced } from './pacer.js';
import type { TimedPlayback } from './timed-playback.js';

/** The port may be taken for a moment, by an outgoing connection of anybody's; then it is tried again. */
const REOPEN_EVERY_MS = 50;
const REOPEN_TRIES = 100;

/** What stops listening, and who hears of it. */
export interface DowntimeTarget {
  control: ServerControl;
  onDowntime: (phase: 'begins' | 'ends') => void;
  /** The port cannot be had again. */
  onFailure: (error: unknown) => void;
}

/** Stops listening for the downtimes of a script, and listens again. */
export class DowntimePlayer implements Paced {
  readonly #target: DowntimeTarget;
  #playback: TimedPlayback | undefined;
  #script: LifecycleScript | undefined;
  /** Whether the downtime that is next has begun. */
  #hasBegun = false;
  #isShut = false;
  #stopped = false;

  constructor(target: DowntimeTarget) {
    this.#target = target;
  }

  /** Begins anew, on the clock of that playback. */
  follow(playback: TimedPlayback, script: LifecycleScript): void {
    this.#playback = playback;
    this.#script = script;
    this.#hasBegun = false;
  }

  get dueAt(): number {
    const downtime = this.#script?.downtime;
    if (this.#playback === undefined || downtime === undefined) return Number.POSITIVE_INFINITY;
    return this.#playback.timeOf(this.#hasBegun ? downtime.to : downtime.from);
  }

  /** Leaves it as it is, for good: nothing opens or closes any more. */
  stop(): void {
    this.#stopped = true;
  }

  advance(now: number): void {
    let shut = this.#isShut;
    while (this.dueAt <= now) {
      shut = !this.#hasBegun;
      this.#hasBegun = shut;
      if (!shut) this.#script?.passDowntime();
    }
    if (shut === this.#isShut || this.#stopped) return;
    this.#isShut = shut;
    this.#target.onDowntime(shut ? 'begins' : 'ends');
    if (shut) this.#target.control.suspend();
    else void this.#open().catch(this.#target.onFailure);
  }

  async #open(): Promise<void> {
    for (let tries = 1; !this.#stopped && !this.#isShut; tries++) {
      try {
        await this.#target.control.resume();
        return;
      } catch (error) {
        if (tries === REOPEN_TRIES) throw error;
        await delay(REOPEN_EVERY_MS);
      }
    }
  }
}
