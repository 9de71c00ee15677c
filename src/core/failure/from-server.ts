import { redactToken, redirectTarget } from '../address.js';
import { CloseCode } from '../close-code.js';
import { parseRetryAfter } from '../retry.js';
import type { Failure, FailureKind, HttpAnswer } from './failure.js';

/** The attempt that an answer belongs to. */
export interface AttemptContext {
  url: URL;
  token: string | undefined;
  /** Wall clock, milliseconds since 1970. */
  nowMs: number;
}

/** Makes a failure of an HTTP answer other than 101. `classifyRefusal` refines the kinds that leave a question open. */
export function failureOfAnswer(answer: HttpAnswer, attempt: AttemptContext): Failure {
  const { status, headers } = answer;
  const error = errorText(answer, attempt);
  return {
    kind: kindOfStatus(status),
    event: { state: 'refused', status, ...(error === undefined ? {} : { error }) },
    answer,
    retryAfterMs: parseRetryAfter(headerOf(headers, 'retry-after'), attempt.nowMs),
  };
}

const statusKinds: Readonly<Record<number, FailureKind>> = {
  401: 'token refused',
  403: 'forbidden',
  404: 'wrong path',
  407: 'proxy wants a login',
  408: 'server failing',
  429: 'rate limited',
};

function kindOfStatus(status: number): FailureKind {
  const known = statusKinds[status];
  if (known !== undefined) return known;
  if (status >= 500) return 'server failing';
  return status >= 300 && status < 400 ? 'redirected' : 'not a WebSocket';
}

function errorText({ status, headers }: HttpAnswer, { url, token }: AttemptContext): string | undefined {
  const location = headerOf(headers, 'location');
  if (status >= 300 && status < 400 && location !== undefined) {
    const target = redirectTarget(location, url) ?? 'an unreadable address';
    return `redirects to ${redactToken(target, token)}, which is never followed`;
  }
  return status >= 200 && status < 300 ? 'it answers plain HTTP: not a WebSocket endpoint' : undefined;
}

function headerOf(headers: HttpAnswer['headers'], name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

const closeKinds: Readonly<Record<number, FailureKind>> = {
  [CloseCode.NORMAL]: 'normal close',
  [CloseCode.PROTOCOL_ERROR]: 'protocol error',
  [CloseCode.UNSUPPORTED_DATA]: 'protocol error',
  [CloseCode.INVALID_TEXT]: 'protocol error',
  [CloseCode.POLICY_VIOLATION]: 'policy violated',
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
