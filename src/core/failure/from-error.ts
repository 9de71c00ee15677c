import { type Redact, withBrackets } from '../address.js';
import { CloseCode } from '../close-code.js';
import { OpmasError } from '../errors.js';
import { AttemptError, type Failure } from './failure.js';
import { failureOfClose } from './from-server.js';
import type { Advice } from './rule.js';
import { type FailureKind, failureTable, SHOW_ANSWER } from './table.js';

/** The members of a Node error that say what happened. */
export interface SystemError extends Error {
  code?: string;
  address?: string;
  port?: number;
  hostname?: string;
  /** The words of OpenSSL. */
  reason?: string;
}

/** Our side of a TLS connection, as far as it explains why the other side ended it. */
export interface TlsSide {
  /** The user named a CA to trust. */
  hasCa?: boolean | undefined;
  /** A client certificate is shown to the server that asks for one. */
  hasCertificate?: boolean | undefined;
  /** Variables that name CAs which cannot be read, as clauses. */
  trustProblems?: readonly string[] | undefined;
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
  INVALID_PURPOSE: 'certificate too weak',
};

/** Codes of OpenSSL (X509_V_ERR_…) and Node for a certificate that is not trusted. */
const certificateCodes =
  /^(CERT_|ERROR_IN_CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH_EXCEEDED|INVALID_PURPOSE|UNSPECIFIED)/;

const OTHER_CA = 'the CA that was given is not the one that signed the certificate';
const NO_SUCH_NAME = 'no server there has that name: use a URL with a name that the server knows';

/** Words of OpenSSL that say why a handshake failed; the first match counts. */
const handshakeReasons: readonly (readonly [RegExp, FailureKind])[] = [
  [/certificate required/, 'client certificate wanted'],
  // A server says these about the certificate of its client, also where there is none.
  [
    /alert (bad certificate|unsupported certificate|certificate (revoked|expired|unknown)|unknown ca|access denied)/,
    'client certificate refused',
  ],
  [/unrecognized name/, 'certificate of another name'],
  [
    /protocol version|unsupported protocol|version too low|legacy renegotiation|dh key too small|legacy sigalg|insufficient security/,
    'TLS too old',
  ],
  [
    /wrong version number|packet length too long|unknown protocol|http request|bad record type/,
    'no TLS there',
  ],
];
const CUT_OFF_AFTER_CERTIFICATE: Advice = {
  hint: 'the server ended the connection after it got the client certificate: it may not trust its CA',
  next: failureTable['client certificate refused'].next,
};

/**
 * Makes a failure of an error of the resolver, the socket, TLS, the HTTP parser, a proxy, or of `ws` before the
 * connection was open. The text of the error is used only where it holds no URL.
 *
 * @param context `side`: our side of TLS.
 */
export function failureOfError(
  error: unknown,
  { side = {}, redact = (text) => text }: { side?: TlsSide | undefined; redact?: Redact } = {},
): Failure {
  const { kind, text, hint, next } = readError(error, side);
  const advice = kind === 'cut off' && side.hasCertificate ? CUT_OFF_AFTER_CERTIFICATE : { hint, next };
  return { kind, event: { state: 'refused', error: redact(text) }, ...advice };
}

/** The parts of a failure that an error tells. */
type ErrorFacts = Advice & { kind: FailureKind; text: string };

const GARBLED: Advice = {
  hint: 'the answer of the server, or of a proxy in front of it, breaks the rules of HTTP or of WebSocket',
  next: SHOW_ANSWER,
};

function readError(error: unknown, side: TlsSide): ErrorFacts {
  if (error instanceof AttemptError) {
    return { kind: error.kind, text: error.message, ...error.advice };
  }
  if (error instanceof OpmasError) {
    return { kind: error.failure ?? 'unreachable', text: error.message, hint: error.hint };
  }
  const { errors } = error as Partial<AggregateError>;
  const attempts: SystemError[] = Array.isArray(errors) ? errors : [error as SystemError];
  const known = mostTelling(attempts);
  const { code = '', message, hostname = '' } = known;
  if (code === 'ENOTFOUND') return { kind: 'unknown host', text: `host ${hostname} does not exist` };
  if (code.startsWith('HPE_')) {
    return { ...(OTHER_PROTOCOL.test(code) ? {} : GARBLED), kind: 'not HTTP', text: parserText(code) };
  }
  const ofTls = readTlsError(known, side);
  if (ofTls !== undefined) return ofTls;
  if (message === 'socket hang up' || /before secure TLS connection/.test(message)) {
    return { kind: 'cut off', text: 'closed before the upgrade' };
  }
  if (code !== '') {
    return { kind: socketErrors[code]?.[0] ?? 'unreachable', text: describeAttempts(attempts) };
  }
  // The rest are complaints of `ws` about the upgrade: "Invalid Sec-WebSocket-Accept header".
  return { kind: 'not a WebSocket', text: `garbled upgrade: ${message}`, ...GARBLED };
}

