/**
 * The recorded fate of each endpoint's connections, as a script that a server can act out (`replay --lifecycle`).
 *
 * **What is known.** A recording says when attempts began, how each ended (open, an HTTP status, an error), and when
 * and how open connections ended. What the server would have said between two attempts, nobody knows.
 *
 * **What is acted out.** Time rules: a downtime lasts as long as it did, and a connection opens and closes when it
 * did, whether or not a client is there. Within that, an attempt is taken for the recorded attempt that is next, so
 * that a client with the waits of the recorded one meets the same fate each time, in the same order:
 *
 * - Refusals come one for one, at once, in the way recorded. A client that tries more often than the recorded one
 *   gets more of the same until the downtime is over; one that tries less often skips those whose time has passed.
 * - A client that comes a little before a recorded success ({@link HOLD_MS}) waits for it in the handshake, so that
 *   the connection opens on time. Where no refusal lies between two connections, nothing says that the server was
 *   away: who comes much too early there is let in at once and waits for events.
 * - A client that comes late gets in late. What the connection brought meanwhile is kept for it for a while (by the
 *   server): waits are drawn by chance, and a client shall not lose events for another draw. A client that stays
 *   away for longer misses them as it would have. If the connection has ended meanwhile and nobody was there, the
 *   client still gets all of it, the end included, until the recorded client came again ({@link CATCH_UP_MS} at most, a
 *   moment ({@link SLACK_MS}) in any case): a short connection shall not be missed for a longer wait.
 * - Where attempts met "connection refused", nothing listens for that time, on no endpoint ({@link DowntimeFinder}).
 *
 * **How far it is read.** A recording is read a little ahead of its replay ({@link LifecycleScript.toldUntil}), and what
 * has been acted out is forgotten, so the memory it takes does not grow with the recording. The price: who stayed away
 * for longer than {@link LONGEST_ABSENCE_MS} counts as one that does not come back until it is read that he did. Who
 * comes meanwhile is let in, or refused as before; and a downtime begins no sooner than its first refusal is read.
 */

import type { ConnectionEvent } from '../recording/connection-event.js';
import {
  type Downtime,
  DowntimeFinder,
  HOLD_MS,
  MICROSECONDS,
  type RefusalManner,
  SLACK_MS,
} from './downtime.js';
import { type Attempt, EndpointScript, START_IS_TOLD_BY } from './endpoint-script.js';

/** What an attempt gets; `at` is the position in the schedule when it gets it. */
export type ScriptedAnswer =
  | { admit: true; at: number }
  | { admit: false; at: number; manner: RefusalManner };

/**
 * Above the longest waits that our own client makes unasked: half a minute, and five when a server wants it. What is
 * read ahead at once, of a dense recording, is a matter of seconds.
 */
const LONGEST_ABSENCE_MS = 330_000;

/** Built line by line in the order of the recording; asked at each attempt, as soon as it can answer. */
export class LifecycleScript {
  readonly #endpoints = new Map<string, EndpointScript>();
  readonly #downtimes = new DowntimeFinder();
  /** Due time of the line that was read last. */
  #read = 0;
  #isOver = false;
  /** Where the pass begins that is being read, and the last one that has been read whole. */
  #passFrom = 0;
  #wholePassFrom = Number.NEGATIVE_INFINITY;

  /** Up to which due time the recording has been read; infinite when all of it has been. */
  get read(): number {
    return this.#isOver ? Number.POSITIVE_INFINITY : this.#read;
  }

