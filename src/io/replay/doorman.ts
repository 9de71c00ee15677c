import { setTimeout as delay } from 'node:timers/promises';
import type { LifecycleScript } from '../../core/replay/lifecycle-script.js';
import type { ServerControl } from '../server/stream-source.js';
import type { Paced } from './pacer.js';
import type { TimedPlayback } from './timed-playback.js';

/** The port may be taken for a moment, by an outgoing connection of anybody's; then it is tried again. */
const REOPEN_EVERY_MS = 50;
const REOPEN_TRIES = 100;

/** What a doorman guards, and who hears of it. */
export interface Door {
  control: ServerControl;
  onDowntime: (phase: 'begins' | 'ends') => void;
  /** The port cannot be had again. */
  onFailure: (error: unknown) => void;
}

/** Stops listening for the downtimes of a script, and listens again. */
export class Doorman implements Paced {
  readonly #script: LifecycleScript;
  readonly #door: Door;
  /** How many times the door is shut or opened in all. */
  readonly #switches: number;
  #playback: TimedPlayback | undefined;
  #next = 0;
  #isShut = false;
  #stopped = false;

  constructor(script: LifecycleScript, passes: number, door: Door) {
    this.#script = script;
    this.#door = door;
    this.#switches = script.downtimes.length === 0 ? 0 : script.downtimes.length * 2 * passes;
  }

  /** Begins anew, on the clock of that playback. */
  follow(playback: TimedPlayback): void {
    this.#playback = playback;
    this.#next = 0;
  }

  get dueAt(): number {
    if (this.#playback === undefined || this.#next >= this.#switches) return Number.POSITIVE_INFINITY;
    const { downtimes, passLength } = this.#script;
    const pass = Math.floor(this.#next / (downtimes.length * 2));
    const downtime = downtimes[Math.floor(this.#next / 2) % downtimes.length];
    const position = (this.#next % 2 === 0 ? downtime?.from : downtime?.to) ?? 0;
    return this.#playback.timeOf(position + (pass === 0 ? 0 : pass * passLength));
  }

  /** Leaves the door as it is, for good. */
  stop(): void {
    this.#stopped = true;
  }

  advance(now: number): void {
    let shut = this.#isShut;
    for (; this.dueAt <= now; this.#next++) shut = this.#next % 2 === 0;
    if (shut === this.#isShut || this.#stopped) return;
    this.#isShut = shut;
    this.#door.onDowntime(shut ? 'begins' : 'ends');
    if (shut) this.#door.control.suspend();
    else void this.#open().catch(this.#door.onFailure);
  }

  async #open(): Promise<void> {
    for (let tries = 1; !this.#stopped; tries++) {
      try {
        await this.#door.control.resume();
        return;
      } catch (error) {
        if (tries === REOPEN_TRIES) throw error;
        await delay(REOPEN_EVERY_MS);
      }
    }
  }
}
