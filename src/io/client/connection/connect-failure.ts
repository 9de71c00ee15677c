import { ProxyError } from '../../http/proxy.js';
import { type ConnectFailure, describeSystemError } from '../../http/system-error.js';

/** Reads an error of a proxy, of the socket, of TLS, of the HTTP parser or of `ws`. */
export function connectFailureOf(error: Error): ConnectFailure {
  if (!(error instanceof ProxyError)) return describeSystemError(error);
  // One that fails, or cannot reach the server, may do better later; a refusal is its last word.
  const mayPass = error.status === undefined || error.status >= 500;
  return { failure: mayPass ? 'unreachable' : 'garbled', error: error.message, hint: error.hint };
}
