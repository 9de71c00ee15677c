import { displayUrl } from '../../core/address.js';
import { OpmasError } from '../../core/errors.js';
import { clockAheadOf } from '../../core/failure/answer.js';
import { parseObject } from '../../core/json/json-tokens.js';
import { checkOptions, each, type OptionRules } from '../../core/options.js';
import { type Clock, monotonicMs, systemClock } from '../clock.js';
import { type HttpResponse, textOf } from '../http/http-request.js';
import { ROUTE_RULES, type RouteOptions, ServerRoute } from '../http/server-route.js';
import { type Credentials, expiryOf, secretOf } from './credentials.js';
import { answerOf, gatewayRefusal, loginRefusal, placeOf, type TokenRequest } from './login-refusal.js';

/** A server and the way to it. */
export interface ServerAccess extends RouteOptions {
  base: URL;
  signal?: AbortSignal | undefined;
  clock?: Clock | undefined;
}

const ACCESS_OPTIONS: OptionRules<ServerAccess> = {
  ...each(true, 'base', 'signal', 'clock'),
  ...ROUTE_RULES,
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
  checkOptions('login', access, ACCESS_OPTIONS);
  const { post, ...request } = tokenRequest(access, '/api/v1/auth/login', password);
  const form = new URLSearchParams({ grant_type: 'password', username, password }).toString();
  let answer = await post(form, { 'Content-Type': 'application/x-www-form-urlencoded' });
  if (answer.status === 415 || answer.status === 422) {
    answer = await post(JSON.stringify({ username, password }), { 'Content-Type': 'application/json' });
  }
  if (answer.status !== 200 && answer.status !== 201) throw loginRefusal(answer, request);
  return { username, ...readTokens(answer, request, access.clock) };
}

/**
 * Gets a new access token for a refresh token (`POST /api/v1/auth/refresh`): JSON body first, then as bearer token.
 *
 * @throws {OpmasError} `AUTH` when the server rejects it or has no such route; `NETWORK` when there is no usable answer.
 */
export async function refreshCredentials(access: ServerAccess, old: Credentials): Promise<Credentials> {
  checkOptions('refreshCredentials', access, ACCESS_OPTIONS);
  const { refreshToken } = old;
  if (refreshToken === undefined) throw new OpmasError('AUTH', 'there is no refresh token');
  const { post, ...request } = tokenRequest(access, '/api/v1/auth/refresh', refreshToken);
  let answer = await post(JSON.stringify({ refresh_token: refreshToken }), {
    'Content-Type': 'application/json',
  });
  if ([400, 401, 403, 415, 422].includes(answer.status) && request.route.authorization !== 'user') {
    answer = await post('', {}, refreshToken);
  }
  const { status } = answer;
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

/** Begins to ask for tokens. All that is posted shares one time limit. */
function tokenRequest(access: ServerAccess, path: string, secret: string) {
  const route = new ServerRoute(access.base, access);
  const deadline = monotonicMs() + LIMIT_MS;
  const post = (body: string, headers: Record<string, string>, token?: string): Promise<HttpResponse> =>
    route.request(path, {
      method: 'POST',
      body,
      headers: { Accept: 'application/json', ...headers },
      token,
      timeoutMs: Math.max(1, Math.round(deadline - monotonicMs())),
      maxBodyBytes: MAX_ANSWER_BYTES,
      signal: access.signal,
    });
  return { route, path, secret, post };
}

function readTokens(
  answer: HttpResponse,
  request: TokenRequest,
  clock: Clock = systemClock,
): Partial<Credentials> & { accessToken: string } {
  const where = placeOf(request);
  const fail = (what: string) => new OpmasError('NETWORK', `${where} answers ${what}`);
  if (answer.truncated) throw fail('with too much data to be a token');
  const text = textOf(answer.body, answer.headers);
  const fields = parseObject(text);
  if (fields === undefined) {
    const isPage = text.trimStart().startsWith('<');
    const page = 'with a web page: is this the address of the API?';
    throw fail(isPage ? page : 'with something that is not a JSON object');
  }
  const accessToken = secretOf(fields.access_token);
  const refreshToken = secretOf(fields.refresh_token);
  if (accessToken === undefined) throw fail('without an access token');
  const now = clock.nowMicros() / 1000;
  const clockAheadMs = clockAheadOf(answer, now) || undefined;
  return {
    accessToken,
    ...(refreshToken && { refreshToken }),
    expiresAtMs: expiryOf(accessToken, now, fields.expires_in, clockAheadMs),
    obtainedAtMs: now,
    clockAheadMs,
  };
}
