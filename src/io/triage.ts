import { apiUrl } from '../core/address.js';
import { httpRequest } from './http-request.js';

export interface TriageOptions {
  /** Base URL of the server. */
  base: URL;
  /** The token that was refused; `undefined` when none was sent. */
  token: string | undefined;
  ca?: string | undefined;
  insecure?: boolean | undefined;
  /** Default 5 s. */
  timeoutMs?: number;
  signal?: AbortSignal | undefined;
}

const TIMEOUT_MS = 5000;

/**
 * Finds out what a bare HTTP 403 on an upgrade was about: the server answers it for a refused token and for an unknown
 * path alike, so its REST API is asked about the token (`GET /api/v1/auth/me`).
 *
 * @returns `token`: the token is refused. `path`: the token is good, so the path or the server is at fault. `unknown`:
 * no answer, or none that tells.
 */
export async function triageForbidden(options: TriageOptions): Promise<'token' | 'path' | 'unknown'> {
  const { base, token, ca, insecure, timeoutMs = TIMEOUT_MS, signal } = options;
  try {
    const { status } = await httpRequest({
      url: apiUrl(base, '/api/v1/auth/me'),
      headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
      timeoutMs,
      maxBodyBytes: 0,
      ca,
      insecure,
      signal,
    });
    if (status === 401 || status === 403) return 'token';
    return status >= 200 && status < 300 ? 'path' : 'unknown';
  } catch {
    return 'unknown';
  }
}
