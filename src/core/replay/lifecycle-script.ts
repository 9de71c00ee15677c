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
 *   away for longer, or until the connection has ended, misses them as it would have. Only if it has ended a moment
 *   ago ({@link SLACK_MS}) and nobody was there, the client still gets all of it, the end included: a connection that
 *   is closed at once (a refused token) shall not be missed by milliseconds.
 * - Where attempts met "connection refused", nothing listens for that time, on no endpoint ({@link downtimesOf}).
 */

import type { ConnectionState } from '../recording/line.js';
import {
  type Attempt,
  type Downtime,
  downtimesOf,
  HOLD_MS,
  type RefusalManner,
  SLACK_MS,
} from './downtime.js';

/** What an attempt gets; `at` is the position in the schedule when it gets it. */
export type ScriptedAnswer =
  | { admit: true; at: number }
  | { admit: false; at: number; manner: RefusalManner };

/** The clock starts where the first attempt was answered, unless that took longer. */
const PROMPT_MS = 250;
const MICROSECONDS = 1000;

/** The attempts on one endpoint and which of them is next. */
class EndpointScript {
  readonly attempts: Attempt[] = [];
  next = 0;
  #began: number | undefined;

  add(due: number, connection: ConnectionState): void {
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
        if (!this.isOpen) this.#answered(this.#endOfLast, undefined);
        (this.attempts.at(-1) as Attempt).end = due;
        break;
    }
  }

  /** An event that tells of a connection whose opening is not in the recording. */
  addEvent(due: number): void {
    if (!this.isOpen) this.#answered(Math.min(due, this.#began ?? this.#endOfLast), undefined);
  }

  get isOpen(): boolean {
    const last = this.attempts.at(-1);
    return last !== undefined && last.refusal === undefined && last.end === Number.POSITIVE_INFINITY;
  }

  /** A recorder that was killed does not say when its connection ended; another attempt tells that it had. */
  #endUntold(due: number): void {
    const last = this.attempts.at(-1);
    if (last !== undefined && this.isOpen) last.end = due;
  }

  get #endOfLast(): number {
    return this.attempts.at(-1)?.end ?? 0;
  }

  #answered(at: number, refusal: RefusalManner | undefined): void {
    this.#endUntold(at);
    const from = Math.min(this.#began ?? at, at);
    this.#began = undefined;
    const end = refusal === undefined ? Number.POSITIVE_INFINITY : at;
    this.attempts.push({ from, at, refusal, end, passed: undefined, attended: false });
  }

  /** Passes what cannot happen any more at that position. */
  settle(position: number, slack: number): void {
    for (; this.next < this.attempts.length; this.next++) {
      const attempt = this.attempts[this.next] as Attempt;
      if (position < this.#endOf(attempt, this.attempts[this.next + 1], slack)) return;
    }
  }

  #endOf(attempt: Attempt, following: Attempt | undefined, slack: number): number {
    if (attempt.refusal === undefined) return attempt.attended ? attempt.end : attempt.end + slack;
    return attempt.passed ?? (following === undefined ? Number.POSITIVE_INFINITY : following.from + slack);
  }

  rewind(): void {
    this.next = 0;
    for (const attempt of this.attempts) attempt.attended = false;
  }
}

/** Built line by line in the order of the recording; then asked at each attempt. */
export class LifecycleScript {
  readonly #endpoints = new Map<string, EndpointScript>();
  #length = Number.POSITIVE_INFINITY;
  /** Length of one pass of a loop, and which pass it is. */
  #passLength = Number.POSITIVE_INFINITY;
  #pass = 0;
  #downtimes: readonly Downtime[] = [];

  /** @param connection `undefined` for an event. */
  add(endpoint: string, due: number, connection: ConnectionState | undefined): void {
    let script = this.#endpoints.get(endpoint);
    if (script === undefined) {
      script = new EndpointScript();
      this.#endpoints.set(endpoint, script);
    }
    if (connection === undefined) script.addEvent(due);
    else script.add(due, connection);
  }

