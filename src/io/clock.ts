import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';

/** Longest wait that `setTimeout` can do; above it, it fires at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** Time, handed in wherever it is needed so that tests can own it. */
export interface Clock {
  /** Wall clock: microseconds since 1970. It may jump. */
  now(): number;
  /** Milliseconds, with fractions, that never jump. */
  monotonic(): number;
  /** Waits; ends early, normally, when the signal aborts. Any length is safe. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

async function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  let left = milliseconds;
  while (left > 0 && !signal?.aborted) {
    const step = Math.min(left, LONGEST_TIMEOUT_MS);
    await delay(step, undefined, signal ? { signal } : {}).catch(() => undefined);
    left -= step;
  }
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now() * 1000,
  monotonic: () => performance.now(),
  sleep,
};

const MICROSECONDS_PER_SECOND = 1_000_000;

/**
 * Gives the times of one connection's lines: microseconds since 1970 that never run backwards. They follow the
 * monotonic clock from an anchor on the wall clock. When the wall clock is over a second ahead of that (suspend,
 * correction) the anchor moves; when it is behind, order is worth more and the old anchor stays for this connection.
 */
export class Stamper {
  readonly #clock: Clock;
  #anchor: number;
  #last = 0;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
    this.#anchor = clock.now() - clock.monotonic() * 1000;
  }

  /** Now, in whole microseconds since 1970. */
  stamp(): number {
    const monotonic = this.#clock.monotonic() * 1000;
    const wall = this.#clock.now();
    if (wall - (this.#anchor + monotonic) > MICROSECONDS_PER_SECOND) this.#anchor = wall - monotonic;
    this.#last = Math.max(this.#last, Math.floor(this.#anchor + monotonic));
    return this.#last;
  }
}
