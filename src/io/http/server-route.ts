import { apiUrl, endpointUrl } from '../../core/address.js';
import { OpmasError } from '../../core/errors.js';
import { each, type OptionNames } from '../../core/options.js';
import { type HttpRequest, type HttpResponse, sendRequest } from './http-request.js';
import { type ProxyAgent, tunnelAgent } from './proxy.js';
import { chooseProxy, type Environment, type ProxyChoice } from './proxy-choice.js';
import { type TlsOptions, TlsTrust, type TrustOptions } from './tls-trust.js';

/** The user's choices about the way to a server. */
export interface RouteOptions extends TrustOptions {
  /** Environment variables that may name a proxy and CAs. Default `process.env`. */
  environment?: Environment | undefined;
}

export const ROUTE_RULES: OptionNames<RouteOptions> = {
  ...each(true, 'ca', 'insecure', 'environment'),
  ...each(true, 'cert', 'key', 'keyPassphrase'),
};

/** The parts of one attempt to open a WebSocket. */
export interface Upgrade {
  /** The endpoint's URL, token included. */
  url: URL;
  /** The token in the URL, to keep it out of what the server sends back. */
  token: string | undefined;
  /** The way through a proxy. Destroy it when the attempt is over. */
  agent: ProxyAgent | undefined;
  /** Options of TLS; none for `ws://`. */
  tls: TlsOptions | undefined;
  trust: TlsTrust;
}

/** The one place that knows how a request of ours is made: address, proxy, trust. */
export class ServerRoute {
  readonly base: URL;
  /** The proxy on the way; `undefined` = direct. */
  readonly proxy: ProxyChoice | undefined;
  readonly trust: TlsTrust;

  /** @throws {OpmasError} `USAGE` when a proxy or a certificate cannot be used. */
  constructor(base: URL, options: RouteOptions) {
    const { environment = process.env } = options;
    this.base = base;
    this.proxy = chooseProxy(base, environment);
    this.trust = new TlsTrust(options, environment);
    if (options.cert !== undefined && base.protocol === 'ws:') {
      throw new OpmasError('USAGE', 'a client certificate needs wss://: ws:// has no TLS');
    }
  }

  /** Makes an attempt to open an endpoint: a name, or a path that begins with `/`. */
  upgrade(endpoint: string, token: string | undefined): Upgrade {
    const url = endpointUrl(this.base, endpoint, token);
    const isSecure = url.protocol === 'wss:';
    const agent = this.proxy && tunnelAgent(this.proxy, isSecure, this.trust);
    const { trust } = this;
    return { url, token, agent, trust, tls: isSecure ? trust.server : undefined };
  }

  /** Sends a request to the REST API; see {@link sendRequest}. @param path Below the base URL: `/health`. */
  request(path: string, request: HttpRequest = {}): Promise<HttpResponse> {
    return sendRequest(apiUrl(this.base, path), request, this);
  }
}
