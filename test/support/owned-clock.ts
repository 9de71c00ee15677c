import type { Clock } from '../../src/io/clock.js';

/** A clock that stands still until a test moves it. */
export class OwnedClock implements Clock {
  /** Milliseconds. */
  #monotonic = 1_000_000;
  /** Microseconds since 1970. */
  #wall = Date.UTC(2026, 10, 22) * 1000;

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  sleep(): Promise<void> {
    return Promise.resolve();
  }

  /** Time goes by. */
  pass(milliseconds: number): void {
    this.#monotonic += milliseconds;
    this.#wall += milliseconds * 1000;
  }

  /** Somebody sets the wall clock. */
  setWall(change: number): void {
    this.#wall += change * 1000;
  }

  /** The machine is suspended: the monotonic clock stands still too. */
  suspend(milliseconds: number): void {
    this.#wall += milliseconds * 1000;
  }
}
