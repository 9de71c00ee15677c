import type { ConnectionEvent } from '../recording/connection-event.js';
import { type Downtime, type DowntimeFinder, SLACK_MS } from './downtime.js';

/** Ways in which an attempt is turned away. `unreachable`: nothing listened. */
export type RefusalManner =
  | { kind: 'status'; status: number }
  | { kind: 'unreachable' }
  | { kind: 'reset' }
  | { kind: 'drop' }
  | { kind: 'silence' };

/** A step in the life of a connection. `event`: an event proves a connection whose opening is not in the recording. */
export type LifecycleStep = 'connecting' | 'open' | 'closed' | 'event' | RefusalManner;

/** A recorded attempt to connect. Times are microseconds of the schedule. */
export interface Attempt {
  /** Times when it began and when it was answered. */
  readonly from: number;
  readonly at: number;
  /** `undefined`: it was let in. */
  readonly refusal: RefusalManner | undefined;
  /** End of the connection; of a refusal, the time of its answer. */
  end: number;
  /** The server hears of no attempt while nothing listens, so this attempt counts as made when the downtime is over. */
  readonly downtime: Downtime | undefined;
  /** `true` once a client has come for it. */
  attended: boolean;
}

/**
 * A connection that no client came for is played for this long after its end, unless the recorded client had come again
 * by then: waits are random, and a client must not miss a short connection for a longer wait.
 */
export const CATCH_UP_MS = 5000;
/** The clock starts at the answer to the first attempt, unless the answer took longer than this. */
const PROMPT_MICROS = 250_000;

/** The recorded attempts on one endpoint. */
export class EndpointAttempts {
  /** Refusal of the attempt before {@link next}; `undefined` when that was let in, or there was none. */
  refusalBefore: RefusalManner | undefined;
  readonly #downtimes: DowntimeFinder;
  #attempts: Attempt[] = [];
  #next = 0;
  /** The attempt that was added last, and the beginning of an attempt that has not been answered. */
  #last: Attempt | undefined;
  #began: number | undefined;
  #start: number | undefined;

  constructor(downtimes: DowntimeFinder) {
    this.#downtimes = downtimes;
  }

  /** Adds the next step of the endpoint's connections. @param due Microseconds of the schedule. */
  add(due: number, step: LifecycleStep): void {
    switch (step) {
      case 'connecting':
        this.#endUntold(due);
        this.#began = due;
        break;
      case 'open':
        this.#answered(due, undefined);
        break;
      case 'closed':
        // The recording may begin within a connection.
        if (!this.#isOpen) this.#answered(this.#last?.end ?? 0, undefined);
        this.#endLast(due);
        break;
      case 'event':
        if (!this.#isOpen) this.#answered(Math.min(due, this.#began ?? this.#last?.end ?? 0), undefined);
        break;
      default:
        this.#answered(due, step);
    }
  }

  /** The attempt that is next. */
  get next(): Attempt | undefined {
    return this.#attempts[this.#next];
  }

  /** Moves on: a client has made the attempt that was next, or its time is over. */
  pass(): void {
    this.refusalBefore = this.next?.refusal;
    this.#next++;
    // In an endless loop attempts are added for ever.
    if (this.#next < 256) return;
    this.#attempts = this.#attempts.slice(this.#next);
    this.#next = 0;
  }

  /** Passes the attempts that cannot be met any more. @param millisecond Microseconds of the schedule in a real one. */
  settle(position: number, millisecond: number): void {
    for (let next = this.next; next !== undefined; next = this.next) {
      if (position < lastChance(next, this.#attempts[this.#next + 1], millisecond)) return;
      this.pass();
    }
  }

  /** The position where the clock starts when the first client of all connects to this endpoint. */
  get start(): number {
    if (this.#start !== undefined) return this.#start;
    return this.#began !== undefined && this.#began <= PROMPT_MICROS ? this.#began : 0;
  }

  get #isOpen(): boolean {
    const last = this.#last;
    return last !== undefined && last.refusal === undefined && last.end === Number.POSITIVE_INFINITY;
  }

  /** A recorder that was killed does not say when its connection ended; another attempt proves that it had. */
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
      attended: false,
    };
    this.#attempts.push(this.#last);
  }
}

/** The step that a lifecycle line stands for; `undefined` for lines that say nothing about attempts. */
export function stepOf(connection: ConnectionEvent): LifecycleStep | undefined {
  switch (connection.state) {
    case 'connecting':
    case 'open':
    case 'closed':
      return connection.state;
    case 'refused':
      return mannerOf(connection);
    default:
      return undefined;
  }
}

/** Up to this position an attempt is the next one when no client makes it. */
function lastChance(attempt: Attempt, following: Attempt | undefined, millisecond: number): number {
  const slack = SLACK_MS * millisecond;
  const nextFrom = following?.from ?? Number.POSITIVE_INFINITY;
  if (attempt.refusal === undefined) {
    if (attempt.attended) return attempt.end;
    return Math.max(attempt.end + slack, Math.min(nextFrom, attempt.end + CATCH_UP_MS * millisecond));
  }
  return attempt.downtime === undefined ? nextFrom + slack : attempt.downtime.to;
}

function startFor(from: number, at: number): number {
  if (from > PROMPT_MICROS) return 0;
  return at - from <= PROMPT_MICROS ? at : from;
}

/** Reads the words of `io/client/connection/connect-failure.ts`. */
function mannerOf(refused: { status?: number; error?: string }): RefusalManner {
  if (refused.status !== undefined && refused.status >= 200 && refused.status <= 999) {
    return { kind: 'status', status: refused.status };
  }
  const error = refused.error ?? '';
  if (error.startsWith('connection refused')) return { kind: 'unreachable' };
  if (error.startsWith('connection reset')) return { kind: 'reset' };
  return { kind: /^no (answer|upgrade)\b/.test(error) ? 'silence' : 'drop' };
}
