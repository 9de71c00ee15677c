import { displayUrl, type Redact } from '../address.js';
import { CloseCode } from '../close-code.js';
import { parseRetryAfter } from '../retry.js';
import { type HttpAnswer, headerOf, redirectTarget } from './answer.js';
import type { Failure } from './failure.js';
import type { NextCommand } from './rule.js';
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
  const target = status >= 300 && status < 400 ? redirectTarget(answer, attempt.url) : undefined;
  const error = errorText(answer, target, attempt);
  return {
    kind: kindOfStatus(status),
    event: { state: 'refused', status, ...(error === undefined ? {} : { error }) },
    answer,
    retryAfterMs: parseRetryAfter(headerOf(answer, 'retry-after'), attempt.nowMs),
    next: target && stepTo(target, attempt),
  };
}

const statusKinds: Readonly<Record<number, FailureKind>> = {
  401: 'token refused',
  403: 'unknown',
  404: 'endpoint does not exist',
  407: 'proxy wants a login',
  408: 'server fails',
  410: 'endpoint does not exist',
  429: 'rate limited',
};

function kindOfStatus(status: number): FailureKind {
  const known = statusKinds[status];
  if (known !== undefined) return known;
  if (status >= 500) return 'server fails';
  return status >= 300 && status < 400 ? 'redirected' : 'not a WebSocket';
}

/** Makes the step to a server that has moved. A login page, which has another path, is no server of ours. */
function stepTo(target: URL, { url, redact }: AttemptContext): NextCommand | undefined {
  if (redact(target.href) !== target.href) return undefined;
  const endpoint = url.pathname.slice(Math.max(0, url.pathname.indexOf('/api/v1/ws/')));
  if (!target.pathname.endsWith(endpoint) || !/^https?:|^wss?:/.test(target.protocol)) return undefined;
  const prefix = target.pathname.slice(0, -endpoint.length);
  const scheme = /^(https|wss):/.test(target.protocol) ? 'wss' : 'ws';
  return { name: 'doctor', change: { url: `${scheme}://${target.host}${prefix}` } };
}

function errorText(
  { status }: HttpAnswer,
  target: URL | undefined,
  { redact }: AttemptContext,
): string | undefined {
  if (status >= 300 && status < 400) {
    const shown = target === undefined ? 'an unreadable address' : displayUrl(target);
    return `redirects to ${redact(shown)}, which is never followed`;
  }
  return status >= 200 && status < 300 ? 'it answers plain HTTP: not a WebSocket endpoint' : undefined;
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
export function failureOfClose(code: number, reason: string, hint?: string): Failure {
  return { kind: closeKinds[code] ?? 'closed', event: { state: 'closed', code, reason }, hint };
}