  /**
   * Up to which position everything is told that anybody may ask: who has not been read to come back within a certain
   * time, or within a whole pass of a loop, does not come back.
   *
   * @param reserve 1.25 asks for a quarter more.
   */
  toldUntil(speed: number, reserve = 1): number {
    const ahead = (Math.max(LONGEST_ABSENCE_MS, HOLD_MS * speed) + SLACK_MS * speed) * MICROSECONDS;
    return Math.max(this.read - ahead * reserve, this.#wholePassFrom);
  }

  /** @param connection `undefined` for an event. */
  add(endpoint: string, due: number, connection: ConnectionEvent | undefined): void {
    this.#read = due;
    let script = this.#endpoints.get(endpoint);
    if (script === undefined) {
      script = new EndpointScript(this.#downtimes);
      this.#endpoints.set(endpoint, script);
    }
    if (connection === undefined) script.addEvent(due);
    else script.add(due, connection);
  }

  /** Forgets what cannot happen any more at that position, on endpoints that nobody comes to as well. */
  settle(position: number, speed: number): void {
    for (const script of this.#endpoints.values()) script.settle(position, MICROSECONDS * speed);
  }

  /** One pass through the recording has ended; in a loop another one follows. */
  endPass(): void {
    this.#downtimes.end(this.#read);
    this.#wholePassFrom = this.#passFrom;
    this.#passFrom = this.#read;
  }

  /** Everything has been read. */
  end(): void {
    this.endPass();
    this.#isOver = true;
  }

  /** Whether anything of that endpoint has been read. */
  knows(endpoint: string): boolean {
    return this.#endpoints.has(endpoint);
  }

  /** The next time in which nothing listens; `undefined` when none is known yet. */
  get downtime(): Downtime | undefined {
    return this.#downtimes.next;
  }

  /** That downtime is over. */
  passDowntime(): void {
    this.#downtimes.pass();
  }

  /** Where the clock begins when the first client of all comes to that endpoint; `undefined` until that is known. */
  startFor(endpoint: string): number | undefined {
    const script = this.#endpoints.get(endpoint);
    if (script !== undefined) return script.startAt(this.read);
    return this.read > START_IS_TOLD_BY ? 0 : undefined;
  }

  /** Whether enough has been read for {@link answer}. */
  canAnswer(endpoint: string, position: number, speed: number): boolean {
    const slack = SLACK_MS * MICROSECONDS * speed;
    if (this.read < position + slack) return false;
    const script = this.#endpoints.get(endpoint);
    script?.settle(position, MICROSECONDS * speed);
    if (script?.next !== undefined || this.toldUntil(speed) >= position) return true;
    // An endpoint that was recorded is there from the start, so one that does not come soon is not in the recording.
    return script === undefined && this.read >= position + HOLD_MS * MICROSECONDS * speed;
  }

  /**
   * What an attempt gets. To be asked when {@link canAnswer}.
   *
   * @param position Where the replay stands, in microseconds of the schedule.
   * @param speed How many of them pass in a microsecond: the client's patience is real time.
   */
  answer(endpoint: string, position: number, speed: number): ScriptedAnswer {
    const script = this.#endpoints.get(endpoint);
    if (script === undefined) return { admit: true, at: position };
    const millisecond = MICROSECONDS * speed;
    script.settle(position, millisecond);
    const attempt = script.next;
    const before = script.refusalBefore;
    if (attempt === undefined) {
      const isDown = before !== undefined && !(this.#isOver && position >= this.#read);
      if (isDown) return { admit: false, at: position, manner: before };
      script.attendAhead();
      return { admit: true, at: position };
    }
    if (attempt.refusal !== undefined) {
      script.pass();
      return {
        admit: false,
        at: refusalTime(attempt, position, SLACK_MS * millisecond),
        manner: attempt.refusal,
      };
    }
    const early = attempt.at - position;
    if (early > HOLD_MS * millisecond && before !== undefined)
      return { admit: false, at: position, manner: before };
    attempt.attended = true;
    return { admit: true, at: early > HOLD_MS * millisecond ? position : Math.max(position, attempt.at) };
  }
}

/** A refusal takes as long as it took; one that comes about when it was recorded ends when that one did. */
function refusalTime(attempt: Attempt, position: number, slack: number): number {
  if (position >= attempt.from - slack && position <= attempt.at) return attempt.at;
  return position + attempt.at - attempt.from;
}
