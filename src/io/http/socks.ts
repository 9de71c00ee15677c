import type { Socket } from 'node:net';
import type * as Socks from 'socks';
import type { OpmasError } from '../../core/errors.js';
import { LONGEST_TIMER_MS } from '../clock.js';
import { loadLibrary } from '../websocket.js';
import { proxyError, silentProxy, wantedLogin } from './proxy.js';
import type { ProxyChoice } from './proxy-choice.js';

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
  destination: { host: string; port: number },
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
  const reply = /rejected connection - \(?(\w+)/.exec(text)?.[1];
  if (reply !== undefined) {
    const why = reply.replace(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();
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
