import type { IncomingHttpHeaders } from 'node:http';
import { apiUrl, displayUrl, redirectTarget } from '../../core/address.js';
import { OpmasError } from '../../core/errors.js';
import { parseObject } from '../../core/json/json-tokens.js';
import { type OptionNames, refuseUnknownOptions } from '../../core/options.js';
import { type Clock, systemClock } from '../clock.js';
import { type HttpResponse, httpRequest } from '../http/http-request.js';
import type { Environment } from '../http/proxy-choice.js';
import { type Credentials, expiryOf } from './credentials.js';

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
  if (answer.status !== 200 && answer.status !== 201) throw refusal(answer, url);
  return { username, ...readTokens(answer, url, access.clock) };
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
  if (status === 404 || status === 405) {
    throw new OpmasError('AUTH', `${displayUrl(access.base)} cannot renew a token (HTTP ${status})`);
  }
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
    throw new OpmasError('AUTH', `${displayUrl(access.base)} rejected the refresh token (HTTP ${status})`);
  }
  if (status !== 200 && status !== 201) throw refusal(answer, url);
  return { ...old, ...readTokens(answer, url, access.clock) };
}

/** Sends requests that share one time limit. */
function poster(access: ServerAccess, url: URL) {
  const { ca, insecure, signal, environment = process.env } = access;
  const deadline = performance.now() + LIMIT_MS;
  return (body: string, headers: Record<string, string>): Promise<HttpResponse> =>
    httpRequest({
      url,
      method: 'POST',
      body,
      headers: { Accept: 'application/json', ...headers },
      timeoutMs: Math.max(1, Math.round(deadline - performance.now())),
      maxBodyBytes: MAX_ANSWER_BYTES,
      ca,
      insecure,
      signal,
      environment,
    });
}

/** Words each refusal; never in the server's words, which may repeat the password. */
function refusal({ status, headers }: HttpResponse, url: URL): OpmasError {
  const where = displayUrl(url);
  const network = (what: string) => new OpmasError('NETWORK', `${where} ${what} (HTTP ${status})`);
  const redirect = headers.location && redirectTarget(headers.location, url);
  const target = redirect ? ` to ${redirect}` : '';
  switch (true) {
    case status === 400 || status === 401:
      return new OpmasError('AUTH', `wrong user or password (HTTP ${status} from ${where})`);
    case status === 403:
      return new OpmasError('AUTH', `this user may not log in (HTTP 403 from ${where})`);
    case status === 404 || status === 405:
      return network('is not a login route: check the path in the URL');
    case status === 415 || status === 422:
      return new OpmasError(
        'AUTH',
        `${where} accepts user and password neither as a form nor as JSON (HTTP ${status})`,
      );
    case status === 429:
      return network(`received too many logins; try again ${laterFrom(headers)}`);
    case status >= 300 && status < 400:
      return network(`redirects${target}; not followed, because that would send the password on`);
    case status >= 500:
      return network('failed; try again later');
    default:
      return network('gave an answer that is not one to a login');
  }
}

function laterFrom(headers: IncomingHttpHeaders): string {
  return /^\d{1,5}$/.test(headers['retry-after'] ?? '') ? `in ${headers['retry-after']} s` : 'later';
}

function readTokens(
  answer: HttpResponse,
  url: URL,
  clock: Clock = systemClock,
): Partial<Credentials> & { accessToken: string } {
  const where = displayUrl(url);
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
