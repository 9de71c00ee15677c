import type { Clock } from '../clock.js';

/** Something that has work at certain times. */
export interface Paced {
  /** When its next work is due, in milliseconds of the monotonic clock; infinite when there is none. */
  readonly dueAt: number;
  /** Does all that is due by now. */
  advance(now: number): void;
}

/** What {@link Pacer} takes. */
export interface PacerOptions {
  clock: Clock;
  /**
   * Wait for the last two milliseconds in naps that block this thread, which is on time to a quarter of a millisecond
   * at a few per cent of a core. For a process of its own; elsewhere the timers' millisecond has to do.
   */
  precise: boolean;
}

/** Timers are late by up to a millisecond, and now and then by more: so much before a due time they end. */
const TIMER_MARGIN_MS = 2;
/** Sleeping for less costs more than it gains: what is due sooner waits for it and goes out together. */
const SHORTEST_NAP_MS = 0.25;
/** `setTimeout` above 2^31 - 1 ms fires at once; waking once an hour for nothing is cheap. */
const LONGEST_TIMER_MS = 3_600_000;

/** Wakes whoever has something due: one timer for all, however many there are. */
export class Pacer {
  readonly #clock: Clock;
  readonly #precise: boolean;
  readonly #members = new Set<Paced>();
  readonly #napping = new Int32Array(new SharedArrayBuffer(4));
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #stopped = false;

  constructor({ clock, precise }: PacerOptions) {
    this.#clock = clock;
    this.#precise = precise;
  }

  add(member: Paced): void {
    this.#members.add(member);
    this.reschedule();
  }

  remove(member: Paced): void {
    this.#members.delete(member);
    this.reschedule();
  }

  /** To be called when a due time has changed other than by `advance`. */
  reschedule(): void {
    // In the next turn, so that any number of changes costs one look.
    this.#cancel();
    if (!this.#stopped) this.#immediate = setImmediate(this.#turn);
  }

  /** Ends all waiting, for good. */
  stop(): void {
    this.#stopped = true;
    this.#members.clear();
    this.#cancel();
  }

  readonly #turn = (): void => {
    this.#immediate = undefined;
    this.#timer = undefined;
    if (this.#precise) this.#napAndAdvance();
    else if (this.#nextDue() <= this.#clock.monotonicMs()) this.#advance();
    this.#schedule();
  };

  /** Blocks the thread for a while; whatever came in meanwhile is seen to before the next time. */
  #napAndAdvance(): void {
    const end = this.#clock.monotonicMs() + TIMER_MARGIN_MS;
    for (;;) {
      const now = this.#clock.monotonicMs();
      const wait = this.#nextDue() - now;
      if (wait > TIMER_MARGIN_MS || now + wait > end) return;
      if (wait > 0) Atomics.wait(this.#napping, 0, 0, Math.max(wait, SHORTEST_NAP_MS));
      this.#advance();
      // What has come in cannot wait for ever, however much is due.
      if (wait <= 0 && this.#clock.monotonicMs() > end) return;
    }
  }

  #advance(): void {
    const now = this.#clock.monotonicMs();
    for (const member of this.#members) if (member.dueAt <= now) member.advance(now);
  }

  #schedule(): void {
    // A member's work may have called for another look by itself.
    if (this.#immediate !== undefined) return;
    const due = this.#nextDue();
    if (due === Number.POSITIVE_INFINITY) return;
    const wait = due - this.#clock.monotonicMs();
    const margin = this.#precise ? TIMER_MARGIN_MS : 0;
    if (wait > margin) this.#timer = setTimeout(this.#turn, Math.min(wait - margin, LONGEST_TIMER_MS));
    else this.#immediate = setImmediate(this.#turn);
  }

  #nextDue(): number {
    let due = Number.POSITIVE_INFINITY;
    for (const member of this.#members) if (member.dueAt < due) due = member.dueAt;
    return due;
  }

  #cancel(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
  }
}
