import type { FailureKind } from '../../core/retry.js';

/** Why an attempt failed, for the table of ends and for people. */
export interface ConnectFailure {
  failure: FailureKind;
  /** One line without a URL in it. */
  error: string;
  /** What to do next, where the kind of failure does not tell. */
  hint?: string | undefined;
}

/** A fault that we have found ourselves: its message is made for people and holds no URL. */
export class OwnFault extends Error {}

/** Codes of OpenSSL (X509_V_ERR_…) and Node that mean "this certificate is not to be trusted". */
const certificateCodes =
  /^(CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH_EXCEEDED|INVALID_PURPOSE)/;

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ENETDOWN: 'network down',
  EMFILE: 'too many open files on this machine',
  ENFILE: 'too many open files on this machine',
  EADDRNOTAVAIL: 'address not available',
  EAI_AGAIN: 'name server does not answer',
  EPIPE: 'connection reset',
};

interface SystemError extends Error {
  code?: string;
  address?: string;
  port?: number;
  hostname?: string;
  reason?: string;
}

const RIGHT_PORT = 'Check the port in the URL; `opmas-ws doctor` says more.';

const certificateHints: Readonly<Record<string, string>> = {
  ERR_TLS_CERT_ALTNAME_INVALID:
    'Give the URL with a name that the certificate is for; `opmas-ws doctor` shows them.',
  CERT_HAS_EXPIRED: 'Whoever runs the server has to renew it; is the clock of this machine right?',
  CERT_NOT_YET_VALID: 'Is the clock of this machine right? `opmas-ws doctor` says more.',
};

/** What to do about a certificate that nobody trusts. @param hasCa Whether a CA was given. */
export function trustHint(hasCa: boolean): string {
  return hasCa
    ? 'The CA that was given is not the one that signed it; `opmas-ws doctor` says more.'
    : 'Give the CA with --ca FILE if it is your own; `opmas-ws doctor` says more.';
}

/** Reads an error of the socket, of TLS, of the HTTP parser or of `ws`. Its message is used only where it holds no URL. */
export function describeSystemError(error: Error): ConnectFailure {
  if (error instanceof OwnFault) return { failure: 'unreachable', error: error.message };
  const { code = '', message, hostname = '', reason } = innermost(error);
  if (code === 'ENOTFOUND') return { failure: 'unknown host', error: `host ${hostname} does not exist` };
  if (certificateCodes.test(code)) {
    // Node's list of names may be empty, and leaves its colon behind.
    const why = (reason ?? message).replace(/[\s:]+$/, '');
    return {
      failure: 'certificate',
      error: `the server's certificate is not trusted: ${why}`,
      hint: certificateHints[code],
    };
  }
  if (code.startsWith('HPE_')) return { failure: 'garbled', error: wordsOfParser(code), hint: RIGHT_PORT };
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    return { failure: 'garbled', error: 'the server does not speak TLS there, or not as we do' };
  }
  if (message === 'socket hang up' || /before secure TLS connection/.test(message)) {
    return { failure: 'unreachable', error: 'closed before the upgrade' };
  }
  if (code !== '') {
    const where = addressesOf(error);
    return { failure: 'unreachable', error: `${words[code] ?? code}${where === '' ? '' : ` (${where})`}` };
  }
  // What is left are `ws`'s own complaints about the upgrade: "Invalid Sec-WebSocket-Accept header".
  return { failure: 'garbled', error: `garbled upgrade: ${message}` };
}

/** What the HTTP parser has found. */
function wordsOfParser(code: string): string {
  if (code === 'HPE_HEADER_OVERFLOW') return `the header of its answer is too large (${code})`;
  const speaksOther = code === 'HPE_INVALID_CONSTANT' || code === 'HPE_INVALID_VERSION';
  return `no valid HTTP answer${speaksOther ? ': what listens there does not speak HTTP' : ` (${code})`}`;
}

function innermost(error: Error): SystemError {
  return error instanceof AggregateError && error.errors[0] instanceof Error ? error.errors[0] : error;
}

/** Every address that was tried, so that nobody has to guess which of them failed. */
function addressesOf(error: Error): string {
  const attempts: SystemError[] = error instanceof AggregateError ? error.errors : [error];
  const addresses = attempts
    .filter(({ address }) => address !== undefined)
    .map(({ address, port }) => (address!.includes(':') ? `[${address}]:${port}` : `${address}:${port}`));
  return [...new Set(addresses)].join(', ');
}