/** Reads an error of TLS; `undefined` for any other. */
function readTlsError({ code = '', message, reason }: SystemError, side: TlsSide): ErrorFacts | undefined {
  if (certificateCodes.test(code)) return readDistrust(code, reason ?? message, side);
  if (code !== 'EPROTO' && !code.startsWith('ERR_SSL')) return undefined;
  // The text of OpenSSL: `…:SSL routines:FUNCTION:REASON:…`.
  const why = reason ?? /:SSL routines:[^:]*:([^:]+):/.exec(message)?.[1];
  const text = `TLS handshake failed (${why ?? code})`;
  if (why === undefined) return { kind: 'no TLS there', text };
  const kind = handshakeReasons.find(([words]) => words.test(why))?.[1] ?? 'TLS not agreed';
  if (kind === 'client certificate refused' && !side.hasCertificate) {
    return { kind: 'client certificate wanted', text };
  }
  return { kind, text, hint: kind === 'certificate of another name' ? NO_SUCH_NAME : undefined };
}

function readDistrust(code: string, why: string, { hasCa, trustProblems = [] }: TlsSide): ErrorFacts {
  const kind =
    certificateKinds[code] ?? (/too weak/.test(why) ? 'certificate too weak' : 'certificate untrusted');
  // Node's list of names may be empty, and leaves its colon behind.
  const text = `the server's certificate is not trusted: ${why.replace(/[\s:]+$/, '')}`;
  if (kind !== 'certificate untrusted' && kind !== 'certificate self-signed') return { kind, text };
  const problems = trustProblems.map((problem) => `${problem}: fix that, or give the CA with \`ca\``);
  return { kind, text, hint: hasCa ? OTHER_CA : problems[0] };
}

const OTHER_PROTOCOL = /^HPE_INVALID_(CONSTANT|VERSION)$/;

function parserText(code: string): string {
  if (code === 'HPE_HEADER_OVERFLOW') return `the header of its answer is too large (${code})`;
  return `no valid HTTP answer${OTHER_PROTOCOL.test(code) ? ': this port does not speak HTTP' : ` (${code})`}`;
}

/** A refused connection proves that the host is there, even if its other addresses do not answer. */
function mostTelling(attempts: readonly SystemError[]): SystemError {
  for (const wanted of ['connection refused', 'unreachable']) {
    const found = attempts.find(({ code = '' }) => socketErrors[code]?.[0] === wanted);
    if (found !== undefined) return found;
  }
  // In another realm (Jest), errors of Node.js are no `Error`.
  const first = attempts[0] as Partial<SystemError> | undefined;
  return typeof first?.message === 'string' ? (first as SystemError) : new Error(String(first));
}

/** Says how each address failed that was tried: `connection refused (127.0.0.1:80), no answer ([::1]:80)`. */
export function describeAttempts(attempts: readonly SystemError[]): string {
  const places = new Map<string, Set<string>>();
  for (const { code = '', address, port } of attempts) {
    const text = socketErrors[code]?.[1] ?? code;
    const found = places.get(text) ?? new Set();
    places.set(text, found);
    if (address !== undefined) found.add(`${withBrackets(address)}:${port}`);
  }
  return [...places]
    .map(([text, found]) => (found.size === 0 ? text : `${text} (${[...found].join(', ')})`))
    .join(', ');
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
  return {
    ...failure,
    hint: 'a message is larger than `maxMessageBytes`: raise that if you want such messages',
    next: { name: 'tail', flags: ['--max-message', '48MiB'] },
  };
}
