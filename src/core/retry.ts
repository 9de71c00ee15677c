/**
 * Decides what follows from the end of a connection, and how long to wait before the next attempt. Pure: the loop over
 * attempts (io/client/endpoint-loop.ts) keeps one {@link RetryState} for each endpoint and asks here.
 */

import type { Failure } from './failure/failure.js';
import { type FailureKind, failureTable } from './failure/table.js';

/** The number of attempts, and the waits between them. */
export interface RetryOptions {
  /** First wait in milliseconds; each further one is twice as long. Default 1,000. */
  retryDelayMs: number;
  /** Longest wait in milliseconds. Default 30,000. */
  retryMaxMs: number;
  /**
   * Give up after this many failed attempts in a row. Default: 5 until the first open connection, then never; but 2 for
   * failures that rarely go away (unknown host, HTTP 404), if the endpoint never worked. An attempt fails if its
   * connection gives no event and lasts less than a second.
   */
  retries: number | undefined;
  /**
   * Without `retries`: never give up while the server cannot be reached or is failing, or its host name is unknown; for
   * programs that start before the network. Default false.
   */
  waitForServer: boolean;
  /** Try again at all. Default true. */
  reconnect: boolean;
  /** The server's normal close (1000) ends the endpoint. Default false. */
  exitOnClose: boolean;
}

/** The defaults of {@link RetryOptions}. */
export const defaultRetry: RetryOptions = {
  retryDelayMs: 1000,
  retryMaxMs: 30_000,
  retries: undefined,
  waitForServer: false,
  reconnect: true,
  exitOnClose: false,
};

/** Failed attempts in a row before the first open connection, unless the caller says otherwise. */
const DEFAULT_RETRIES = 5;
/** A connection that was open this long is good: the waits begin anew. */
const GOOD_AFTER_MS = 10_000;
/** A connection that was open this long was not refused. */
export const ACCEPTED_AFTER_MS = 1000;
/** Failures that rarely go away end the endpoint after this many in a row, by default. */
const LIKELY_FATAL_IN_A_ROW = 2;
/** After this many rejections in a row, no better token is expected. */
const REFUSALS_IN_A_ROW = 2;
/** The second attempt after a rejected token comes soon, so that a wrong token is reported within 10 s. */
const LONGEST_WAIT_AFTER_REFUSAL_MS = 4000;
/** A server that closes so many connections in a row for their token, without any event, wants something else. */
const EMPTY_ROUNDS_IN_A_ROW = 3;
/** A connection without events that was open this long is one of a quiet endpoint. */
export const QUIET_AFTER_MS = 60_000;
/** No attempt follows at once in place of a wait that is longer than so many first ones. */
const LONGEST_LEFT_OUT_WAIT = 4;
/** The longest wait that a server may ask for. */
export const LONGEST_RETRY_AFTER_MS = 300_000;
/** Clients wait up to this share longer than the server asked, so that they do not all come at once. */
const RETRY_AFTER_SPREAD = 0.08;

/** The loop's memory of one endpoint between attempts. Start with {@link initialRetryState}. */
export interface RetryState {
  /** Wait before the next attempt, before chance and the longest wait. */
  nextWaitMs: number;
  failedInARow: number;
  likelyFatalInARow: number;
  refusalsInARow: number;
  /** Refusals since a connection was good; only after the first does the next attempt come soon. */
  refusals: number;
  /** Connections in a row that the server opened and closed for what we sent, before any event. */
  emptyRounds: number;
  everOpen: boolean;
  everGaveEvent: boolean;
  /** Some connection gave an event or was good. */
  everWorked: boolean;
}

/** The state of an endpoint on which nothing has been tried yet. */
export function initialRetryState(options: Pick<RetryOptions, 'retryDelayMs'>): RetryState {
  return {
    nextWaitMs: options.retryDelayMs,
    failedInARow: 0,
    likelyFatalInARow: 0,
    refusalsInARow: 0,
    refusals: 0,
    emptyRounds: 0,
    everOpen: false,
    everGaveEvent: false,
    everWorked: false,
  };
}

