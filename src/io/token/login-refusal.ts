import { apiUrl, displayUrl } from '../../core/address.js';
import { OpmasError } from '../../core/errors.js';
import {
  gatewayFailureOf,
  gatewayText,
  type HttpAnswer,
  headerOf,
  isAboutTls,
  isApiError,
  jsonOf,
  redirectTarget,
} from '../../core/failure/answer.js';
import { hintOf } from '../../core/failure/give-up.js';
import { adviceOnCredentials } from '../../core/failure/refusal.js';
import type { FailureKind } from '../../core/failure/table.js';
import { type HttpResponse, textOf } from '../http/http-request.js';
import { nameOf } from '../http/proxy.js';
import type { ServerRoute } from '../http/server-route.js';

/** The request for tokens that was refused. */
export interface TokenRequest {
  route: ServerRoute;
  path: string;
  /** The password or the refresh token that it carried. It is not shown. */
  secret: string;
}

/** Longer texts say nothing more. */
const LONGEST_TEXT = 4096;

/** Reads a response as far as its refusal can be judged. */
export function answerOf({ status, headers, body }: HttpResponse): HttpAnswer {
  return { status, headers, text: textOf(body, headers).slice(0, LONGEST_TEXT) };
}

/** Makes the error for an answer by something before the API, which the API had no part in. */
export function gatewayRefusal(answer: HttpAnswer, request: TokenRequest): OpmasError | undefined {
  const { base, authorization, trust } = request.route;
  const kind = gatewayFailureOf(answer, trust.hasCertificate);
  if (kind === undefined) return undefined;
  const advice = kind === 'gateway wants credentials' ? adviceOnCredentials(authorization) : {};
  const text = `${gatewayText(kind, answer, placeOf(request))} (HTTP ${answer.status})`;
  return new OpmasError('NETWORK', text, { failure: kind, hint: hintOf({ kind, ...advice }, base) });
}

/** Words each refusal of a login. The server's own words are not shown, because they may repeat the password. */
export function loginRefusal(response: HttpResponse, request: TokenRequest): OpmasError {
  const answer = answerOf(response);
  const { status } = answer;
  const where = placeOf(request);
  const auth = (what: string) => new OpmasError('AUTH', `${what} (HTTP ${status} from ${where})`);
  const network = (what: string, kind?: FailureKind, hint = kind && hintOf({ kind }, request.route.base)) =>
    new OpmasError('NETWORK', `${where} ${what} (HTTP ${status})`, { failure: kind, hint });
  const byOther = gatewayRefusal(answer, request);
  if (byOther !== undefined) return byOther;
  if (/^(ws|http):/.test(request.route.base.protocol) && isAboutTls(answer))
    return network('answers that this port wants TLS', 'TLS wanted');
  switch (true) {
    case status === 401:
      return auth('wrong user or password');
    case status === 400 && jsonOf(answer) !== undefined:
      return auth('wrong user or password, or a user who may not log in');
    case status === 403:
      return auth('this user may not log in');
    case status === 404 || status === 405:
      return network('is not a login route: there is no OPMAS API below this URL', 'no API there');
    case status === 415 || status === 422:
      return auth('the server accepts user and password neither as a form nor as JSON');
    case status === 429:
      return network(`received too many logins; try again ${laterFrom(answer)}`);
    case status >= 300 && status < 400:
      return network(
        `redirects${targetOf(answer, request)}; not followed, because that would send the password on`,
        'redirected',
      );
    case status >= 500:
      return network('failed; try again later', 'server fails');
    case status >= 400 && isApiError(answer):
      return auth('the server refused the login');
    default:
      return network('gave an answer that is not one to a login', undefined, '`opmas-ws doctor` says more.');
  }
}

/** Names the server, and the proxy that passed the request on, or answered in its place. */
export function placeOf({ route, path }: TokenRequest): string {
  const { base, proxy } = route;
  const through = proxy && ` (through ${nameOf(proxy)})`;
  return `${displayUrl(apiUrl(base, path))}${through ?? ''}`;
}

function laterFrom(answer: HttpAnswer): string {
  const seconds = headerOf(answer, 'retry-after') ?? '';
  return /^\d{1,5}$/.test(seconds) ? `in ${seconds} s` : 'later';
}

function targetOf(answer: HttpAnswer, { route, path, secret }: TokenRequest): string {
  const target = redirectTarget(answer, apiUrl(route.base, path));
  return target === undefined ? '' : ` to ${route.redact(displayUrl(target), secret)}`;
}
