import { displayUrl, type Redact } from '../address.js';
import { CloseCode } from '../close-code.js';
import { parseRetryAfter } from '../retry.js';
import { type HttpAnswer, headerOf, redirectTarget } from './answer.js';
import type { Failure } from './failure.js';
import type { Advice, NextCommand } from './rule.js';
import type { FailureKind } from './table.js';

/** The attempt that an answer belongs to. */
export interface AttemptContext {
  url: URL;
  redact: Redact;
  /** Wall clock, milliseconds since 1970. */
  nowMs: number;
}

/** Makes a failure of an HTTP answer other than 101. `triage` refines the kinds that leave a question open. */
export function failureOfAnswer(answer: HttpAnswer, attempt: AttemptContext): Failure {
  const { status } = answer;
  // Without a target, 304 and others are answers like any.
  const isRedirect = status >= 300 && status < 400 && headerOf(answer, 'location') !== undefined;
  const target = isRedirect ? redirectTarget(answer, attempt.url) : undefined;
  const shown = target === undefined ? 'an unreadable address' : attempt.redact(displayUrl(target));
  const plain = status >= 200 && status < 300 ? 'it answers plain HTTP: not a WebSocket endpoint' : undefined;
  const error = isRedirect ? `redirects to ${shown}, which is never followed` : plain;
  const general = status >= 500 ? 'server fails' : isRedirect ? 'redirected' : 'not a WebSocket';
  return {
    kind: statusKinds[status] ?? general,
    event: { state: 'refused', status, ...(error === undefined ? {} : { error }) },
    answer,
    retryAfterMs: parseRetryAfter(headerOf(answer, 'retry-after'), attempt.nowMs),
    next: target && stepTo(target, attempt),
    // Servers differ in the status for a line that is too long.
    ...statusSteps[status === 431 ? 414 : status],
  };
}

const statusKinds: Readonly<Record<number, FailureKind>> = {
  401: 'token refused',
  403: 'unknown',
  404: 'endpoint does not exist',
  408: 'server fails',
  410: 'endpoint does not exist',
  429: 'rate limited',
};

/** Steps for statuses that say more than their kinds. */
const statusSteps: Readonly<Record<number, Advice>> = {
  407: {
    hint: 'a proxy that was not chosen is in the way and wants a login: choose it with `proxy`',
    next: { name: 'doctor', change: { proxy: 'http://USER:PASSWORD@PROXY:3128' } },
  },
  414: {
    hint: "the token, the path or a header is too long for the server, or for a proxy in front of it: `tokenIn: 'header'` takes the token out of the URL",
    next: { name: 'doctor', change: { tokenIn: 'header' } },
  },
  511: { hint: 'this network wants a login before it lets anything through: open any page in a browser' },
};

/** Makes the step to a server that has moved. A login page, which has another path, is no server of ours. */
function stepTo(target: URL, { url, redact }: AttemptContext): NextCommand | undefined {
  if (redact(target.href) !== target.href) return undefined;
  const endpoint = url.pathname.slice(Math.max(0, url.pathname.indexOf('/api/v1/ws/')));
  if (!target.pathname.endsWith(endpoint) || !/^https?:|^wss?:/.test(target.protocol)) return undefined;
  const prefix = target.pathname.slice(0, -endpoint.length);
  const scheme = /^(https|wss):/.test(target.protocol) ? 'wss' : 'ws';
  return { name: 'doctor', change: { url: `${scheme}://${target.host}${prefix}` } };
}

const closeKinds: Readonly<Record<number, FailureKind>> = {
  [CloseCode.NORMAL]: 'normal close',
  [CloseCode.PROTOCOL_ERROR]: 'protocol error',
  [CloseCode.UNSUPPORTED_DATA]: 'protocol error',
  [CloseCode.INVALID_TEXT]: 'protocol error',
  [CloseCode.POLICY_VIOLATION]: 'unknown',
  [CloseCode.MESSAGE_TOO_BIG]: 'message too big',
  [CloseCode.EXTENSION_MISSING]: 'protocol error',
  [CloseCode.AUTHENTICATION_FAILED]: 'token refused',
};

/**
 * Makes a failure of the end of an open connection.
 *
 * @param code The server's, or the code that RFC 6455 section 7.4.1 gives to the event. @param reason Without a token.
 */
export function failureOfClose(code: number, reason: string): Failure {
  return { kind: closeKinds[code] ?? 'closed', event: { state: 'closed', code, reason } };
}