/** The life of the connection that ended. */
export interface ConnectionLife {
  /** Milliseconds from open to end; `undefined` when it never opened. */
  openMs: number | undefined;
  events: number;
  /** It ended because its token had come to its end. */
  isExpiry?: boolean;
}

/** Tells a connection that worked from one that a server opened only to close it for its token. */
function wasAccepted({ openMs, events }: ConnectionLife): boolean {
  return openMs !== undefined && (events > 0 || openMs >= ACCEPTED_AFTER_MS);
}

/** Returns whether a connection was open so long that the waits begin anew. */
export function isGood(openMs: number | undefined): boolean {
  return openMs !== undefined && openMs >= GOOD_AFTER_MS;
}

/** Returns whether a server opened a connection and closed it for what we sent, before any event. */
export function wasRefused({ kind, event }: Failure, life: ConnectionLife): boolean {
  if (event.state !== 'closed' || life.events > 0) return false;
  if (kind === 'endpoint refuses') return (life.openMs ?? 0) < QUIET_AFTER_MS;
  return failureTable[kind].consequence === 'renew' && !wasAccepted(life);
}

/** The next step after an end. */
export type Decision =
  | {
      action: 'retry';
      waitMs: number;
      /** The part of the wait that an endpoint that is back does not end. */
      leastMs: number;
      renew: boolean;
      /** An end as planned: with a new token, the next attempt is made at once. */
      isExpiry: boolean;
    }
  /** The connection ended as the caller asked. */
  | { action: 'end' }
  | { action: 'give up' };

/**
 * Decides after each end of a connection.
 *
 * @param random Between 0 and 1: draws the wait from its upper half.
 * @returns The decision, and the state for the next end.
 */
export function decide(
  state: RetryState,
  failure: Failure,
  life: ConnectionLife,
  options: RetryOptions,
  random: number,
): { decision: Decision; state: RetryState } {
  const { consequence } = failureTable[failure.kind];
  const next = afterConnection(state, failure, life, options);
  if (consequence === 'normal' && (options.exitOnClose || !options.reconnect)) {
    return { decision: { action: 'end' }, state: next };
  }
  if (isOver(next, failure, options)) return { decision: { action: 'give up' }, state: next };
  const isRefusal = consequence === 'renew';
  const isEarly = next.nextWaitMs <= LONGEST_LEFT_OUT_WAIT * options.retryDelayMs;
  const isExpiry = isRefusal && life.isExpiry === true && isEarly;
  // Another attempt could end an endpoint that never worked.
  const isShared = next.refusals === 0 && (consequence === 'retry' || next.everWorked);
  let waitMs = next.nextWaitMs * (0.5 + random / 2);
  if (isRefusal && next.refusals === 1) waitMs = Math.min(waitMs, LONGEST_WAIT_AFTER_REFUSAL_MS);
  if (failure.retryAfterMs !== undefined) {
    // Never before the server's time.
    const askedMs = failure.retryAfterMs * (1 + random * RETRY_AFTER_SPREAD);
    waitMs = Math.max(waitMs, Math.min(askedMs, LONGEST_RETRY_AFTER_MS));
  }
  waitMs = Math.round(waitMs);
  const leastMs = isShared ? Math.min(failure.retryAfterMs ?? 0, waitMs) : waitMs;
  return {
    decision: { action: 'retry', waitMs, leastMs, renew: isRefusal, isExpiry },
    state: { ...next, nextWaitMs: next.nextWaitMs * 2 },
  };
}

