import type { Failure, RefusalEvidence } from '../../core/failure/failure.js';
import { isAmbiguous, isRefusal, triage } from '../../core/failure/refusal.js';
import type { Clock } from '../clock.js';
import { askApi } from '../http/ask-api.js';
import { untrustedFirst } from '../http/issuer-trust.js';
import type { ServerRoute } from '../http/server-route.js';
import { probeEndpoint } from './probe-endpoint.js';

/** The attempt that was refused, and the way to its server. */
export interface RefusedAttempt
  extends Pick<RefusalEvidence, 'endpoint' | 'token' | 'api' | 'clockAheadMs' | 'wasOpenBeside'> {
  route: ServerRoute;
  clock: Clock;
  signal: AbortSignal | undefined;
}

/** Limit of each question. A wrong token is reported within 10 s: twice this, and a wait between. */
const QUESTION_LIMIT_MS = 2500;
/** A server that opens the connection without a token keeps it open for so long, or sends an event sooner. */
const KEPT_AFTER_MS = 500;

/** Finds out what a refusal is about: asks the REST API, then the endpoint without the token, where that tells more. */
export async function examineRefusal(failure: Failure, attempt: RefusedAttempt): Promise<Failure> {
  if (!isRefusal(failure)) return untrustedFirst(failure, attempt.route);
  const { route, token, endpoint, clock, signal } = attempt;
  const nowMs = clock.nowMicros() / 1000;
  const mayAsk = isAmbiguous(failure) && signal?.aborted !== true;
  const limits = { timeoutMs: QUESTION_LIMIT_MS, signal };
  const api = attempt.api ?? (mayAsk ? await askApi(route, token, limits) : undefined);
  const redact = (text: string) => route.redact(text, token);
  const { authorization, trust } = route;
  const evidence = { ...attempt, authorization, redact, nowMs, hasCertificate: trust.hasCertificate, api };
  const result = triage(failure, evidence);
  // A server that opens every connection and closes it later proves nothing by opening one more.
  const mayTry = result.kind === 'endpoint refuses' && failure.answer !== undefined && token !== undefined;
  if (!mayTry || signal?.aborted) return result;
  const upgrade = route.upgrade(endpoint, undefined, QUESTION_LIMIT_MS);
  const probe = { upgrade, clock, signal, connectTimeoutMs: QUESTION_LIMIT_MS, keptMs: KEPT_AFTER_MS };
  const opensWithoutToken = (await probeEndpoint(probe)).failure === undefined;
  return triage(failure, { ...evidence, opensWithoutToken });
}
