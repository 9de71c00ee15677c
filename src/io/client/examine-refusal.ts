import { clearTimeout, setTimeout } from 'node:timers';
import { endpointUrl } from '../../core/address.js';
import type { ApiAnswers } from '../../core/failure/answer.js';
import type { Failure } from '../../core/failure/failure.js';
import { isAmbiguous, isRefusal, triage } from '../../core/failure/refusal.js';
import type { Clock } from '../clock.js';
import { askApi } from '../http/ask-api.js';
import { isIssuerTrusted } from '../http/issuer-trust.js';
import { proxyAgentFor } from '../http/proxy.js';
import { chooseProxy, type Environment } from '../http/proxy-choice.js';
import { Connection } from './connection/connection.js';

/** The attempt that was refused, and the way to its server. */
export interface RefusedAttempt {
  /** Base URL of the server. */
  base: URL;
  endpoint: string;
  /** The token that was sent, if any. */
  token: string | undefined;
  ca: string | undefined;
  insecure: boolean;
  environment: Environment;
  clock: Clock;
  signal: AbortSignal | undefined;
  /** Answers of the API that are there already. */
  api?: ApiAnswers | undefined;
}

/** Limit of each question. A wrong token is reported within 10 s: twice this, and a wait between. */
const QUESTION_LIMIT_MS = 2500;
/** A server that opens the connection without a token keeps it open for so long, or sends an event sooner. */
const KEPT_AFTER_MS = 500;

/** Finds out what a refusal is about: asks the REST API, then the endpoint without the token, where that tells more. */
export async function examineRefusal(failure: Failure, attempt: RefusedAttempt): Promise<Failure> {
  if (failure.kind === 'certificate expired') return untrustedFirst(failure, attempt);
  if (!isRefusal(failure)) return failure;
  const { token, endpoint, clock, signal } = attempt;
  const nowMs = clock.nowMicros() / 1000;
  const mayAsk = isAmbiguous(failure) && signal?.aborted !== true;
  const api =
    attempt.api ?? (mayAsk ? await askApi({ ...attempt, timeoutMs: QUESTION_LIMIT_MS }) : undefined);
  const evidence = { token, nowMs, endpoint, api };
  const result = triage(failure, evidence);
  // A server that opens every connection and closes it later proves nothing by opening one more.
  const mayTry = result.kind === 'endpoint refuses' && failure.answer !== undefined && token !== undefined;
  if (!mayTry || signal?.aborted) return result;
  return triage(failure, { ...evidence, opensWithoutToken: await opensWithoutToken(attempt) });
}

/** Calls an expired certificate untrusted when it is that, too. Behind a proxy nothing more is found out. */
async function untrustedFirst(failure: Failure, { base, ca, environment }: RefusedAttempt): Promise<Failure> {
  if (chooseProxy(base, environment) !== undefined) return failure;
  const host = base.hostname.replace(/^\[(.*)\]$/, '$1');
  const isTrusted = await isIssuerTrusted(host, Number(base.port || 443), ca);
  return isTrusted ? failure : { ...failure, kind: 'certificate untrusted' };
}

async function opensWithoutToken(attempt: RefusedAttempt): Promise<boolean> {
  const { base, endpoint, ca, insecure, environment, clock, signal } = attempt;
  const url = endpointUrl(base, endpoint);
  const agent = proxyAgentFor(url, environment, ca);
  const limits = {
    connectTimeoutMs: QUESTION_LIMIT_MS,
    deadAfterMs: 25_000,
    maxMessageBytes: 16 * 1024 ** 2,
  };
  let isKept = false;
  let timer: NodeJS.Timeout | undefined;
  const connection = new Connection(
    { url, token: undefined, clock, agent, ca, insecure, heartbeatMs: undefined, ...limits },
    {
      onOpen: () => {
        timer = setTimeout(keep, KEPT_AFTER_MS);
      },
      onBytes: () => undefined,
      onMessage: () => {
        keep();
        return true;
      },
    },
  );
  function keep(): void {
    isKept = true;
    connection.close();
  }
  const stop = () => connection.close();
  signal?.addEventListener('abort', stop, { once: true });
  await connection.ended;
  signal?.removeEventListener('abort', stop);
  clearTimeout(timer);
  agent?.destroy();
  return isKept;
}
