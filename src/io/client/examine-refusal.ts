import { clearTimeout, setTimeout } from 'node:timers';
import type { Failure, RefusalEvidence } from '../../core/failure/failure.js';
import { isAmbiguous, isRefusal, triage } from '../../core/failure/refusal.js';
import { type Clock, monotonicMs } from '../clock.js';
import { askApi } from '../http/ask-api.js';
import { untrustedFirst } from '../http/issuer-trust.js';
import type { ServerRoute } from '../http/server-route.js';
import { loadWebSocket } from '../websocket.js';
import { Connection } from './connection/connection.js';
import type { ConnectionOptions } from './connection/connection-options.js';
import { STREAM_DEFAULTS } from './stream-options.js';

/** The attempt that was refused, and the way to its server. */
export interface RefusedAttempt
  extends Pick<RefusalEvidence, 'endpoint' | 'token' | 'api' | 'clockAheadMs' | 'wasOpenBeside'> {
  route: ServerRoute;
  clock: Clock;
  signal: AbortSignal | undefined;
}

/** Limit of each question. A wrong token is reported within 10 s: twice this, and a wait between. */
const QUESTION_LIMIT_MS = 2500;

/** Finds out what a refusal is about: asks the REST API, then the endpoint without the token, where that tells more. */
export async function examineRefusal(failure: Failure, attempt: RefusedAttempt): Promise<Failure> {
  if (!isRefusal(failure)) return untrustedFirst(failure, attempt.route);
  const { route, token, endpoint, clock, signal } = attempt;
  const nowMs = clock.nowMicros() / 1000;
  const mayAsk = isAmbiguous(failure) && signal?.aborted !== true;
  const limits = { timeoutMs: QUESTION_LIMIT_MS, signal };
  const api = attempt.api ?? (mayAsk ? await askApi(route, token, limits) : undefined);
  const redact = (text: string) => route.redact(text, token);
  const { authorization, base, trust } = route;
  const way = { isSecure: /^(wss|https):/.test(base.protocol), hasCertificate: trust.hasCertificate };
  const evidence = { ...attempt, ...way, authorization, redact, nowMs, api };
  const result = triage(failure, evidence);
  // A server that opens every connection and closes it later proves nothing by opening one more.
  const mayTry = result.kind === 'endpoint refuses' && failure.answer !== undefined && token !== undefined;
  if (!mayTry || signal?.aborted) return result;
  const upgrade = route.upgrade(endpoint, undefined, QUESTION_LIMIT_MS);
  const probe = { upgrade, clock, signal, connectTimeoutMs: QUESTION_LIMIT_MS, isBrief: true };
  const opensWithoutToken = (await probeEndpoint(probe)).failure === undefined;
  return triage(failure, { ...evidence, opensWithoutToken });
}

/** The result of an attempt to open one endpoint. */
export interface ProbeResult {
  /** The reason why it did not open, or did not stay open; `undefined` when it did. */
  failure: Failure | undefined;
  /** From the beginning to the upgrade or its refusal. */
  upgradeMs: number;
  /** From our protocol ping to the pong; `undefined` when none came. */
  roundTripMs: number | undefined;
  /** A message came. */
  hasEvent: boolean;
}

/** The longest wait for a pong. */
export const PONG_LIMIT_MS = 5000;
/** A server that accepts first and then rejects the token does so within this time. */
const LATE_REFUSAL_MS = 1000;
/** The parameters of a probe; the rest is the same for all. */
export type ProbeOptions = Pick<ConnectionOptions, 'upgrade' | 'clock'> & {
  signal: AbortSignal | undefined;
  /** Default 10 s. */
  connectTimeoutMs?: number;
  /** Waits for no pong: a connection that is kept, or gives an event, is good. */
  isBrief?: boolean;
};

/** Opens an endpoint as a client does, pings it, and waits for a refusal that comes late. */
export async function probeEndpoint({ signal, isBrief, ...options }: ProbeOptions): Promise<ProbeResult> {
  await loadWebSocket();
  const startedAtMs = monotonicMs();
  let upgradedAtMs: number | undefined;
  let pongAtMs: number | undefined;
  let hasEvent = false;
  let limit: NodeJS.Timeout | undefined;
  /** We ended it, before the server did. A connection that is open then is good. */
  let isDone = false;
  const stop = () => {
    isDone = true;
    connection.close();
  };
  const stopIn = (waitMs: number) => {
    clearTimeout(limit);
    limit = setTimeout(stop, waitMs);
  };
  const connection = new Connection(
    { ...STREAM_DEFAULTS, heartbeatMs: undefined, ...options, signal },
    {
      onOpen: () => {
        upgradedAtMs = monotonicMs();
        connection.ping();
        stopIn(PONG_LIMIT_MS);
      },
      onKept: () => isBrief && stop(),
      onBytes: () => undefined,
      onMessage: () => {
        hasEvent = true;
        if (pongAtMs !== undefined || isBrief) stop();
        return true;
      },
      onPong: () => {
        pongAtMs ??= monotonicMs();
        // An event is proof enough that the token was accepted; without one, a refusal may still come.
        if (!isBrief) stopIn(hasEvent ? 0 : LATE_REFUSAL_MS);
      },
    },
  );
  const failure = await connection.ended;
  clearTimeout(limit);
  const upgradeMs = (upgradedAtMs ?? monotonicMs()) - startedAtMs;
  const roundTripMs = upgradedAtMs && pongAtMs && pongAtMs - upgradedAtMs;
  const isGood = upgradedAtMs !== undefined && (isDone || signal?.aborted);
  return { failure: isGood ? undefined : failure, upgradeMs, roundTripMs, hasEvent };
}
