import type { FailureKind } from '../core/retry.js';
import { ProxyError } from './proxy.js';

/** Why an attempt failed, for the table of ends and for people. */
export interface ConnectFailure {
  failure: FailureKind;
  /** One line without a URL in it. */
  error: string;
}

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

/** Reads an error of the socket, of TLS, of the HTTP parser or of `ws`. Its message is used only where it holds no URL. */
export function connectFailureOf(error: Error): ConnectFailure {
  if (error instanceof ProxyError) {
    // One that fails, or cannot reach the server, may do better later; a refusal is its last word.
    const mayPass = error.status === undefined || error.status >= 500;
    return { failure: mayPass ? 'unreachable' : 'garbled', error: error.message };
  }
  const { code = '', message, hostname = '', reason } = innermost(error);
  if (code === 'ENOTFOUND') return { failure: 'unknown host', error: `host ${hostname} does not exist` };
  if (certificateCodes.test(code)) {
    return { failure: 'certificate', error: `the server's certificate is not trusted: ${reason ?? message}` };
  }
  if (code.startsWith('HPE_') || code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    const why = code.startsWith('HPE_')
      ? `no valid HTTP answer (${code})`
      : 'the server does not speak TLS there, or not as we do';
    return { failure: 'garbled', error: why };
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
