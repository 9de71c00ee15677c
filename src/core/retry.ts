/**
 * What the end of a connection means and how long to wait before the next attempt. Pure: the loop over attempts
 * (io/client/endpoint-loop.ts) keeps one {@link RetryState} for each endpoint and asks here.
 */

import { CloseCode } from './close-code.js';

/** Why an attempt failed before the connection was open, other than by an HTTP answer. */
export type FailureKind =
  /** TCP or TLS did not come about, or broke: refused, reset, unreachable, too slow, out of sockets. */
  | 'unreachable'
  /** The host name does not exist. */
  | 'unknown host'
  /** What answered does not speak HTTP or WebSocket properly. */
  | 'garbled'
  /** The server's certificate is not to be trusted. */
  | 'certificate';

/** How one attempt on one endpoint ended. */
export type ConnectionEnd =
  /**
   * After it was open. `code` is the server's, or what RFC 6455 section 7.4.1 gives to what happened. `hint` says what
   * to do next, where more is known than the code tells.
   */
  | { kind: 'closed'; code: number; reason: string; hint?: string | undefined }
  /** Another HTTP status than 101. `retryAfterMs` is what the server asked for; `detail` says more to people. */
  | { kind: 'refused'; status: number; retryAfterMs?: number | undefined; detail?: string | undefined }
  | { kind: 'failed'; failure: FailureKind; error: string; hint?: string | undefined };

/** What follows from an end. `stop` is a fault that trying again does not mend; it is tried twice all the same. */
export type Consequence = 'retry' | 'renew' | 'stop' | 'stop at once' | 'normal';

/** 4001 is the API's; 1008 is what servers without it say. */
const refusalCodes: ReadonlySet<number> = new Set([
  CloseCode.AUTHENTICATION_FAILED,
  CloseCode.POLICY_VIOLATION,
]);
/** Faults of protocol (RFC 6455 section 7.4.1). */
const faultCodes: ReadonlySet<number> = new Set([
  CloseCode.PROTOCOL_ERROR,
  CloseCode.UNSUPPORTED_DATA,
  CloseCode.INVALID_TEXT,
  CloseCode.MESSAGE_TOO_BIG,
  CloseCode.EXTENSION_MISSING,
]);
const passingStatuses: ReadonlySet<number> = new Set([408, 429]);

/** What each end means. A bare 403 counts as a refused token; who knows better says so himself. */
export function consequenceOf(end: ConnectionEnd): Consequence {
  switch (end.kind) {
    case 'closed':
      if (end.code === CloseCode.NORMAL) return 'normal';
      if (refusalCodes.has(end.code)) return 'renew';
      return faultCodes.has(end.code) ? 'stop' : 'retry';
    case 'refused':
      if (end.status === 401 || end.status === 403) return 'renew';
      return passingStatuses.has(end.status) || end.status >= 500 ? 'retry' : 'stop';
    case 'failed':
      if (end.failure === 'certificate') return 'stop at once';
      return end.failure === 'unreachable' ? 'retry' : 'stop';
  }
}

/** How often and how soon to try again. */
export interface RetryOptions {
  /** First wait in milliseconds; each further one is twice as long. Default 1,000. */
  retryDelayMs: number;
  /** Longest wait in milliseconds. Default 30,000. */
  retryMaxMs: number;
  /**
   * Give up after so many failed attempts in a row. Default: 5 until a connection was open once, then never; but 2
   * for faults that trying again hardly mends (no such host, HTTP 404), when it never worked.
   * An attempt failed when its connection gave no event and did not live a second.
   */
  retries: number | undefined;
  /** Whether to try again at all. */
  reconnect: boolean;
  /** Whether the server's normal close (1000) ends the endpoint. */
  exitOnClose: boolean;
}

/** Failed attempts in a row before the first open connection, unless the caller says otherwise. */
const DEFAULT_RETRIES = 5;
/** A connection that was open for so long is good: the waits begin anew. */
const GOOD_AFTER_MS = 10_000;
/** A connection that was open for so long was not refused. */
const ACCEPTED_AFTER_MS = 1000;
/** Faults that trying again does not mend end the endpoint after so many in a row, unless the caller says otherwise. */
const FAULTS_IN_A_ROW = 2;
/** The second try after a refused token comes soon, so that a wrong token is told within 10 s. */
const LONGEST_WAIT_AFTER_REFUSAL_MS = 4000;
/** Longest wait that a server may ask for. */
export const LONGEST_RETRY_AFTER_MS = 300_000;

/** What the loop remembers of one endpoint between attempts. Start with {@link initialRetryState}. */
export interface RetryState {
  /** Wait before the next attempt, before chance. */
  nextWaitMs: number;
  failedInARow: number;
  faultsInARow: number;
  refusalsInARow: number;
  /** Refusals since a connection was good; only the first is followed up soon. */
  refusals: number;
  everOpen: boolean;
  /** Whether any connection gave an event or was good. */
  everWorked: boolean;
}

