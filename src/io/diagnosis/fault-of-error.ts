import type { ConnectionFault } from '../../core/diagnosis/check.js';
import { OpmasError } from '../../core/errors.js';
import { connectFailureOf } from '../client/connection/connect-failure.js';
import { ProxyError } from '../http/proxy.js';

interface SystemError extends Error {
  code?: string;
}

const faults: Readonly<Record<string, ConnectionFault>> = {
  ENOTFOUND: 'unknown host',
  EAI_AGAIN: 'name server fails',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'cut off',
  EPIPE: 'cut off',
  CERT_HAS_EXPIRED: 'certificate expired',
  CERT_NOT_YET_VALID: 'certificate not yet valid',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'certificate untrusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate untrusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate untrusted',
  UNABLE_TO_GET_ISSUER_CERT: 'certificate untrusted',
  CERT_UNTRUSTED: 'certificate untrusted',
  ERR_TLS_CERT_ALTNAME_INVALID: 'certificate of another name',
  EPROTO: 'no TLS there',
};

const proxyFaults = {
  unreachable: 'proxy unreachable',
  silent: 'proxy silent',
  garbled: 'no proxy',
} as const;

/** What an error of the network, of TLS, of the HTTP parser or of `ws` says about the way to the server. */
export function faultOfError(error: unknown): ConnectionFault {
  if (error instanceof ProxyError) {
    if (error.fault !== 'refusal') return proxyFaults[error.fault];
    return error.status === 407 ? 'proxy wants a login' : 'proxy refuses';
  }
  if (error instanceof OpmasError && error.cause !== undefined) return faultOfError(error.cause);
  if (error instanceof AggregateError && error.errors.length > 0) return faultOfError(error.errors[0]);
  const { code = '', message } = error as SystemError;
  const known = Object.hasOwn(faults, code) ? faults[code] : undefined;
  if (known !== undefined) return known;
  if (code.startsWith('ERR_SSL')) return 'no TLS there';
  if (code.startsWith('HPE_')) return 'not HTTP';
  if (message === 'socket hang up' || /before secure TLS connection/.test(message)) return 'cut off';
  if (/Sec-WebSocket|Upgrade header|subprotocol|extension/i.test(message)) return 'not a WebSocket';
  return 'unreachable';
}

/** An error in a few words, without a URL of the server. */
export function wordsOfError(error: unknown): string {
  const isOurs = error instanceof OpmasError && !(error instanceof ProxyError);
  const cause = isOurs && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? connectFailureOf(cause).error : String(cause);
}
