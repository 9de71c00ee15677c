import type { IncomingMessage } from 'node:http';
import { displayUrl, redactToken } from '../../../core/address.js';
import { CloseCode } from '../../../core/close-code.js';
import { type ConnectionEnd, parseRetryAfter } from '../../../core/retry.js';
import type { Clock } from '../../clock.js';

/** `ws`'s code for a message above the limit that we have set. */
const TOO_LARGE = 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';
const NO_FRAMES =
  'The connection opened, so the URL is right; the server, or a proxy on the way, breaks the rules of WebSocket.';

/** The end of a connection on which text came that is no UTF-8, in the words of `ws`. */
export const NO_UTF8 = {
  kind: 'closed',
  code: CloseCode.INVALID_TEXT,
  reason: 'Invalid WebSocket frame: invalid UTF-8 sequence',
  hint: NO_FRAMES,
} as const;

/** The end of an attempt that was answered by another HTTP status than 101. */
export function endOfRefusal(
  { statusCode: status = 0, headers }: IncomingMessage,
  attempt: { url: URL; token?: string | undefined; clock: Clock },
): ConnectionEnd {
  return {
    kind: 'refused',
    status,
    retryAfterMs: parseRetryAfter(headers['retry-after'], attempt.clock.nowMicros() / 1000),
    detail: detailOf(status, headers.location, attempt),
  };
}

function detailOf(
  status: number,
  location: string | undefined,
  { url, token }: { url: URL; token?: string | undefined },
): string | undefined {
  if (status >= 300 && status < 400 && location !== undefined) {
    const target = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
    const shown = target === undefined ? 'an unreadable address' : displayUrl(target);
    return `redirects to ${redactToken(shown, token)}, which is never followed`;
  }
  return status >= 200 && status < 300 ? 'it answers plain HTTP: not a WebSocket endpoint' : undefined;
}

/**
 * The end of a connection on which `ws` has found a fault in what the server sent.
 *
 * @param code Of the error of `ws`: `WS_ERR_…`.
 */
export function endOfFrameFault(code: string, reason: string): ConnectionEnd {
  const hint = code === TOO_LARGE ? 'Raise --max-message if such messages are to be taken.' : NO_FRAMES;
  return { kind: 'closed', code: closeCodeOf(code), reason, hint };
}

/** RFC 6455, section 7.4.1. */
function closeCodeOf(code: string): number {
  const isTooBig = /LENGTH|PARTS/.test(code) && code !== 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH';
  return isTooBig ? CloseCode.MESSAGE_TOO_BIG : CloseCode.PROTOCOL_ERROR;
}
