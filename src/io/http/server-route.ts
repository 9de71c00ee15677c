import { isIP } from 'node:net';
import { apiUrl, endpointUrl, targetOf } from '../../core/address.js';
import { OpmasError } from '../../core/errors.js';
import { each, type OptionRules } from '../../core/options.js';
import { type HttpRequest, type HttpResponse, sendRequest } from './http-request.js';
import { chooseProxy, type Environment, isSocks, type ProxyChoice, whyDirect } from './proxy-choice.js';
import { type RouteAgent, routeAgent, type Way } from './route-agent.js';
import { loadSocks } from './socks.js';
import { type TlsOptions, TlsTrust, type TrustOptions } from './tls-trust.js';

/** The user's choices about the way to a server. */
export interface RouteOptions extends TrustOptions {
  /**
   * URL of the proxy: `http`, `https`, `socks4`, `socks4a`, `socks5` or `socks5h`. It wins over the environment, for
   * this machine too; `none` connects directly. Default: the proxy that the environment names.
   */
  proxy?: string | URL | undefined;
  /** The origin of `proxy`, for messages. Default `the option proxy`. */
  proxySource?: string | undefined;
  /** Connects to addresses of this family only: those of the proxy if there is one. Default: both. */
  family?: 4 | 6 | undefined;
  /** Environment variables that may name a proxy and CAs. Default `process.env`. */
  environment?: Environment | undefined;
}

export const ROUTE_RULES: OptionRules<RouteOptions> = {
  ...each(true, 'ca', 'insecure', 'environment', 'cert', 'key', 'keyPassphrase', 'proxySource'),
  proxy: [(value) => typeof value === 'string' || value instanceof URL, 'must be a URL, or none'],
  family: [(value) => value === 4 || value === 6, 'must be 4 or 6'],
};

/** The parts of one attempt to open a WebSocket. */
export interface Upgrade {
  /** The endpoint's URL, token included. */
  url: URL;
  /** The token in the URL, to keep it out of what the server sends back. */
  token: string | undefined;
  /** Makes the connection. Destroy it when the attempt is over. */
  agent: RouteAgent;
  /** Options of TLS; none for `ws://`. */
  tls: TlsOptions | undefined;
  trust: TlsTrust;
}

/** The one place that knows how a request of ours is made: address, proxy, trust. */
export class ServerRoute implements Way {
  readonly base: URL;
  /** The proxy on the way; `undefined` = direct. */
  readonly proxy: ProxyChoice | undefined;
  /** The reason why the proxy of the environment is not used, as a clause; `undefined` if there is none. */
  readonly whyDirect: string | undefined;
  readonly family: 4 | 6 | undefined;
  readonly trust: TlsTrust;

  /** @throws {OpmasError} `USAGE` when a proxy or certificate cannot be used, or an address is of the other family. */
  constructor(base: URL, options: RouteOptions) {
    const { proxy, proxySource: source = 'the option proxy', family, environment = process.env } = options;
    this.base = base;
    this.proxy = chooseProxy(base, environment, proxy === undefined ? undefined : { proxy, source });
    if (this.proxy === undefined && proxy === undefined) this.whyDirect = whyDirect(base, environment);
    this.family = family;
    checkFamily(this.proxy?.url ?? base, family);
    // Now, because the installation may be replaced while a stream runs.
    if (this.proxy !== undefined && isSocks(this.proxy.url)) loadSocks().catch(() => undefined);
    this.trust = new TlsTrust(options, environment);
    if (options.cert !== undefined && base.protocol === 'ws:') {
      throw new OpmasError('USAGE', 'a client certificate needs wss://: ws:// has no TLS');
    }
  }

  /**
   * Makes an attempt to open an endpoint: a name, or a path that begins with `/`.
   *
   * @param limitMs The time that the caller gives it; all addresses of a host are tried in it. Default 10 s.
   */
  upgrade(endpoint: string, token: string | undefined, limitMs?: number): Upgrade {
    const url = endpointUrl(this.base, endpoint, token);
    const isSecure = url.protocol === 'wss:';
    const agent = routeAgent(isSecure, this, { limitMs });
    const { trust } = this;
    return { url, token, agent, trust, tls: isSecure ? trust.server : undefined };
  }

  /** Sends a request to the REST API; see {@link sendRequest}. @param path Below the base URL: `/health`. */
  request(path: string, request: HttpRequest = {}): Promise<HttpResponse> {
    return sendRequest(apiUrl(this.base, path), request, this);
  }
}

function checkFamily(url: URL, family: 4 | 6 | undefined): void {
  const { host } = targetOf(url);
  if (family === undefined || isIP(host) === 0 || isIP(host) === family) return;
  throw new OpmasError('USAGE', `${host} is not an IPv${family} address`, {
    hint: `Use a name, or omit -${family}.`,
  });
}