  /**
   * The recording is over.
   *
   * @param length Due time of its last line. @param passLength Due time of its first line in the next pass.
   */
  finish(length: number, passLength = Number.POSITIVE_INFINITY): void {
    this.#length = length;
    this.#passLength = passLength;
    const scripts = [...this.#endpoints.values()].filter(({ attempts }) => attempts.length > 0);
    this.#downtimes = downtimesOf(
      scripts.flatMap(({ attempts }) => attempts),
      length,
    );
    for (const { attempts } of scripts) passInDowntimes(attempts, this.#downtimes);
  }

  /** Back to the beginning, for another replay. */
  rewind(): void {
    this.#pass = 0;
    for (const script of this.#endpoints.values()) script.rewind();
  }

  /** When nothing listens, in one pass. */
  get downtimes(): readonly Downtime[] {
    return this.#downtimes;
  }

  /** Due time of the last line. */
  get length(): number {
    return this.#length;
  }

  /** Length of one pass of a loop; infinite when there is but one. */
  get passLength(): number {
    return this.#passLength;
  }

  /** Where the clock begins when the first client of all comes to that endpoint. */
  startFor(endpoint: string): number {
    const first = this.#endpoints.get(endpoint)?.attempts[0];
    if (first === undefined || first.from > PROMPT_MS * MICROSECONDS) return 0;
    return first.at - first.from <= PROMPT_MS * MICROSECONDS ? first.at : first.from;
  }

  /**
   * What an attempt gets.
   *
   * @param position Where the replay stands, in microseconds of the schedule.
   * @param speed How many of them pass in a microsecond: the client's patience is real time.
   */
  answer(endpoint: string, position: number, speed: number): ScriptedAnswer {
    const script = this.#endpoints.get(endpoint);
    if (script === undefined) return { admit: true, at: position };
    const passStart = this.#enterPass(position);
    const answer = this.#answerInPass(script, position - passStart, MICROSECONDS * speed);
    return { ...answer, at: answer.at + passStart };
  }

  /** @returns Where the running pass began. */
  #enterPass(position: number): number {
    if (this.#passLength === Number.POSITIVE_INFINITY) return 0;
    const pass = Math.floor(position / this.#passLength);
    if (pass !== this.#pass) for (const script of this.#endpoints.values()) script.rewind();
    this.#pass = pass;
    return pass * this.#passLength;
  }

  #answerInPass(script: EndpointScript, position: number, millisecond: number): ScriptedAnswer {
    script.settle(position, SLACK_MS * millisecond);
    const attempt = script.attempts[script.next];
    const before = script.attempts[script.next - 1]?.refusal;
    if (attempt === undefined) {
      const isDown = before !== undefined && position < this.#length;
      return isDown ? { admit: false, at: position, manner: before } : { admit: true, at: position };
    }
    if (attempt.refusal !== undefined) {
      script.next++;
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

/** The words are those of `io/client/connect-failure.ts`. */
function mannerOf(refused: { status?: number; error?: string }): RefusalManner {
  if (refused.status !== undefined && refused.status >= 200 && refused.status <= 999) {
    return { kind: 'status', status: refused.status };
  }
  const error = refused.error ?? '';
  if (error.startsWith('connection refused')) return { kind: 'unreachable' };
  if (error.startsWith('connection reset')) return { kind: 'reset' };
  return { kind: /^no (answer|upgrade)\b/.test(error) ? 'silence' : 'drop' };
}

/** Nobody hears of attempts while nothing listens: they count as made when that is over. */
function passInDowntimes(attempts: readonly Attempt[], downtimes: readonly Downtime[]): void {
  let next = 0;
  for (const attempt of attempts) {
    while (next < downtimes.length && (downtimes[next] as Downtime).to <= attempt.from) next++;
    const downtime = downtimes[next];
    if (attempt.refusal?.kind === 'unreachable' && downtime !== undefined && downtime.from < attempt.at) {
      attempt.passed = downtime.to;
    }
  }
}
