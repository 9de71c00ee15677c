import { apiUrl, displayUrl } from '../../core/address.js';
import { OpmasError } from '../../core/errors.js';
import { parseObject } from '../../core/json/json-tokens.js';
import { type OptionNames, refuseUnknownOptions } from '../../core/options.js';
import { type Clock, monotonicMs, systemClock } from '../clock.js';
import { type HttpResponse, httpRequest } from '../http/http-request.js';
import type { Environment } from '../http/proxy-choice.js';
import { type Credentials, expiryOf } from './credentials.js';
import { answerOf, gatewayRefusal, loginRefusal, placeOf, type TokenRequest } from './login-refusal.js';

/** A server and the way to it. */
export interface ServerAccess {
  base: URL;
  /** CA to trust, as PEM. */
  ca?: string | undefined;
  insecure?: boolean | undefined;
  signal?: AbortSignal | undefined;
  clock?: Clock | undefined;
  /** Environment variables that may name a proxy. Default `process.env`. */
  environment?: Environment | undefined;
}

const ACCESS_OPTIONS: OptionNames<ServerAccess> = {
  base: true,
  ca: true,
  insecure: true,
  signal: true,
  clock: true,
  environment: true,
};

/** Limit for a login or a renewal with all its requests. */
const LIMIT_MS = 10_000;
/** An answer that holds tokens is a few kilobytes. */
const MAX_ANSWER_BYTES = 256 * 1024;

/**
 * Logs in (`POST /api/v1/auth/login`) with the OAuth2 form and, when the server answers 415 or 422, once with JSON.
 *
 * @throws {OpmasError} `AUTH` when the server rejects user or password; `NETWORK` when it does not answer in 10 s,
 * redirects, or answers with something else. No error shows the server's words.
 */
export async function login(access: ServerAccess, username: string, password: string): Promise<Credentials> {
  refuseUnknownOptions('login', access, ACCESS_OPTIONS);
  const url = apiUrl(access.base, '/api/v1/auth/login');
  const post = poster(access, url);
  const form = new URLSearchParams({ grant_type: 'password', username, password }).toString();
  let answer = await post(form, { 'Content-Type': 'application/x-www-form-urlencoded' });
  if (answer.status === 415 || answer.status === 422) {
    answer = await post(JSON.stringify({ username, password }), { 'Content-Type': 'application/json' });
  }
  const request = requestOf(access, url, password);
  if (answer.status !== 200 && answer.status !== 201) throw loginRefusal(answer, request);
  return { username, ...readTokens(answer, request, access.clock) };
}

/**
 * Gets a new access token for a refresh token (`POST /api/v1/auth/refresh`): JSON body first, then as bearer token.
 *
 * @throws {OpmasError} `AUTH` when the server rejects it or has no such route; `NETWORK` when there is no usable answer.
 */
export async function refreshCredentials(access: ServerAccess, old: Credentials): Promise<Credentials> {
  refuseUnknownOptions('refreshCredentials', access, ACCESS_OPTIONS);
  const { refreshToken } = old;
  if (refreshToken === undefined) throw new OpmasError('AUTH', 'there is no refresh token');
  const url = apiUrl(access.base, '/api/v1/auth/refresh');
  const post = poster(access, url);
  let answer = await post(JSON.stringify({ refresh_token: refreshToken }), {
    'Content-Type': 'application/json',
  });
  if ([400, 401, 403, 415, 422].includes(answer.status)) {
    answer = await post('', { Authorization: `Bearer ${refreshToken}` });
  }
  const { status } = answer;
  const request = requestOf(access, url, refreshToken);
  const byOther = gatewayRefusal(answerOf(answer), request);
  if (byOther !== undefined) throw byOther;
  if (status === 404 || status === 405) {
    throw new OpmasError('AUTH', `${displayUrl(access.base)} cannot renew a token (HTTP ${status})`);
  }
  if (status === 415 || status === 422) {
    const what = 'did not accept the form of the request for a new token';
    throw new OpmasError('AUTH', `${displayUrl(access.base)} ${what} (HTTP ${status})`);
  }
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
    throw new OpmasError('AUTH', `${displayUrl(access.base)} rejected the refresh token (HTTP ${status})`);
  }
  if (status !== 200 && status !== 201) throw loginRefusal(answer, request);
  return { ...old, ...readTokens(answer, request, access.clock) };
}

function requestOf(
  { base, environment = process.env }: ServerAccess,
  url: URL,
  secret: string,
): TokenRequest {
  return { base, url, secret, environment };
}

/** Sends requests that share one time limit. */
function poster(access: ServerAccess, url: URL) {
  const { ca, insecure, signal, environment = process.env } = access;
  const deadline = monotonicMs() + LIMIT_MS;
  return (body: string, headers: Record<string, string>): Promise<HttpResponse> =>
    httpRequest({
      url,
      method: 'POST',
      body,
      headers: { Accept: 'application/json', ...headers },
      timeoutMs: Math.max(1, Math.round(deadline - monotonicMs())),
      maxBodyBytes: MAX_ANSWER_BYTES,
      ca,
      insecure,
      signal,
      environment,
    });
}

function readTokens(
  answer: HttpResponse,
  request: TokenRequest,
  clock: Clock = systemClock,
): Partial<Credentials> & { accessToken: string } {
  const where = placeOf(request);
  const fail = (what: string) => new OpmasError('NETWORK', `${where} answers ${what}`);
  if (answer.truncated) throw fail('with too much data to be a token');
  const fields = parseObject(answer.body.toString());
  if (fields === undefined) {
    const isPage = answer.body.toString('latin1', 0, 512).trimStart().startsWith('<');
    const page = 'with a web page: is this the address of the API?';
    throw fail(isPage ? page : 'with something that is not a JSON object');
  }
  const { access_token: accessToken, refresh_token: refreshToken, expires_in: expiresIn } = fields;
  if (!isToken(accessToken)) throw fail('without an access token');
  const now = clock.nowMicros() / 1000;
  return {
    accessToken,
    ...(isToken(refreshToken) ? { refreshToken } : {}),
    expiresAtMs: expiryOf(accessToken, now, expiresIn),
    obtainedAtMs: now,
  };
}

function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]+$/.test(value);
}
