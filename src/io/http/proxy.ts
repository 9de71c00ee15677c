import * as http from 'node:http';
import type { Socket } from 'node:net';
import type * as Socks from 'socks';
import { withBrackets } from '../../core/address.js';
import { OpmasError } from '../../core/errors.js';
import { failureOfError } from '../../core/failure/from-error.js';
import { describeEnd } from '../../core/failure/give-up.js';
import type { FailureKind } from '../../core/failure/table.js';
import { LONGEST_TIMER_MS } from '../clock.js';
import { loadLibrary } from '../websocket.js';
import type { Target } from './dial.js';
import { displayProxy, type ProxyChoice } from './proxy-choice.js';

/** Names a proxy in a message. */
export function nameOf(proxy: ProxyChoice): string {
  return `the proxy ${displayProxy(proxy)} (${proxy.source})`;
}

/** Makes the error for a proxy. @param what Completes a sentence that begins with the proxy. */
function proxyError(proxy: ProxyChoice, failure: FailureKind, what: string, cause?: Error): OpmasError {
  const hint = `${stepAfter(failure, proxy)} ${proxy.source}, or connect directly with \`proxy: 'none'\``;
  return new OpmasError('NETWORK', `${nameOf(proxy)} ${what}`, { hint, failure, cause });
}

function stepAfter(failure: FailureKind, { credentials }: ProxyChoice): string {
  if (failure === 'proxy failing' || failure === 'proxy refuses') return 'Check the URL of the server and';
  if (failure !== 'proxy wants a login') return 'Check';
  return credentials === undefined
    ? 'Put the user and the password into'
    : 'Correct the user and the password in';
}

/** Makes the error for a proxy that opens no tunnel in the time that it has. */
export function silentProxy(proxy: ProxyChoice): OpmasError {
  return proxyError(proxy, 'proxy silent', 'has opened no tunnel in time');
}

/** Makes the error for a proxy that failed before it answered. */
export function failedProxy(proxy: ProxyChoice, cause: unknown): OpmasError {
  if (cause instanceof OpmasError) return cause;
  const { code } = cause as NodeJS.ErrnoException;
  if (code?.startsWith('HPE_') === true) {
    return proxyError(proxy, 'no proxy', 'does not answer as a proxy does', cause as Error);
  }
  const { kind, event } = failureOfError(cause);
  if (kind === 'cut off') {
    return proxyError(proxy, 'no proxy', 'closed the connection without an answer', cause as Error);
  }
  const what = `cannot be used: ${describeEnd(event).replace(/^the server's/, 'its')}`;
  return proxyError(proxy, 'proxy unreachable', what, cause as Error);
}

/** Makes the error for a proxy that refused to open a tunnel, or to pass a request on. */
export function refusedByProxy(proxy: ProxyChoice, status: number): OpmasError {
  // A web server that is no proxy does not know the method, or the path.
  if ([400, 404, 405, 501].includes(status)) {
    return proxyError(proxy, 'no proxy', `does not answer as a proxy does (HTTP ${status})`);
  }
  // Some answer a wrong password with 401.
  const isLogin = status === 407 || status === 401;
  const kind = isLogin ? 'proxy wants a login' : status >= 500 ? 'proxy failing' : 'proxy refuses';
  const what = `refused the connection with HTTP ${status}`;
  return proxyError(proxy, kind, isLogin ? `${what}: ${wantedLogin(proxy)}` : what);
}

/** Says what a proxy wants that refuses us for missing or wrong credentials. */
function wantedLogin({ credentials }: ProxyChoice): string {
  return credentials === undefined
    ? 'it wants a user and a password'
    : 'it does not accept this user and password';
}

/** Makes the header that authenticates us to an HTTP proxy, if its URL holds credentials. */
export function proxyAuthorization({ credentials }: ProxyChoice): Record<string, string> {
  if (credentials === undefined) return {};
  const { user, password } = credentials;
  return { 'Proxy-Authorization': `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

/** Asks an HTTP proxy, to which the socket leads, for a tunnel to the host and port of a server. */
export async function openHttpTunnel(
  socket: Socket,
  proxy: ProxyChoice,
  { host, port }: Target,
): Promise<void> {
  const authority = `${withBrackets(host)}:${port}`;
  const request = http.request({
    createConnection: () => socket,
    method: 'CONNECT',
    path: authority,
    headers: { Host: authority, ...proxyAuthorization(proxy) },
  });
  const answer = new Promise<http.IncomingMessage>((resolve, reject) => {
    request.once('connect', (response, _socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve(response);
    });
    request.once('error', reject);
  });
  request.end();
  const { statusCode = 0 } = await answer;
  if (statusCode < 200 || statusCode >= 300) throw refusedByProxy(proxy, statusCode);
}

/** Loads the SOCKS library, which takes 15 ms that few need to spend. */
export function loadSocks(): Promise<Pick<typeof Socks, 'SocksClient'>> {
  return loadLibrary<typeof Socks>('socks', () => import('socks'));
}

/**
 * Says who looks up the name of the server: this machine, unless the scheme is one that leaves it to the proxy, as in
 * curl.
 */
export function resolvesNames({ url }: ProxyChoice): boolean {
  return ['socks:', 'socks4a:', 'socks5h:'].includes(url.protocol);
}

/** Asks a SOCKS proxy, to which the socket leads, for a tunnel to the host and port of a server. */
export async function openSocksTunnel(
  socket: Socket,
  proxy: ProxyChoice,
  destination: Target,
  limitMs: number,
): Promise<void> {
  const { SocksClient } = await loadSocks();
  const { url, credentials } = proxy;
  try {
    await SocksClient.createConnection({
      command: 'connect',
      destination,
      proxy: {
        // Not used, because there is a socket.
        host: url.hostname,
        port: 1080,
        type: url.protocol.startsWith('socks4') ? 4 : 5,
        ...(credentials && { userId: credentials.user, password: credentials.password }),
      },
      existing_socket: socket,
      timeout: Math.min(limitMs, LONGEST_TIMER_MS),
    });
  } catch (error) {
    // The error of the library holds the password.
    throw failedSocks(proxy, (error as Error).message);
  }
}

/** Words of the library for an answer that is none of SOCKS, or for none at all. */
const NO_ANSWER = /invalid socks version|socket closed|ECONNRESET|EPIPE/i;

function failedSocks(proxy: ProxyChoice, text: string): OpmasError {
  if (/authentication/i.test(text)) {
    return proxyError(proxy, 'proxy wants a login', `refused the connection: ${wantedLogin(proxy)}`);
  }
  // `Socks5 proxy rejected connection - HostUnreachable`, `Socks4 Proxy rejected connection - (Failed)`.
  // It has no name for some codes.
  const reply = /rejected connection - \(?(\w+)/.exec(text.replace('undefined', 'Failure'))?.[1];
  if (reply !== undefined) {
    const why = reply.replace(/(?<=[a-z]|TTL)(?=[A-Z])/g, ' ').toLowerCase();
    const isRule = /NotAllowed|NotSupported|RejectedIdent/.test(reply);
    return isRule
      ? proxyError(proxy, 'proxy refuses', `refused the connection: ${why}`)
      : proxyError(proxy, 'proxy failing', `could not connect: ${why}`);
  }
  if (/timed out/.test(text)) return silentProxy(proxy);
  if (NO_ANSWER.test(text)) {
    return proxyError(proxy, 'no proxy', 'closed the connection, or does not answer as a SOCKS proxy does');
  }
  return proxyError(proxy, 'proxy unreachable', `cannot be used: ${text}`);
}
