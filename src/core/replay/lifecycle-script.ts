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

import { type Downtime, DowntimeFinder, HOLD_MS, MICROS_PER_MS, SLACK_MS } from './downtime.js';
import {
  type Attempt,
  EndpointAttempts,
  type LifecycleStep,
  type RefusalManner,
} from './endpoint-attempts.js';

/** The answer to an attempt. `at`: the position in the schedule at which the client gets it. */
export type ScriptedAnswer =
  | { admit: true; at: number }
  | { admit: false; at: number; manner: RefusalManner };

/** Built step by step in the order of the recording, then asked at each attempt of a client. */
export class LifecycleScript {
  readonly #endpoints = new Map<string, EndpointAttempts>();
  readonly #downtimes = new DowntimeFinder();
  /** Due time of the last line, once there is no further pass. */
  #end = Number.POSITIVE_INFINITY;

  /** @param due Microseconds of the schedule. */
  add(endpoint: string, due: number, step: LifecycleStep): void {
    let attempts = this.#endpoints.get(endpoint);
    if (attempts === undefined) {
      attempts = new EndpointAttempts(this.#downtimes);
      this.#endpoints.set(endpoint, attempts);
    }
    attempts.add(due, step);
  }

  /** Ends one pass through the recording. @param due Due time of its last line. @param isLast No pass follows. */
  endPass(due: number, isLast: boolean): void {
    this.#downtimes.endPass(due);
    if (isLast) this.#end = due;
  }

  /** The next time in which nothing listens; `undefined` when there is none. */
  get downtime(): Downtime | undefined {
    return this.#downtimes.found[0];
  }

  /** Moves on to the following downtime. */
  passDowntime(): void {
    this.#downtimes.found.shift();
  }

  /** The position where the clock starts when the first client of all connects to that endpoint. */
  startFor(endpoint: string): number {
    return this.#endpoints.get(endpoint)?.start ?? 0;
  }

  /** Forgets what cannot happen any more at that position, on all endpoints. */
  settle(position: number, speed: number): void {
    for (const attempts of this.#endpoints.values()) attempts.settle(position, MICROS_PER_MS * speed);
  }

  /**
   * Answers an attempt.
   *
   * @param position Position of the replay, in microseconds of the schedule.
   * @param speed Microseconds of the schedule that pass in a real one: a client's patience is real time.
   */
  answer(endpoint: string, position: number, speed: number): ScriptedAnswer {
    const attempts = this.#endpoints.get(endpoint);
    if (attempts === undefined) return { admit: true, at: position };
    const millisecond = MICROS_PER_MS * speed;
    attempts.settle(position, millisecond);
    const attempt = attempts.next;
    const before = attempts.refusalBefore;
    if (attempt === undefined) {
      const isDown = before !== undefined && position < this.#end;
      return isDown ? { admit: false, at: position, manner: before } : { admit: true, at: position };
    }
    if (attempt.refusal !== undefined) {
      attempts.pass();
      return {
        admit: false,
        at: refusalTime(attempt, position, SLACK_MS * millisecond),
        manner: attempt.refusal,
      };
    }
    const isFarAhead = attempt.at - position > HOLD_MS * millisecond;
    if (isFarAhead && before !== undefined) return { admit: false, at: position, manner: before };
    attempt.attended = true;
    return { admit: true, at: isFarAhead ? position : Math.max(position, attempt.at) };
  }
}

/** A refusal takes as long as it took. A refusal near its recorded time ends when the recorded one did. */
function refusalTime(attempt: Attempt, position: number, slack: number): number {
  if (position >= attempt.from - slack && position <= attempt.at) return attempt.at;
  return position + attempt.at - attempt.from;
}
