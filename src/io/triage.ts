import { apiUrl } from '../core/address.js';
import { type HttpResponse, httpRequest } from './http-request.js';

export interface TriageOptions {
  /** Base URL of the server. */
  base: URL;
  /** The token that was refused; `undefined` when none was sent. */
  token: string | undefined;
  ca?: string | undefined;
  insecure?: boolean | undefined;
  /** Limit of each request. Default 5 s. */
  timeoutMs?: number;
  signal?: AbortSignal | undefined;
}

const TIMEOUT_MS = 5000;

/**
 * Finds out what a bare HTTP 403 on an upgrade was about: the server answers it for a refused token and for an unknown
 * path alike, so its REST API is asked about the token (`GET /api/v1/auth/me`).
 *
 * @returns `token`: the token is refused. `path`: the token is good, or there is no API below the base URL at all, so
 * the path or the server is at fault. `unknown`: no answer, or none that tells.
 */
export async function triageForbidden(options: TriageOptions): Promise<'token' | 'path' | 'unknown'> {
  try {
    const { status } = await askAboutToken(options);
    if (status === 401 || status === 403) return 'token';
    if (status === 404) return (await isApiMissing(options)) ? 'path' : 'unknown';
    return status >= 200 && status < 300 ? 'path' : 'unknown';
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