function afterConnection(
  state: RetryState,
  failure: Failure,
  life: ConnectionLife,
  options: RetryOptions,
): RetryState {
  const { kind } = failure;
  const { consequence } = failureTable[kind];
  const isOpen = life.openMs !== undefined;
  const isAccepted = wasAccepted(life);
  const wasGood = isGood(life.openMs);
  const isLikelyFatal = consequence === 'likelyFatal' || consequence === 'fatal';
  return {
    nextWaitMs: Math.min(wasGood ? options.retryDelayMs : state.nextWaitMs, options.retryMaxMs),
    failedInARow: isAccepted ? 0 : state.failedInARow + 1,
    likelyFatalInARow: isLikelyFatal ? state.likelyFatalInARow + 1 : 0,
    refusalsInARow: consequence === 'renew' ? (isAccepted ? 1 : state.refusalsInARow + 1) : 0,
    refusals: (wasGood ? 0 : state.refusals) + (consequence === 'renew' ? 1 : 0),
    emptyRounds: isEmptyRound(failure, life) ? state.emptyRounds + 1 : 0,
    everOpen: state.everOpen || isOpen,
    everGaveEvent: state.everGaveEvent || life.events > 0,
    everWorked: state.everWorked || wasGood || life.events > 0,
  };
}

/**
 * Recognizes a server that waits for something, then closes the connection. A token that has expired on a quiet
 * endpoint looks alike, but it is renewed.
 */
function isEmptyRound({ kind, event, isProven }: Failure, { openMs = 0, events }: ConnectionLife): boolean {
  if (event.state !== 'closed' || events > 0 || openMs >= QUIET_AFTER_MS || !isProven) return false;
  return kind === 'endpoint refuses' || kind === 'token refused';
}

/** Decides whether to give up. */
function isOver(state: RetryState, { kind, event }: Failure, options: RetryOptions): boolean {
  const { consequence } = failureTable[kind];
  if (consequence === 'fatal' || !options.reconnect) return true;
  if (!state.everGaveEvent && state.emptyRounds >= EMPTY_ROUNDS_IN_A_ROW) return true;
  // Rejected tokens have a rule of their own.
  if (consequence === 'renew') return state.refusalsInARow >= REFUSALS_IN_A_ROW;
  if (options.waitForServer && options.retries === undefined && mayPass(kind)) return false;
  const isLate = kind === 'endpoint refuses' && event.state === 'closed';
  const isHopeless = consequence === 'likelyFatal' && !state.everWorked && !isLate;
  if (isHopeless && state.likelyFatalInARow >= (options.retries ?? LIKELY_FATAL_IN_A_ROW)) return true;
  return state.failedInARow >= retriesOf(state, options);
}

/** Returns after how many failed attempts in a row the endpoint is given up, if `waitForServer` does not forbid it. */
export function retriesOf({ everOpen }: RetryState, { retries }: RetryOptions): number {
  return retries ?? (everOpen ? Number.POSITIVE_INFINITY : DEFAULT_RETRIES);
}

/** Returns whether a failure may pass with time; a name is unknown also where the network is not there yet. */
function mayPass(kind: FailureKind): boolean {
  return kind === 'unknown host' || failureTable[kind].consequence === 'retry';
}

/**
 * Reads a `Retry-After` header (RFC 9110 section 10.2.3): seconds or an HTTP date.
 *
 * @param nowMs Wall clock, milliseconds since 1970.
 * @returns Milliseconds from now, at most {@link LONGEST_RETRY_AFTER_MS}; `undefined` for nonsense and the past.
 */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  const text = header?.trim() ?? '';
  if (/^\d{1,10}$/.test(text)) return Math.min(Number(text) * 1000, LONGEST_RETRY_AFTER_MS);
  // Date.parse takes far more than the three forms of the RFC; all of those begin with the day's name.
  if (!/^(mon|tue|wed|thu|fri|sat|sun)/i.test(text)) return undefined;
  // The third form (asctime) names no zone; it is GMT all the same.
  const wait = Date.parse(/gmt$/i.test(text) ? text : `${text} GMT`) - nowMs;
  return wait > 0 ? Math.min(wait, LONGEST_RETRY_AFTER_MS) : undefined;
}
