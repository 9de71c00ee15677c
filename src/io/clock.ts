import { uptime } from 'node:os';
import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';
import { setTimeout as delay } from 'node:timers/promises';

/** The longest wait that `setTimeout` can do; it fires at once for anything longer. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Time, handed in wherever it is needed so that tests can own it. */
export interface Clock {
  /** Wall clock: microseconds since 1970. It may jump. */
  nowMicros(): number;
  /** Milliseconds, with fractions, that never jump. They may stand still while the machine is suspended. */
  monotonicMs(): number;
  /**
   * How long `monotonicMs` has stood still in all, in milliseconds, give or take a second. Without it, a wall clock
   * that jumps ahead counts as a suspended machine.
   */
  suspendedMs?(): number;
  /** Waits. Ends early, normally, when the signal aborts. Any length is safe. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

/**
 * The machine's own time, in milliseconds since 1970. Like the timers of `node:timers`, it is taken while the module
 * loads: the false time of a test runner is meant for the program under test, and would stop a server.
 */
export const { now: wallClockMs } = Date;

/** Milliseconds, with fractions, that never jump. */
export const monotonicMs: () => number = performance.now.bind(performance);

async function sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
  let leftMs = durationMs;
  while (leftMs > 0 && !signal?.aborted) {
    const stepMs = Math.min(leftMs, LONGEST_TIMER_MS);
    await delay(stepMs, undefined, signal ? { signal } : {}).catch(() => undefined);
    leftMs -= stepMs;
  }
}

/** The machine's own clock. */
export const systemClock: Clock = {
  nowMicros: () => wallClockMs() * 1000,
  monotonicMs,
  // On Linux, the time since the machine started goes on while it is suspended.
  suspendedMs: () => uptime() * 1000 - monotonicMs(),
  sleep,
};

/** A wall clock that is this far ahead of the stamps was corrected, or the machine was suspended. */
const REANCHOR_MICROS = 1_000_000;

/**
 * Gives the times of one connection's lines: microseconds since 1970 that never run backwards. They follow the
 * monotonic clock from an anchor on the wall clock. When the wall clock is over a second ahead of that, the anchor
 * moves. When it is behind, the old anchor stays for this connection, because order matters more.
 */
export class Stamper {
  #anchorMicros: number;
  #lastMicros = 0;

  constructor(private readonly clock: Clock = systemClock) {
    this.#anchorMicros = clock.nowMicros() - clock.monotonicMs() * 1000;
  }

  /** Now, in whole microseconds since 1970. */
  stampMicros(): number {
    const monotonicMicros = this.clock.monotonicMs() * 1000;
    const wallMicros = this.clock.nowMicros();
    const aheadMicros = wallMicros - (this.#anchorMicros + monotonicMicros);
    if (aheadMicros > REANCHOR_MICROS) this.#anchorMicros = wallMicros - monotonicMicros;
    this.#lastMicros = Math.max(this.#lastMicros, Math.floor(this.#anchorMicros + monotonicMicros));
    return this.#lastMicros;
  }
}

/**
 * Waits for a promise; `undefined` when everything stops before it settles, though its work may continue.
 *
 * @param stopping Without it, nothing ever stops.
 */
export function unlessStopped<T>(
  promise: Promise<T>,
  stopping: AbortSignal | undefined,
): Promise<T | undefined> {
  if (stopping === undefined) return promise;
  return new Promise((resolve, reject) => {
    const stop = () => resolve(undefined);
    stopping.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => stopping.removeEventListener('abort', stop));
    if (stopping.aborted) stop();
  });
}

/** Waits for a promise; throws an error when it takes longer, though its work may continue. */
export async function withLimit<T>(promise: Promise<T>, limitMs: number, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), limitMs);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

/** A promise that is settled from outside. Its rejection ends no program that does not await it. */
export interface Deferred<Result> {
  readonly promise: Promise<Result>;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** Makes a promise to settle later. */
export function deferred<Result = void>(): Deferred<Result> {
  let settle!: Pick<Deferred<Result>, 'resolve' | 'reject'>;
  const promise = new Promise<Result>((resolve, reject) => {
    settle = { resolve, reject };
  });
  promise.catch(() => undefined);
  return { promise, ...settle };
}

/** Smaller differences of `suspendedMs` are noise: some systems give whole seconds. */
const LEAST_SUSPENSION_MS = 2000;

/** A moment on the clocks that cannot be set. */
export interface Instant {
  monotonicMs: number;
  suspendedMs: number;
}

/** Reads both clocks: costs microseconds, so not for each message. */
export function instantOf(clock: Clock): Instant {
  const monotonicMs = clock.monotonicMs();
  return { monotonicMs, suspendedMs: clock.suspendedMs?.() ?? clock.nowMicros() / 1000 - monotonicMs };
}

/** Returns the true time between two moments, that of a suspended machine included. */
export function elapsedMs(from: Instant, to: Instant): number {
  const suspendedMs = to.suspendedMs - from.suspendedMs;
  return to.monotonicMs - from.monotonicMs + (suspendedMs >= LEAST_SUSPENSION_MS ? suspendedMs : 0);
}

/** Makes a call that comes while another is under way share its result. */
export function shared<Arguments extends unknown[], T>(
  work: (...given: Arguments) => Promise<T>,
): (...given: Arguments) => Promise<T> {
  let running: Promise<T> | undefined;
  return (...given) => {
    running ??= work(...given).finally(() => {
      running = undefined;
    });
    return running;
  };
}
