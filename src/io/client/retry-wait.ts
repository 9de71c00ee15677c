import { isGood, type RetryState, retriesOf } from '../../core/retry.js';
import type { Clock } from '../clock.js';
import type { ResolvedStreamOptions } from './stream-options.js';

/** An attempt that takes longer is begun again when another endpoint is back: its packets may have been lost. */
const SLOW_ATTEMPT_MS = 1000;
/** A wait is cut short at most once in this time, so that an endpoint that is refused alone is not tried without end. */
const WAKE_INTERVAL_MS = 60_000;

/** Endpoints that fail within this time fail together. */
const TOGETHER_MS = 1000;

/** The facts about waits that the endpoints of one subscription share. */
export interface SharedWaits {
  /** Wakes each endpoint that is not open. */
  sleepers: Set<() => void>;
  /** The last chance that was drawn for a wait, and after how many failed attempts in a row. */
  drawn: { chance: number; failures: number; atMs: number };
}

/** Waits before an attempt as core/retry.ts decides. An endpoint of the same subscription that is back ends the wait. */
export class RetryWait {
  readonly #clock: Clock;
  #attemptedAtMs = 0;
  #nextWakeAtMs = Number.NEGATIVE_INFINITY;
  /** Another endpoint is back since the last wait. */
  #isWoken = false;
  #endWait: () => void = () => undefined;

  /** @param endAttempt Ends an attempt that is under way. */
  constructor(
    private readonly options: ResolvedStreamOptions,
    private readonly stopping: AbortSignal,
    private readonly shared: SharedWaits,
    private readonly endAttempt: () => void,
  ) {
    this.#clock = options.clock;
  }

  /** An attempt begins. */
  begin(): void {
    this.#attemptedAtMs = this.#clock.monotonicMs();
    this.shared.sleepers.add(this.#wake);
  }

  /** The attempt, or the connection that it has opened, has ended. @param openMs How long the connection was open. */
  ended(openMs: number | undefined): void {
    this.shared.sleepers.add(this.#wake);
    if (isGood(openMs)) this.#nextWakeAtMs = Number.NEGATIVE_INFINITY;
  }

  /** The attempt has opened a connection, or no further one comes: the others need not wake it. */
  leave(): void {
    this.#isWoken = false;
    this.shared.sleepers.delete(this.#wake);
  }

  /**
   * Draws the chance for the next wait. Endpoints that fail together, and may be given up, draw the same, so that they
   * are given up together. Otherwise each draws its own: the first of them finds the server sooner.
   */
  draw(state: RetryState): number {
    const { random, retry } = this.options;
    const isLimited = Number.isFinite(retriesOf(state, retry));
    if (!isLimited || (retry.waitForServer && retry.retries === undefined)) return random();
    const atMs = this.#clock.monotonicMs();
    const { drawn } = this.shared;
    const { failedInARow: failures } = state;
    const isShared = drawn.failures === failures && atMs - drawn.atMs < TOGETHER_MS;
    if (!isShared) this.shared.drawn = { chance: random(), failures, atMs };
    return this.shared.drawn.chance;
  }

  /** Returns how long to wait: only as long as needed when another endpoint came back during the last attempt. */
  lengthOf(waitMs: number, leastMs: number): number {
    return this.#isWoken ? leastMs : waitMs;
  }

  /** Waits. @param leastMs The part that nothing but a stop ends. */
  async wait(waitMs: number, leastMs: number): Promise<void> {
    const waking = new AbortController();
    const end = () => waking.abort();
    this.#endWait = end;
    this.stopping.addEventListener('abort', end, { once: true });
    if (leastMs > 0) await this.#clock.sleep(leastMs, this.stopping);
    if (leastMs < waitMs && !this.stopping.aborted) await this.#clock.sleep(waitMs - leastMs, waking.signal);
    this.stopping.removeEventListener('abort', end);
    this.#isWoken = false;
  }

  /** Takes note that a wait was cut short or left out. */
  leaveOut(): void {
    this.#nextWakeAtMs = this.#clock.monotonicMs() + WAKE_INTERVAL_MS;
  }

  readonly #wake = () => {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#nextWakeAtMs) return;
    this.leaveOut();
    this.#isWoken = true;
    this.#endWait();
    if (nowMs - this.#attemptedAtMs >= SLOW_ATTEMPT_MS) this.endAttempt();
  };

  /** The server is back: ends the waits of the other endpoints. */
  wakeOthers(): void {
    for (const wake of this.shared.sleepers) wake();
  }
}
