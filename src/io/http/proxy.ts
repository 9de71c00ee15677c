import * as http from 'node:http';
import * as https from 'node:https';
import type { Socket } from 'node:net';
import { clearTimeout, setTimeout } from 'node:timers';
import * as tls from 'node:tls';
import { withoutBrackets } from '../../core/address.js';
import { OpmasError } from '../../core/errors.js';
import { AttemptError } from '../../core/failure/failure.js';
import { failureOfError } from '../../core/failure/from-error.js';
import { describeEnd } from '../../core/failure/give-up.js';
import type { FailureKind } from '../../core/failure/kind.js';
import type { ProxyChoice } from './proxy-choice.js';
import type { TlsTrust } from './tls-trust.js';

/** The longest that a proxy may take to open a tunnel. The caller may end it sooner. */
const TUNNEL_LIMIT_MS = 30_000;

/** The agent for one request through a proxy. */
export type ProxyAgent = http.Agent & {
  /** The error for a request whose time is up: a proxy that has opened no tunnel yet is to blame. */
  readonly stalled: OpmasError | undefined;
};

/**
 * Makes the agent that takes one request (a WebSocket upgrade, a login) through a proxy, in a `CONNECT` tunnel.
 *
 * A failure of the proxy is an {@link OpmasError} on the request, so it cannot be taken for an answer of the server.
 * Call the agent's `destroy()` when the attempt is over: a proxy that never answers would hold the process.
 *
 * @param secure The request itself uses TLS. @param trust Judges a proxy that is reached by TLS.
 */
export function tunnelAgent(proxy: ProxyChoice, secure: boolean, trust: TlsTrust): ProxyAgent {
  const agent = secure ? new https.Agent() : new http.Agent();
  const pending = new Set<http.ClientRequest>();
  agent.createConnection = (target, callback) => {
    const done = callback ?? (() => undefined);
    const request = openTunnel(proxy, target, trust, (error, socket) => {
      pending.delete(request);
      // Node's type of the callback wants a socket even with an error.
      if (error !== null) done(error, undefined as unknown as Socket);
      else if (!secure) done(null, socket!);
      else done(null, secureTunnel(socket!, target as tls.ConnectionOptions));
    });
    pending.add(request);
    return undefined;
  };
  const destroy = agent.destroy.bind(agent);
  agent.destroy = () => {
    for (const request of pending) request.destroy();
    destroy();
  };
  return Object.defineProperty(agent as ProxyAgent, 'stalled', {
    get: () =>
      pending.size > 0 ? proxyError(proxy, 'proxy silent', 'has opened no tunnel in time') : undefined,
  });
}

/** Tries whether a proxy opens a tunnel to a target, and closes it again. @throws {OpmasError} `NETWORK`. */
export async function tryTunnel(
  proxy: ProxyChoice,
  target: { host: string; port: number },
  trust: TlsTrust,
  limitMs: number,
): Promise<void> {
  let request: http.ClientRequest | undefined;
  const limit = setTimeout(() => request?.destroy(silentProxy(proxy)), limitMs);
  try {
    await new Promise<void>((resolve, reject) => {
      request = openTunnel(proxy, target, trust, (error, socket) => {
        socket?.destroy();
        if (error === null) resolve();
        else reject(error);
      });
    });
  } finally {
    clearTimeout(limit);
  }
}

function silentProxy(proxy: ProxyChoice): OpmasError {
  return proxyError(proxy, 'proxy silent', 'has opened no tunnel in time');
}

/** Makes the error for a proxy that failed before it answered. */
export function failedProxy(proxy: ProxyChoice, cause: Error): OpmasError {
  if (cause instanceof OpmasError) return cause;
  if ((cause as NodeJS.ErrnoException).code?.startsWith('HPE_') === true) {
    return proxyError(proxy, 'no proxy', 'does not answer as a proxy does', cause);
  }
  const told = describeEnd(failureOfError(cause).event).replace(/^the server's/, 'its');
  const what = `cannot be used: ${told}`;
  return proxyError(proxy, 'proxy unreachable', what, cause);
}

/** Makes the error for a proxy that answered with a refusal of its own. */
export function refusedByProxy(proxy: ProxyChoice, status: number): OpmasError {
  // A web server that is no proxy does not know the method, or the path.
  if ([400, 404, 405, 501].includes(status)) {
    return proxyError(proxy, 'no proxy', `does not answer as a proxy does (HTTP ${status})`);
  }
  const isLogin = status === 407;
  const kind = isLogin ? 'proxy wants a login' : status >= 500 ? 'proxy failing' : 'proxy refuses';
  const what = `refused the connection with HTTP ${status}${isLogin ? ': it wants a user and a password' : ''}`;
  return proxyError(proxy, kind, what);
}

function proxyError(
  { url, variable }: ProxyChoice,
  failure: FailureKind,
  what: string,
  cause?: Error,
): OpmasError {
  const step = failure === 'proxy wants a login' ? 'Put the user and the password into' : 'Check';
  const hint = `${step} ${variable}, or exempt the server with NO_PROXY`;
  return new OpmasError('NETWORK', `the proxy ${url.origin} (${variable}) ${what}`, { hint, failure, cause });
}

/** Makes the header that authenticates us to a proxy, if its variable holds credentials. */
export function proxyAuthorization({ credentials }: ProxyChoice): Record<string, string> {
  if (credentials === undefined) return {};
  return { 'Proxy-Authorization': `Basic ${Buffer.from(credentials).toString('base64')}` };
}

/** Asks the proxy for a tunnel to the target's host and port. Calls back once. */
function openTunnel(
  proxy: ProxyChoice,
  target: http.ClientRequestArgs,
  trust: TlsTrust,
  callback: (error: Error | null, socket?: Socket) => void,
): http.ClientRequest {
  const host = String(target.host);
  const authority = `${host.includes(':') ? `[${host}]` : host}:${target.port}`;
  const request = (proxy.url.protocol === 'https:' ? https : http).request({
    host: withoutBrackets(proxy.url.hostname),
    port: proxy.url.port,
    method: 'CONNECT',
    path: authority,
    headers: { Host: authority, ...proxyAuthorization(proxy) },
    agent: false,
    ...(proxy.url.protocol === 'https:' && trust.proxy),
  });
  const limit = setTimeout(
    () => request.destroy(new AttemptError('proxy silent', 'no answer in time')),
    TUNNEL_LIMIT_MS,
  );
  request.on('close', () => clearTimeout(limit));
  request.once('connect', (response, socket: Socket, head: Buffer) => {
    clearTimeout(limit);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) {
      if (head.length > 0) socket.unshift(head);
      callback(null, socket);
      return;
    }
    socket.destroy();
    callback(refusedByProxy(proxy, status));
  });
  request.once('error', (cause: Error) => callback(failedProxy(proxy, cause)));
  request.end();
  return request;
}

/** TLS with the target inside the tunnel. */
function secureTunnel(socket: Socket, target: tls.ConnectionOptions): Socket {
  // `host` stays: certificates of IP addresses are checked against it. `path` would mean a Unix socket.
  const { path: _, ...options } = target;
  return tls.connect({ ...options, socket });
}
