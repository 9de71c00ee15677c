import type { Clock } from '../clock.js';

/** A wait is cut short at most once in this time, so that an endpoint that is refused alone is not tried without end. */
const WAKE_INTERVAL_MS = 60_000;

/** The waits of one endpoint before its next attempt. An endpoint of the same subscription that is back ends them. */
export class RetryWait {
  readonly #clock: Clock;
  readonly #stopping: AbortSignal;
  /** Calls that end the waits of all endpoints of the subscription. */
  readonly #waiting: Set<() => void>;
  #nextWakeAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, stopping: AbortSignal, waiting: Set<() => void>) {
    this.#clock = clock;
    this.#stopping = stopping;
    this.#waiting = waiting;
  }

  /** Waits. @param leastMs The part that nothing but a stop ends. */
  async wait(waitMs: number, leastMs: number): Promise<void> {
    const waking = new AbortController();
    const end = () => waking.abort();
    const wake = () => {
      if (this.#clock.monotonicMs() < this.#nextWakeAtMs) return;
      this.leaveOut();
      end();
    };
    this.#stopping.addEventListener('abort', end, { once: true });
    if (leastMs < waitMs) this.#waiting.add(wake);
    if (leastMs > 0) await this.#clock.sleep(leastMs, this.#stopping);
    if (leastMs < waitMs) await this.#clock.sleep(waitMs - leastMs, waking.signal);
    this.#waiting.delete(wake);
    this.#stopping.removeEventListener('abort', end);
  }

  /** Takes note that a wait was cut short or left out. */
  leaveOut(): void {
    this.#nextWakeAtMs = this.#clock.monotonicMs() + WAKE_INTERVAL_MS;
  }

  /** Lets the next wait be cut short in any case, because a connection was good. */
  reset(): void {
    this.#nextWakeAtMs = Number.NEGATIVE_INFINITY;
  }

  /** Ends the waits of the others, because this endpoint is back. */
  wakeOthers(): void {
    for (const wake of this.#waiting) wake();
  }
}
