import type { ConnectionEvent } from '../recording/connection-event.js';
import { CATCH_UP_MS, type Downtime, type DowntimeFinder, type RefusalManner, SLACK_MS } from './downtime.js';

/** A recorded attempt to connect. Times are microseconds of the schedule. */
export interface Attempt {
  /** When it began and when it was answered. */
  readonly from: number;
  readonly at: number;
  /** `undefined`: it was let in. */
  readonly refusal: RefusalManner | undefined;
  /** When the connection ended, as far as is known; of a refusal, when it came. */
  end: number;
  /** Nobody hears of attempts while nothing listens: such a one counts as made when that is over. */
  readonly downtime: Downtime | undefined;
  /** Whether somebody came for it. */
  attended: boolean;
}

/** The clock starts where the first attempt was answered, unless that took longer; in microseconds of the schedule. */
const PROMPT = 250_000;
/** Who has not been told of an attempt by then need not know more to start the clock. */
export const START_IS_TOLD_BY = 2 * PROMPT;
/** Attempts that are over are forgotten, so many at a time. */
const FORGET_AT_ONCE = 256;

/** The attempts on one endpoint, as far as the recording has been read, and which of them is next. */
export class EndpointScript {
  /** How the attempt before the next one was turned away; `undefined` when it was let in, or there was none. */
  refusalBefore: RefusalManner | undefined;
  readonly #downtimes: DowntimeFinder;
  #attempts: Attempt[] = [];
  #next = 0;
  /** The attempt that was read last, and when one began that has not been answered. */
  #last: Attempt | undefined;
  #began: number | undefined;
  /** Where the clock begins for who comes to this endpoint first of all. */
  #start: number | undefined;
  /** Whether somebody was let in before the next connection has been read. */
  #isAttendedAhead = false;

  constructor(downtimes: DowntimeFinder) {
    this.#downtimes = downtimes;
  }

  /** What happened to a connection of the endpoint next. */
  add(due: number, connection: ConnectionEvent): void {
    switch (connection.state) {
      case 'connecting':
        this.#endUntold(due);
        this.#began = due;
        break;
      case 'refused':
        this.#answered(due, mannerOf(connection));
        break;
      case 'open':
        this.#answered(due, undefined);
        break;
      case 'closed':
        // The recording may begin within a connection.
        if (!this.#isOpen) this.#answered(this.#last?.end ?? 0, undefined);
        this.#endLast(due);
        break;
    }
  }

  /** An event that tells of a connection whose opening is not in the recording. */
  addEvent(due: number): void {
    if (!this.#isOpen) this.#answered(Math.min(due, this.#began ?? this.#last?.end ?? 0), undefined);
  }

  /** The attempt that is next, if it has been read. */
  get next(): Attempt | undefined {
    return this.#attempts[this.#next];
  }

  /** Somebody is let in who need not come again for the next connection. */
  attendAhead(): void {
    this.#isAttendedAhead = true;
  }

  /** The attempt that is next has been made. */
  pass(): void {
    this.refusalBefore = this.next?.refusal;
    this.#next++;
    if (this.#next < FORGET_AT_ONCE) return;
    this.#attempts = this.#attempts.slice(this.#next);
    this.#next = 0;
  }

  /** Passes what cannot happen any more at that position. @param millisecond How much of the schedule passes in one. */
  settle(position: number, millisecond: number): void {
    for (let next = this.next; next !== undefined; next = this.next) {
      if (position < endOf(next, this.#attempts[this.#next + 1], millisecond)) return;
      this.pass();
    }
  }

  /** Where the clock begins when the first client of all comes here; `undefined` when `read` does not tell it yet. */
  startAt(read: number): number | undefined {
    if (this.#start !== undefined) return this.#start;
    if (read <= START_IS_TOLD_BY) return undefined;
    return this.#began !== undefined && this.#began <= PROMPT ? this.#began : 0;
  }

  get #isOpen(): boolean {
    const last = this.#last;
    return last !== undefined && last.refusal === undefined && last.end === Number.POSITIVE_INFINITY;
  }

  /** A recorder that was killed does not say when its connection ended; another attempt tells that it had. */
  #endUntold(due: number): void {
    if (this.#isOpen) this.#endLast(due);
  }

  #endLast(due: number): void {
    const last = this.#last as Attempt;
    last.end = due;
    this.#downtimes.lost(last.at, due);
  }

  #answered(at: number, refusal: RefusalManner | undefined): void {
    this.#endUntold(at);
    const from = Math.min(this.#began ?? at, at);
    this.#began = undefined;
    this.#start ??= startFor(from, at);
    let downtime: Downtime | undefined;
    if (refusal?.kind === 'unreachable') downtime = this.#downtimes.refused(from, at);
    else this.#downtimes.answered(from, at, refusal === undefined || refusal.kind === 'status');
    this.#last = {
      from,
      at,
      refusal,
      end: refusal === undefined ? Number.POSITIVE_INFINITY : at,
      downtime: downtime !== undefined && downtime.from < at ? downtime : undefined,
      attended: refusal === undefined && this.#isAttendedAhead,
    };
    if (refusal === undefined) this.#isAttendedAhead = false;
    this.#attempts.push(this.#last);
  }
}

/** Up to which position an attempt is the next one, when nobody makes it. */
function endOf(attempt: Attempt, following: Attempt | undefined, millisecond: number): number {
  const slack = SLACK_MS * millisecond;
  const nextFrom = following?.from ?? Number.POSITIVE_INFINITY;
  if (attempt.refusal === undefined) {
    if (attempt.attended) return attempt.end;
    return Math.max(attempt.end + slack, Math.min(nextFrom, attempt.end + CATCH_UP_MS * millisecond));
  }
  return attempt.downtime === undefined ? nextFrom + slack : attempt.downtime.to;
}

function startFor(from: number, at: number): number {
  if (from > PROMPT) return 0;
  return at - from <= PROMPT ? at : from;
}

/** The words are those of `io/client/connection/connect-failure.ts`. */
function mannerOf(refused: { status?: number; error?: string }): RefusalManner {
  if (refused.status !== undefined && refused.status >= 200 && refused.status <= 999) {
    return { kind: 'status', status: refused.status };
  }
  const error = refused.error ?? '';
  if (error.startsWith('connection refused')) return { kind: 'unreachable' };
  if (error.startsWith('connection reset')) return { kind: 'reset' };
  return { kind: /^no (answer|upgrade)\b/.test(error) ? 'silence' : 'drop' };
}
