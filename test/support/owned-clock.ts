import type { Clock } from '../../src/io/clock.js';

/** A clock that stands still until a test moves it. */
export class OwnedClock implements Clock {
  /** Milliseconds. */
  #monotonicMs = 1_000_000;
  /** Microseconds since 1970. */
  #wallMicros = Date.UTC(2026, 10, 22) * 1000;

  nowMicros(): number {
    return this.#wallMicros;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  sleep(): Promise<void> {
    return Promise.resolve();
  }

  /** Time goes by. */
  pass(milliseconds: number): void {
    this.#monotonicMs += milliseconds;
    this.#wallMicros += milliseconds * 1000;
  }

  /** Somebody sets the wall clock. */
  setWall(change: number): void {
    this.#wallMicros += change * 1000;
  }

  /** The machine is suspended: the monotonic clock stands still too. */
  suspend(milliseconds: number): void {
    this.#wallMicros += milliseconds * 1000;
  }
}
