import { redactToken } from '../address.js';
import { CloseCode } from '../close-code.js';
import { OpmasError } from '../errors.js';
import { AttemptError, type Failure } from './failure.js';
import { failureOfClose } from './from-server.js';
import type { FailureKind } from './kind.js';

/** The members of a Node error that say what happened. */
interface SystemError extends Error {
  code?: string;
  address?: string;
  port?: number;
  hostname?: string;
  /** The words of OpenSSL. */
  reason?: string;
}

const socketErrors: Readonly<Record<string, readonly [FailureKind, string]>> = {
  EAI_AGAIN: ['name server fails', 'name server does not answer'],
  ECONNREFUSED: ['connection refused', 'connection refused'],
  ECONNRESET: ['cut off', 'connection reset'],
  EPIPE: ['cut off', 'connection reset'],
  ETIMEDOUT: ['unreachable', 'no answer'],
  EHOSTUNREACH: ['unreachable', 'host unreachable'],
  ENETUNREACH: ['unreachable', 'network unreachable'],
  ENETDOWN: ['unreachable', 'network down'],
  EMFILE: ['local limit', 'too many open files on this machine'],
  ENFILE: ['local limit', 'too many open files on this machine'],
  EADDRNOTAVAIL: ['local limit', 'address not available'],
};

const certificateKinds: Readonly<Record<string, FailureKind>> = {
  CERT_HAS_EXPIRED: 'certificate expired',
  CERT_NOT_YET_VALID: 'certificate not yet valid',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate self-signed',
  ERR_TLS_CERT_ALTNAME_INVALID: 'certificate of another name',
  HOSTNAME_MISMATCH: 'certificate of another name',
};

/** Codes of OpenSSL (X509_V_ERR_…) and Node for a certificate that is not trusted. */
const certificateCodes =
  /^(CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH_EXCEEDED|INVALID_PURPOSE)/;

const OTHER_CA = 'The CA that was given with --ca is not the one that signed the certificate';

/**
 * Makes a failure of an error of the resolver, the socket, TLS, the HTTP parser, a proxy, or of `ws` before the
 * connection was open. The text of the error is used only where it holds no URL.
 *
 * @param context `hasCa`: the user named a CA to trust. `token`: to keep out of the text.
 */
export function failureOfError(
  error: unknown,
  { hasCa = false, token }: { hasCa?: boolean; token?: string | undefined } = {},
): Failure {
  const { kind, text, hint } = readError(error, hasCa);
  return { kind, event: { state: 'refused', error: redactToken(text, token) }, hint };
}

/** The parts of a failure that an error tells. */
type ErrorFacts = Pick<Failure, 'kind' | 'hint'> & { text: string };

function readError(error: unknown, hasCa: boolean): ErrorFacts {
  if (error instanceof AttemptError) return { kind: error.kind, text: error.message };
  if (error instanceof OpmasError) {
    return { kind: error.failure ?? 'unreachable', text: error.message, hint: error.hint };
  }
  const { code = '', message, hostname = '', reason } = innermost(error);
  if (code === 'ENOTFOUND') return { kind: 'unknown host', text: `host ${hostname} does not exist` };
  if (certificateCodes.test(code)) return untrusted(code, reason ?? message, hasCa);
  if (code.startsWith('HPE_')) return { kind: 'not HTTP', text: parserText(code) };
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    // The text of OpenSSL: `…:SSL routines:FUNCTION:REASON:…`.
    const why = reason ?? /:SSL routines:[^:]*:([^:]+):/.exec(message)?.[1] ?? code;
    return { kind: 'no TLS there', text: `TLS handshake failed (${why})` };
  }
  if (message === 'socket hang up' || /before secure TLS connection/.test(message)) {
    return { kind: 'cut off', text: 'closed before the upgrade' };
  }
  if (code !== '') {
    const [kind, text] = socketErrors[code] ?? ['unreachable', code];
    const where = addressesOf(error);
    return { kind, text: where === '' ? text : `${text} (${where})` };
  }
  // The rest are complaints of `ws` about the upgrade: "Invalid Sec-WebSocket-Accept header".
  return { kind: 'not a WebSocket', text: `garbled upgrade: ${message}` };
}

function untrusted(code: string, why: string, hasCa: boolean): ErrorFacts {
  const kind = certificateKinds[code] ?? 'certificate untrusted';
  const isOtherCa = hasCa && (kind === 'certificate untrusted' || kind === 'certificate self-signed');
  // Node's list of names may be empty, and leaves its colon behind.
  const text = `the server's certificate is not trusted: ${why.replace(/[\s:]+$/, '')}`;
  return { kind, text, hint: isOtherCa ? OTHER_CA : undefined };
}

function parserText(code: string): string {
  if (code === 'HPE_HEADER_OVERFLOW') return `the header of its answer is too large (${code})`;
  const speaksOther = code === 'HPE_INVALID_CONSTANT' || code === 'HPE_INVALID_VERSION';
  return `no valid HTTP answer${speaksOther ? ': this port does not speak HTTP' : ` (${code})`}`;
}

function innermost(error: unknown): SystemError {
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return error.errors[0];
  return error instanceof Error ? error : new Error(String(error));
}

/** Names every address that was tried, so that the user need not guess which of them failed. */
function addressesOf(error: unknown): string {
  const attempts: SystemError[] = error instanceof AggregateError ? error.errors : [error as SystemError];
  const addresses = attempts
    .filter(({ address }) => address !== undefined)
    .map(({ address, port }) => (address!.includes(':') ? `[${address}]:${port}` : `${address}:${port}`));
  return [...new Set(addresses)].join(', ');
}

/** `ws`'s code for a message above the limit that we have set. */
const TOO_LARGE = 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';

/** The failure of a connection on which text came that is not UTF-8, in the words of `ws`. */
export const INVALID_UTF8: Failure = failureOfClose(
  CloseCode.INVALID_TEXT,
  'Invalid WebSocket frame: invalid UTF-8 sequence',
);

/** Makes a failure of an error that `ws` found in a frame. @param code `WS_ERR_…`. @param reason Its message. */
export function failureOfFrame(code: string, reason: string): Failure {
  // The close code that RFC 6455 section 7.4.1 gives to the error.
  const isTooBig = /LENGTH|PARTS/.test(code) && code !== 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH';
  const failure = failureOfClose(isTooBig ? CloseCode.MESSAGE_TOO_BIG : CloseCode.PROTOCOL_ERROR, reason);
  // The table's message is for a server that closes the connection with that code.
  if (code !== TOO_LARGE) return { ...failure, kind: 'protocol error' };
  return { ...failure, hint: 'Raise --max-message if you want such messages' };
}
