import * as http from 'node:http';
import * as https from 'node:https';
import type { Socket } from 'node:net';
import * as tls from 'node:tls';
import { OpmasError } from '../../core/errors.js';
import { chooseProxy, type Environment, type ProxyChoice } from './proxy-choice.js';
import { describeSystemError, OwnFault } from './system-error.js';

/** How long a proxy may take to open a tunnel when nobody ends it sooner. */
const TUNNEL_LIMIT_MS = 30_000;

/** What is wrong with a proxy: it cannot be reached, gives no answer, gives none of HTTP, or says no. */
export type ProxyFault = 'unreachable' | 'silent' | 'garbled' | 'refusal';

/** A proxy that cannot be reached or opens no tunnel. */
export class ProxyError extends OpmasError {
  readonly fault: ProxyFault;
  /** HTTP status that the proxy refused with; `undefined` when it gave no answer, which may pass. */
  readonly status: number | undefined;

  constructor(
    proxy: ProxyChoice,
    fault: ProxyFault,
    what: string,
    options: { status?: number; cause?: unknown } = {},
  ) {
    super('NETWORK', `the proxy ${proxy.url.origin} (${proxy.variable}) ${what}`, {
      hint:
        options.status === 407
          ? `Put the user and the password into ${proxy.variable}, or exempt the server with NO_PROXY.`
          : `Check ${proxy.variable}, or exempt the server with NO_PROXY.`,
      cause: options.cause,
    });
    this.fault = fault;
    this.status = options.status;
  }
}

/** The agent for one request through a proxy. */
export type ProxyAgent = http.Agent & {
  /** What to say when the time for the request is up: the proxy, if it has opened no tunnel yet. */
  readonly stalled: ProxyError | undefined;
};

/** What {@link proxyAgentFor} takes besides the URL. */
export interface ProxyAgentOptions {
  /** CA to trust for a proxy that is itself reached by TLS, as PEM. */
  ca?: string | undefined;
  /** Default: `process.env`. */
  environment?: Environment;
}

/**
 * The agent that takes one request (a WebSocket upgrade, a login) through the proxy that the environment names for
 * its URL, by a `CONNECT` tunnel; `undefined` when it names none. `ws` and `wss` count as `http` and `https`.
 *
 * A refusal by the proxy is a {@link ProxyError} on the request, so it cannot be taken for an answer of the server.
 * Call the agent's `destroy()` when the attempt is over: a proxy that never answers would hold the process.
 *
 * @throws {OpmasError} `USAGE` when the variable is no URL or names a kind of proxy that is not supported.
 */
export async function proxyAgentFor(
  url: URL,
  options: ProxyAgentOptions = {},
): Promise<ProxyAgent | undefined> {
  const proxy = chooseProxy(url, options.environment ?? process.env);
  if (proxy === undefined) return undefined;
  const secure = url.protocol === 'wss:' || url.protocol === 'https:';
  const agent = secure ? new https.Agent() : new http.Agent();
  const pending = new Set<http.ClientRequest>();
  agent.createConnection = (target, callback) => {
    const done = callback ?? (() => undefined);
    const request = openTunnel(proxy, target, options.ca, (error, socket) => {
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
    get: () => (pending.size > 0 ? silentProxy(proxy) : undefined),
  });
}

function silentProxy(proxy: ProxyChoice): ProxyError {
  return new ProxyError(proxy, 'silent', 'has opened no tunnel in time');
}

/** The error for a proxy that failed before it answered. */
export function failedProxy(proxy: ProxyChoice, cause: Error): ProxyError {
  const isGarbled = (cause as NodeJS.ErrnoException).code?.startsWith('HPE_') === true;
  const { error } = describeSystemError(cause);
  const what = isGarbled ? 'does not answer as a proxy does' : `cannot be used: ${error}`;
  return new ProxyError(proxy, isGarbled ? 'garbled' : 'unreachable', what, { cause });
}

/** The error for a proxy that answered with a refusal of its own. */
export function refusedByProxy(proxy: ProxyChoice, status: number): ProxyError {
  const wants = status === 407 ? ': it wants a user and a password' : '';
  return new ProxyError(proxy, 'refusal', `refused the connection with HTTP ${status}${wants}`, { status });
}

/** The header that proves us to a proxy, if its variable holds credentials. */
export function proxyAuthorization({ credentials }: ProxyChoice): Record<string, string> {
  if (credentials === undefined) return {};
  return { 'Proxy-Authorization': `Basic ${Buffer.from(credentials).toString('base64')}` };
}

/** Asks the proxy for a tunnel to the target's host and port. Calls back once. */
function openTunnel(
  proxy: ProxyChoice,
  target: http.ClientRequestArgs,
  ca: string | undefined,
  callback: (error: Error | null, socket?: Socket) => void,
): http.ClientRequest {
  const host = String(target.host);
  const authority = `${host.includes(':') ? `[${host}]` : host}:${target.port}`;
  const request = (proxy.url.protocol === 'https:' ? https : http).request({
    host: proxy.url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: proxy.url.port,
    method: 'CONNECT',
    path: authority,
    headers: { Host: authority, ...proxyAuthorization(proxy) },
    agent: false,
    ...(ca === undefined ? {} : { ca }),
  });
  const limit = setTimeout(() => request.destroy(new OwnFault('no answer in time')), TUNNEL_LIMIT_MS);
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
  request.once('error', (cause: Error) => {
    callback(failedProxy(proxy, cause));
  });
  request.end();
  return request;
}

/** TLS with the target inside the tunnel. */
function secureTunnel(socket: Socket, target: tls.ConnectionOptions): Socket {
  // `host` stays: certificates of IP addresses are checked against it. `path` would mean a Unix socket.
  const { path: _, ...options } = target;
  return tls.connect({ ...options, socket });
}
