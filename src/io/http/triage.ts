import { apiUrl } from '../../core/address.js';
import { type HttpResponse, httpRequest } from './http-request.js';

/** What {@link triageRefusal} takes. */
export interface TriageOptions {
  /** Base URL of the server. */
  base: URL;
  /** The token that was refused; `undefined` when none was sent. */
  token: string | undefined;
  ca?: string | undefined;
  insecure?: boolean | undefined;
  /** Limit of all requests together. Default 5 s. */
  timeoutMs?: number;
  signal?: AbortSignal | undefined;
}

/** What a refusal was about. */
export type Culprit =
  /** The API does not take the token, or wants one. */
  | 'token'
  /** The API takes the token, so the path, the server or what we did is at fault. */
  | 'not the token'
  /** There is no API below the base URL. */
  | 'no API'
  /** No answer, or none that tells. */
  | 'unknown';

const TIMEOUT_MS = 5000;

/**
 * Finds out what a refusal was about that does not say so: a bare HTTP 403 on an upgrade, which the server answers for a
 * refused token and for an unknown path alike, or a close with 1008, which it sends for a refused token and for too many
 * messages alike. Its REST API is asked about the token (`GET /api/v1/auth/me`).
 */
export async function triageRefusal(options: TriageOptions): Promise<Culprit> {
  const { timeoutMs = TIMEOUT_MS } = options;
  const deadline = performance.now() + timeoutMs;
  try {
    const { status } = await askAboutToken(options);
    if (status === 401 || status === 403) return 'token';
    if (status >= 200 && status < 300) return 'not the token';
    if (status !== 404) return 'unknown';
    const left = Math.max(1, Math.round(deadline - performance.now()));
    return (await isApiMissing({ ...options, timeoutMs: left })) ? 'no API' : 'unknown';
  } catch {
    return 'unknown';
  }
}

/** Asks the REST API whom the token stands for. @throws {OpmasError} `NETWORK` when there is no answer. */
export function askAboutToken(options: TriageOptions): Promise<HttpResponse> {
  const { token } = options;
  return ask(options, '/api/v1/auth/me', token === undefined ? {} : { Authorization: `Bearer ${token}` });
}

/** Whether the base URL is not that of an API: what every version of the server has is not there either. */
export async function isApiMissing(options: TriageOptions): Promise<boolean> {
  return (await ask(options, '/health', {})).status === 404;
}

function ask(
  { base, ca, insecure, timeoutMs = TIMEOUT_MS, signal }: TriageOptions,
  path: string,
  headers: Record<string, string>,
): Promise<HttpResponse> {
  return httpRequest({ url: apiUrl(base, path), headers, timeoutMs, maxBodyBytes: 0, ca, insecure, signal });
}