/** The state of an endpoint on which nothing has been tried yet. */
export function initialRetryState(options: Pick<RetryOptions, 'retryDelayMs'>): RetryState {
  return {
    nextWaitMs: options.retryDelayMs,
    failedInARow: 0,
    faultsInARow: 0,
    refusalsInARow: 0,
    refusals: 0,
    everOpen: false,
    everWorked: false,
  };
}

/** How long the connection that ended was open, and whether it gave an event. */
export interface ConnectionLife {
  /** Milliseconds from open to end; `undefined` when it never opened. */
  openMs: number | undefined;
  events: number;
}

/** Whether it was more than a refusal of another form: servers may open a connection and close it for its token. */
export function wasAccepted({ openMs, events }: ConnectionLife): boolean {
  return openMs !== undefined && (events > 0 || openMs >= ACCEPTED_AFTER_MS);
}

/** What to do after an end. */
export type Decision =
  | { action: 'retry'; waitMs: number; renew: boolean }
  /** `ended`: as asked. `refused`: the token. `failed`: server or network. */
  | { action: 'end'; why: 'ended' | 'refused' | 'failed' };

/**
 * Decides after each end of a connection.
 *
 * @param consequence From {@link consequenceOf}, or what closer examination of the end has shown.
 * @param random Between 0 and 1: draws the wait from its upper half.
 * @returns The decision, and the state for the next end.
 */
export function decide(
  state: RetryState,
  end: ConnectionEnd,
  consequence: Consequence,
  life: ConnectionLife,
  options: RetryOptions,
  random: number,
): { decision: Decision; state: RetryState } {
  const next = afterConnection(state, consequence, life, options);
  const stop = endOf(next, consequence, options);
  if (stop !== undefined) return { decision: { action: 'end', why: stop }, state: next };
  let waitMs = next.nextWaitMs * (0.5 + random / 2);
  if (consequence === 'renew' && next.refusals === 1)
    waitMs = Math.min(waitMs, LONGEST_WAIT_AFTER_REFUSAL_MS);
  const asked = end.kind === 'refused' ? end.retryAfterMs : undefined;
  if (asked !== undefined) {
    // Never before the server's time; a little after it, so that clients do not all come at once.
    waitMs = Math.max(waitMs, Math.min(asked * (1 + random * 0.08), LONGEST_RETRY_AFTER_MS));
  }
  const nextWaitMs = Math.min(next.nextWaitMs * 2, options.retryMaxMs);
  return {
    decision: { action: 'retry', waitMs: Math.round(waitMs), renew: consequence === 'renew' },
    state: { ...next, nextWaitMs },
  };
}

function afterConnection(
  state: RetryState,
  consequence: Consequence,
  life: ConnectionLife,
  options: RetryOptions,
): RetryState {
  const open = life.openMs !== undefined;
  const accepted = wasAccepted(life);
  const good = open && life.openMs! >= GOOD_AFTER_MS;
  const isFault = consequence === 'stop' || consequence === 'stop at once';
  return {
    nextWaitMs: Math.min(good ? options.retryDelayMs : state.nextWaitMs, options.retryMaxMs),
    failedInARow: accepted ? 0 : state.failedInARow + 1,
    faultsInARow: isFault ? state.faultsInARow + 1 : 0,
    refusalsInARow: consequence === 'renew' ? (accepted ? 1 : state.refusalsInARow + 1) : 0,
    refusals: (good ? 0 : state.refusals) + (consequence === 'renew' ? 1 : 0),
    everOpen: state.everOpen || open,
    everWorked: state.everWorked || good || life.events > 0,
  };
}

function endOf(
  state: RetryState,
  consequence: Consequence,
  options: RetryOptions,
): 'ended' | 'refused' | 'failed' | undefined {
  if (consequence === 'normal' && (options.exitOnClose || !options.reconnect)) return 'ended';
  if (consequence === 'renew' && (state.refusalsInARow >= 2 || !options.reconnect)) return 'refused';
  if (consequence === 'stop at once') return 'failed';
  if (!options.reconnect) return 'failed';
  const isHopeless = consequence === 'stop' && !state.everWorked;
  if (isHopeless && state.faultsInARow >= (options.retries ?? FAULTS_IN_A_ROW)) return 'failed';
  const retries = options.retries ?? (state.everOpen ? Number.POSITIVE_INFINITY : DEFAULT_RETRIES);
  // Refused tokens have a rule of their own.
  return consequence !== 'renew' && state.failedInARow >= retries ? 'failed' : undefined;
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
