import { apiUrl } from '../../core/address.js';
import { type ApiAnswers, apiWordOf, type HttpAnswer, isApiError } from '../../core/failure/answer.js';
import { monotonicMs } from '../clock.js';
import { httpRequest } from './http-request.js';
import type { Environment } from './proxy-choice.js';

/** A question to the REST API about a token. */
export interface ApiQuestion {
  /** Base URL of the server. */
  base: URL;
  /** `undefined` asks without one. */
  token: string | undefined;
  ca?: string | undefined;
  insecure?: boolean | undefined;
  /** Limit of all requests together. Default 5 s. */
  timeoutMs?: number;
  signal?: AbortSignal | undefined;
  /** Environment variables that may name a proxy. */
  environment: Environment;
}

/** The answers to an {@link ApiQuestion}. */
export interface AskedApi extends ApiAnswers {
  /** The reason why there was no answer. */
  error: unknown;
}

const TIMEOUT_MS = 5000;
/** A user is smaller than that. */
const MAX_BODY_BYTES = 16 * 1024;

/**
 * Asks the REST API about a token: `GET /api/v1/auth/me`, and `GET /health` where the first answer leaves open who
 * gave it, because every version of the server has it and it needs no token. This never throws.
 */
export async function askApi(question: ApiQuestion): Promise<AskedApi> {
  const { token, timeoutMs = TIMEOUT_MS } = question;
  const deadline = monotonicMs() + timeoutMs;
  const asked: AskedApi = { error: undefined };
  try {
    const authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    asked.me = await get(question, '/api/v1/auth/me', timeoutMs, authorization);
    if (isPlain(asked)) return asked;
    const leftMs = Math.max(1, Math.round(deadline - monotonicMs()));
    asked.health = await get(question, '/health', leftMs, {});
  } catch (error) {
    asked.error = error;
  }
  return asked;
}

/** Returns whether the first answer says all: the API names the user, or refuses the token with 401. */
function isPlain({ me }: ApiAnswers): boolean {
  const word = apiWordOf({ me });
  return (
    word === 'accepts' || word === 'fails' || (word === 'rejects' && me?.status === 401 && isApiError(me))
  );
}

async function get(
  { base, ca, insecure, signal, environment }: ApiQuestion,
  path: string,
  timeoutMs: number,
  headers: Record<string, string>,
): Promise<HttpAnswer> {
  const url = apiUrl(base, path);
  const maxBodyBytes = MAX_BODY_BYTES;
  const response = await httpRequest({
    url,
    headers,
    timeoutMs,
    maxBodyBytes,
    ca,
    insecure,
    signal,
    environment,
  });
  return { status: response.status, headers: response.headers, text: response.body.toString('utf8') };
}
