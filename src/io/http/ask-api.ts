import { apiUrl } from '../../core/address.js';
import type { ApiAnswer } from '../../core/failure/refusal.js';
import { type HttpResponse, httpRequest } from './http-request.js';
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

/** The answer to an {@link ApiQuestion}. */
export interface AskedApi extends ApiAnswer {
  headers: HttpResponse['headers'];
  /** The reason why there was no answer. */
  error: unknown;
}

const TIMEOUT_MS = 5000;

/**
 * Asks the REST API about a token: `GET /api/v1/auth/me`, and `GET /health` where that is not found, because every
 * version of the server has it. A failed request is an answer without a status; this never throws.
 */
export async function askApi(question: ApiQuestion): Promise<AskedApi> {
  const { token, timeoutMs = TIMEOUT_MS } = question;
  const deadline = performance.now() + timeoutMs;
  try {
    const authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const { status, headers } = await get(question, '/api/v1/auth/me', timeoutMs, authorization);
    if (status !== 404) return { status, headers, isMissing: false, error: undefined };
    const leftMs = Math.max(1, Math.round(deadline - performance.now()));
    const health = await get(question, '/health', leftMs, {});
    return { status, headers, isMissing: health.status === 404, error: undefined };
  } catch (error) {
    return { status: undefined, headers: {}, isMissing: false, error };
  }
}

function get(
  { base, ca, insecure, signal, environment }: ApiQuestion,
  path: string,
  timeoutMs: number,
  headers: Record<string, string>,
): Promise<HttpResponse> {
  const url = apiUrl(base, path);
  return httpRequest({ url, headers, timeoutMs, maxBodyBytes: 0, ca, insecure, signal, environment });
}
