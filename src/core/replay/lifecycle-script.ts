/**
 * The recorded fate of each endpoint's connections, as a script that a server can play (`replay --lifecycle`).
 *
 * **The recording** says when attempts began, how each ended (open, an HTTP status, an error), and when and how open
 * connections ended. It cannot say what the server would have answered between two attempts.
 *
 * **The replay** follows the recorded times: a downtime lasts as long as it did, and a connection opens and closes when
 * it did, with or without a client. Within that, each attempt of a client stands for the recorded attempt that is next.
 * A client with the waits of the recorded client meets the same fate each time, in the same order:
 *
 * - Refusals come one for one, at once, in the recorded way. A client that tries more often than the recorded client
 *   gets more of the same until the downtime is over. A client that tries less often skips refusals whose time is over.
 * - A client that comes a little before a recorded success ({@link HOLD_MS}) waits for it in the handshake, so that the
 *   connection opens on time. Where no refusal lies between two connections, nothing says that the server was away: a
 *   client that comes much too early there is let in at once and waits for events.
 * - A client that comes late gets in late. The server keeps what the connection brought meanwhile for a while, because
 *   waits are random and must not cost events. A client that stays away for longer misses them, as it would have. If
 *   the connection has ended meanwhile without a client, a late client still gets all of it, the end included, until
 *   the recorded client came again ({@link CATCH_UP_MS} at most, {@link SLACK_MS} at least).
 * - Where attempts met "connection refused", nothing listens for that time, on any endpoint ({@link DowntimeFinder}).
 */

import { CATCH_UP_MS, HOLD_MS, laterBy, SLACK_MS } from './downtime.js';
import type { Attempt, RecordedAttempts, RefusalManner } from './recorded-attempts.js';
import { MICROS_PER_MS } from './schedule.js';

/** The answer to an attempt. */
export interface ScriptedAnswer {
  /** The position in the schedule at which the client gets it. */
  at: number;
  /** `undefined`: the client is let in. */
  refusal: RefusalManner | undefined;
}

/** Plays the recorded attempts on one endpoint, once or in a loop: it is asked at each attempt of a client. */
export class LifecycleScript {
  readonly #attempts: readonly Attempt[];
  /** Number of attempts that have passed, in all passes: a client has made them, or their time is over. */
  #passed = 0;
  /** A client has come for the connection that is next. */
  #isAttended = false;

  /** @param passes How often the recording is played; 1 or more, or infinite. */
  constructor(
    private readonly recorded: RecordedAttempts,
    endpoint: string,
    private readonly passes: number,
  ) {
    this.#attempts = recorded.of(endpoint);
  }

  /**
   * Answers an attempt.
   *
   * @param position Position of the replay, in microseconds of the schedule.
   * @param speed Microseconds of the schedule that pass in a real one: a client's patience is real time.
   */
  answer(position: number, speed: number): ScriptedAnswer {
    const millisecond = MICROS_PER_MS * speed;
    this.#settle(position, millisecond);
    const attempt = this.#at(this.#passed);
    // Absent when the attempt before was let in, or there was none.
    const refusalBefore = this.#at(this.#passed - 1)?.refusal;
    if (attempt === undefined) {
      const { lastDue, passLength } = this.recorded;
      const isOver = position >= lastDue + (this.passes - 1) * passLength;
      return { at: position, refusal: isOver ? undefined : refusalBefore };
    }
    if (attempt.refusal !== undefined) {
      this.#pass(1);
      return { at: refusalTime(attempt, position, SLACK_MS * millisecond), refusal: attempt.refusal };
    }
    const isFarAhead = attempt.at - position > HOLD_MS * millisecond;
    if (isFarAhead && refusalBefore !== undefined) return { at: position, refusal: refusalBefore };
    this.#isAttended = true;
    return { at: isFarAhead ? position : Math.max(position, attempt.at), refusal: undefined };
  }

  /** Passes the attempts that can no longer be met. @param millisecond Microseconds of the schedule in a real one. */
  #settle(position: number, millisecond: number): void {
    // In a loop that has run for days, only the last two passes matter.
    const skipped = (Math.floor(position / this.recorded.passLength) - 1) * this.#attempts.length;
    if (Number.isFinite(skipped) && skipped > this.#passed) this.#pass(skipped - this.#passed);
    for (let next = this.#at(this.#passed); next !== undefined; next = this.#at(this.#passed)) {
      if (position < this.#lastChance(next, millisecond)) return;
      this.#pass(1);
    }
  }

  #pass(attempts: number): void {
    this.#passed += attempts;
    this.#isAttended = false;
  }

  /** Up to this position an attempt is the next one when no client makes it. */
  #lastChance({ refusal, end, downtime }: Attempt, millisecond: number): number {
    const nextFrom = this.#at(this.#passed + 1)?.from ?? Number.POSITIVE_INFINITY;
    const slack = SLACK_MS * millisecond;
    if (refusal !== undefined) return downtime?.to ?? nextFrom + slack;
    if (this.#isAttended) return end;
    return Math.max(end + slack, Math.min(nextFrom, end + CATCH_UP_MS * millisecond));
  }

  #at(index: number): Attempt | undefined {
    const pass = Math.floor(index / this.#attempts.length);
    const attempt = this.#attempts[index % this.#attempts.length];
    if (attempt === undefined || pass >= this.passes) return undefined;
    const { from, at, end, refusal, downtime } = attempt;
    const start = pass * this.recorded.passLength;
    return {
      from: from + start,
      at: at + start,
      refusal,
      end: end + start,
      downtime: downtime && laterBy(start, downtime),
    };
  }
}

/** A refusal takes as long as it took. A refusal near its recorded time ends when the recorded one did. */
function refusalTime(attempt: Attempt, position: number, slack: number): number {
  if (position >= attempt.from - slack && position <= attempt.at) return attempt.at;
  return position + attempt.at - attempt.from;
}
