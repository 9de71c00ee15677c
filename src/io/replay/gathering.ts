import type { Clock } from '../clock.js';

/** Connections that are made together share a playback: one reading for all of them. */
const QUIET_MS = 5;
const AT_MOST_MS = 250;

/** Puts the start of a playback off until clients that come together are there. */
export class Gathering {
  readonly #clock: Clock;
  #timer: NodeJS.Timeout | undefined;
  #since = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether somebody is waited for. */
  get isUnderWay(): boolean {
    return this.#timer !== undefined;
  }

  /** One more has come: calls `start` when no other comes for 5 ms, at the latest 250 ms after the first. */
  add(start: () => void): void {
    const now = this.#clock.monotonicMs();
    if (this.#timer === undefined) this.#since = now;
    const wait = Math.max(0, Math.min(QUIET_MS, this.#since + AT_MOST_MS - now));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      start();
    }, wait);
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
