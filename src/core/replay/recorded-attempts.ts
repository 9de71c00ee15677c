import { OpmasError } from '../errors.js';
import type { ConnectionEvent } from '../recording/connection-event.js';
import { type Downtime, DowntimeFinder, laterBy } from './downtime.js';

/** Ways in which an attempt is turned away. `unreachable`: nothing listened. */
export type RefusalManner =
  | { kind: 'status'; status: number }
  | { kind: 'unreachable' }
  | { kind: 'reset' }
  | { kind: 'drop' }
  | { kind: 'silence' };

/** A recorded attempt to connect. Times are microseconds of the schedule, in its first pass. */
export interface Attempt {
  /** Times when it began and when it was answered. */
  from: number;
  at: number;
  /** `undefined`: it was let in. */
  refusal: RefusalManner | undefined;
  /** End of the connection; of a refusal, the time of its answer. */
  end: number;
  /** The server hears of no attempt while nothing listens, so this attempt counts as made when the downtime is over. */
  downtime: Downtime | undefined;
}

/** The clock starts at the answer to the first attempt, unless the answer took longer than this. */
const PROMPT_MICROS = 250_000;
/** Limit of the memory that the attempts of a recording take. */
const MOST_ATTEMPTS = 500_000;

/** The attempts on one endpoint. */
interface EndpointHistory {
  attempts: Attempt[];
  /** Beginning of an attempt that has not been answered. */
  began: number | undefined;
}

/** The attempts to connect that a recording has: built line by line, in the order of the recording. */
export class RecordedAttempts {
  /** Due time of the last line, and length of a pass in a loop. */
  lastDue = 0;
  passLength = 0;
  readonly #endpoints = new Map<string, EndpointHistory>();
  readonly #finder = new DowntimeFinder();
  #count = 0;

  /** The attempts on an endpoint, in order. */
  of(endpoint: string): readonly Attempt[] {
    return this.#endpoints.get(endpoint)?.attempts ?? [];
  }

  /** The time in which nothing listened with that number, counted on through all passes; `undefined` after the last. */
  downtimeAt(index: number, passes: number): Downtime | undefined {
    const { found } = this.#finder;
    const pass = Math.floor(index / found.length);
    const downtime = found[index % found.length];
    return downtime === undefined || pass >= passes ? undefined : laterBy(pass * this.passLength, downtime);
  }

  /** The position where the clock starts when the first client of all connects to that endpoint. */
  startFor(endpoint: string): number {
    const history = this.#endpoints.get(endpoint);
    const first = history?.attempts[0];
    const from = first?.from ?? history?.began ?? 0;
    if (from > PROMPT_MICROS) return 0;
    return first !== undefined && first.at - from <= PROMPT_MICROS ? first.at : from;
  }

  /**
   * Adds a line of an endpoint.
   *
   * @param due Microseconds of the schedule.
   * @param connection `undefined` for an event.
   * @throws {OpmasError} `DATA` when there are too many attempts.
   */
  add(endpoint: string, due: number, connection: ConnectionEvent | undefined): void {
    this.lastDue = due;
    let history = this.#endpoints.get(endpoint);
    if (history === undefined) {
      history = { attempts: [], began: undefined };
      this.#endpoints.set(endpoint, history);
    }
    if (connection !== undefined) {
      this.#addConnection(history, due, connection);
    } else if (openOf(history) === undefined) {
      // An event proves a connection whose opening is not in the recording.
      const opened = history.began ?? history.attempts.at(-1)?.end ?? 0;
      this.#answered(history, Math.min(due, opened), undefined);
    }
  }

  /** Ends the recording. @param passLength Where the next pass of a loop begins. */
  endPass(passLength: number): void {
    this.passLength = passLength;
    this.#finder.endPass(this.lastDue);
    for (const history of this.#endpoints.values()) {
      const open = openOf(history);
      // In a loop, the first attempt of the next pass proves that a connection had ended before it.
      if (open !== undefined) open.end = passLength + (history.attempts[0]?.from ?? 0);
    }
  }

  #addConnection(history: EndpointHistory, due: number, connection: ConnectionEvent): void {
    switch (connection.state) {
      case 'connecting':
        this.#endUntold(history, due);
        history.began = due;
        break;
      case 'refused':
        this.#answered(history, due, mannerOf(connection));
        break;
      case 'open':
        this.#answered(history, due, undefined);
        break;
      case 'closed':
        // The recording may begin within a connection.
        if (openOf(history) === undefined)
          this.#answered(history, history.attempts.at(-1)?.end ?? 0, undefined);
        this.#endUntold(history, due);
        break;
    }
  }

  /** A recorder that was killed does not say when its connection ended; another attempt proves that it had. */
  #endUntold(history: EndpointHistory, due: number): void {
    const open = openOf(history);
    if (open === undefined) return;
    open.end = due;
    this.#finder.lost(open.at, due);
  }

  #answered(history: EndpointHistory, at: number, refusal: RefusalManner | undefined): void {
    this.#endUntold(history, at);
    const from = Math.min(history.began ?? at, at);
    history.began = undefined;
    let downtime: Downtime | undefined;
    if (refusal?.kind === 'unreachable') downtime = this.#finder.refused(from, at);
    else this.#finder.answered(from, at, refusal === undefined || refusal.kind === 'status');
    if (this.#count++ === MOST_ATTEMPTS) {
      throw new OpmasError('DATA', `the recording has more than ${MOST_ATTEMPTS} attempts to connect`, {
        hint: 'Choose a part of it with `from` and `to`, or leave out `lifecycle`.',
      });
    }
    history.attempts.push({
      from,
      at,
      refusal,
      end: refusal === undefined ? Number.POSITIVE_INFINITY : at,
      downtime: downtime !== undefined && downtime.from < at ? downtime : undefined,
    });
  }
}

/** The attempt whose connection is open where the recording has been read to. */
function openOf({ attempts }: EndpointHistory): Attempt | undefined {
  const last = attempts.at(-1);
  return last?.end === Number.POSITIVE_INFINITY ? last : undefined;
}

/** Reads the words of `core/failure/failure.ts`. */
function mannerOf(refused: { status?: number; error?: string }): RefusalManner {
  if (refused.status !== undefined && refused.status >= 200 && refused.status <= 999) {
    return { kind: 'status', status: refused.status };
  }
  const error = refused.error ?? '';
  if (error.startsWith('connection refused')) return { kind: 'unreachable' };
  if (error.startsWith('connection reset')) return { kind: 'reset' };
  return { kind: /^no (answer|upgrade)\b/.test(error) ? 'silence' : 'drop' };
}
