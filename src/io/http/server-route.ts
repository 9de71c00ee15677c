import { apiUrl, endpointUrl } from '../../core/address.js';
import { each, type OptionNames } from '../../core/options.js';
import { type HttpRequest, type HttpResponse, sendRequest, type TlsTrust } from './http-request.js';
import { type ProxyAgent, tunnelAgent } from './proxy.js';
import { chooseProxy, type Environment, type ProxyChoice } from './proxy-choice.js';

/** The user's choices about the way to a server. */
export interface RouteOptions {
  /** PEM of a CA to trust in place of the system's. */
  ca?: string | undefined;
  /** Leaves the server's certificate unverified. Default false. */
  insecure?: boolean | undefined;
  /** Environment variables that may name a proxy. Default `process.env`. */
  environment?: Environment | undefined;
}

export const ROUTE_RULES: OptionNames<RouteOptions> = each(true, 'ca', 'insecure', 'environment');

/** The parts of one attempt to open a WebSocket. */
export interface Upgrade {
  /** The endpoint's URL, token included. */
  url: URL;
  /** The token in the URL, to keep it out of what the server sends back. */
  token: string | undefined;
  /** The way through a proxy. Destroy it when the attempt is over. */
  agent: ProxyAgent | undefined;
  tls: TlsTrust;
}

/** The one place that knows how a request of ours is made: address, proxy, trust. */
export class ServerRoute {
  readonly base: URL;
  /** The proxy on the way; `undefined` = direct. */
  readonly proxy: ProxyChoice | undefined;
  readonly tls: TlsTrust;

  /** @throws {OpmasError} `USAGE` when the environment names a proxy that cannot be used. */
  constructor(base: URL, { ca, insecure, environment = process.env }: RouteOptions) {
    this.base = base;
    this.proxy = chooseProxy(base, environment);
    // Always said: without it, NODE_TLS_REJECT_UNAUTHORIZED would decide.
    this.tls = { ...(ca === undefined ? {} : { ca }), rejectUnauthorized: insecure !== true };
  }

  /** Makes an attempt to open an endpoint: a name, or a path that begins with `/`. */
  upgrade(endpoint: string, token: string | undefined): Upgrade {
    const url = endpointUrl(this.base, endpoint, token);
    const agent = this.proxy && tunnelAgent(this.proxy, url.protocol === 'wss:', this.tls.ca);
    return { url, token, agent, tls: this.tls };
  }

  /** Sends a request to the REST API; see {@link sendRequest}. @param path Below the base URL: `/health`. */
  request(path: string, request: HttpRequest = {}): Promise<HttpResponse> {
    return sendRequest(apiUrl(this.base, path), request, this);
  }
}
