import { clearImmediate, clearTimeout, setImmediate, setTimeout } from 'node:timers';
import { type Clock, LONGEST_TIMER_MS, systemClock } from '../clock.js';

/** Something that has work to do at certain times. */
export interface Task {
  /** When its next work is due, in milliseconds of the monotonic clock; infinite when there is none. */
  readonly dueAtMs: number;
  /** Does all work that is due by now. */
  advance(nowMs: number): void;
}

/** Timers are late by up to a millisecond, and now and then by more, so they end this long before the due time. */
const TIMER_MARGIN_MS = 2;
/** A shorter sleep costs more than it gains: work that is due sooner waits for it and is done together. */
const SHORTEST_NAP_MS = 0.25;

/** Runs tasks when they are due: one timer for all tasks, however many there are. */
export class Scheduler {
  readonly #tasks = new Set<Task>();
  readonly #nap = new Int32Array(new SharedArrayBuffer(4));
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  readonly #stopping = new AbortController();

  /**
   * @param precise Wait for the last two milliseconds in naps that block this thread. That is on time to a quarter of a
   *   millisecond, at a few per cent of a core, and is meant for a process of its own. Without it, timers are late by a
   *   millisecond.
   */
  constructor(
    private readonly clock: Clock,
    private readonly precise: boolean,
  ) {}

  add(task: Task): void {
    this.#tasks.add(task);
    this.reschedule();
  }

  remove(task: Task): void {
    this.#tasks.delete(task);
    this.reschedule();
  }

  /** Must be called when a due time has changed other than by `advance`. */
  reschedule(): void {
    // In the next turn, so that any number of changes costs one look.
    this.#cancel();
    if (!this.#stopping.signal.aborted) this.#immediate = setImmediate(this.#turn);
  }

  /** Resolves when a time is reached that may move: `dueAtMs` is asked again at every turn. */
  when(dueAtMs: () => number): Promise<void> {
    return new Promise((resolve) => {
      const task: Task = {
        get dueAtMs() {
          return dueAtMs();
        },
        advance: () => {
          this.remove(task);
          resolve();
        },
      };
      this.add(task);
    });
  }

  /** Ends all waiting, for good. */
  stop(): void {
    this.#stopping.abort();
    this.#tasks.clear();
    this.#cancel();
  }

  /** @param wokenAtMs The time up to which a clock has slept, whatever it shows. */
  readonly #turn = (wokenAtMs = 0): void => {
    this.#immediate = undefined;
    this.#timer = undefined;
    if (this.precise) this.#napAndAdvance();
    else this.#advance(Math.max(wokenAtMs, this.clock.monotonicMs()));
    this.#schedule();
  };

  /** Blocks the thread for a while. Input that came meanwhile is handled before the next time. */
  #napAndAdvance(): void {
    const endMs = this.clock.monotonicMs() + TIMER_MARGIN_MS;
    for (;;) {
      const nowMs = this.clock.monotonicMs();
      const waitMs = this.#nextDueMs() - nowMs;
      if (waitMs > TIMER_MARGIN_MS || nowMs + waitMs > endMs) return;
      if (waitMs > 0) Atomics.wait(this.#nap, 0, 0, Math.max(waitMs, SHORTEST_NAP_MS));
      this.#advance(this.clock.monotonicMs());
      // Input cannot wait forever, however much is due.
      if (waitMs <= 0 && this.clock.monotonicMs() > endMs) return;
    }
  }

  #advance(nowMs: number): void {
    for (const task of this.#tasks) if (task.dueAtMs <= nowMs) task.advance(nowMs);
  }

  #schedule(): void {
    // A task may have asked for another look.
    if (this.#immediate !== undefined) return;
    const dueMs = this.#nextDueMs();
    if (dueMs === Number.POSITIVE_INFINITY) return;
    const waitMs = dueMs - this.clock.monotonicMs();
    const marginMs = this.precise ? TIMER_MARGIN_MS : 0;
    if (waitMs <= marginMs) this.#immediate = setImmediate(this.#turn);
    else if (this.clock.sleep === systemClock.sleep)
      // Timers cost a tenth of its sleep.
      this.#timer = setTimeout(this.#turn, Math.min(waitMs - marginMs, LONGEST_TIMER_MS));
    else void this.#sleepUntil(dueMs, waitMs);
  }

  /** Waits by the clock of a test, which may skip the time. */
  async #sleepUntil(dueMs: number, waitMs: number): Promise<void> {
    const { signal } = this.#stopping;
    await this.clock.sleep(waitMs, signal);
    if (!signal.aborted) this.#immediate ??= setImmediate(this.#turn, dueMs);
  }

  #nextDueMs(): number {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const task of this.#tasks) if (task.dueAtMs < dueMs) dueMs = task.dueAtMs;
    return dueMs;
  }

  #cancel(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
  }
}
