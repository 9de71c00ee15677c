import { isIP } from 'node:net';
import { apiUrl, endpointUrl, type Redact, redactToken, targetOf } from '../../core/address.js';
import { OpmasError } from '../../core/errors.js';
import { checkHeader, secretsIn } from '../../core/headers.js';
import { isObject } from '../../core/json/json-tokens.js';
import { each, type OptionRules } from '../../core/options.js';
import { version } from '../../core/version.js';
import { type HttpRequest, type HttpResponse, sendRequest } from './http-request.js';
import { Opening, type Way } from './opening.js';
import { loadSocks } from './proxy.js';
import { chooseProxy, type Environment, isSocks, type ProxyChoice, readProxy } from './proxy-choice.js';
import { TlsTrust, type TrustOptions } from './tls-trust.js';

/** The place of the token in the request that opens a stream: `?token=…`, or `Authorization: Bearer …`. */
export type TokenPlace = 'query' | 'header';

/** The user's choices about the way to a server. */
export interface RouteOptions extends TrustOptions {
  /**
   * Headers of each request, to open a stream or to the REST API. Their values are secrets. Not accepted are those that
   * a connection sets itself: `Host`, `Connection`, `Upgrade`, `Sec-WebSocket-*` and the like. Default: a `User-Agent`.
   */
  headers?: Readonly<Record<string, string>> | undefined;
  /**
   * Default `query`, as the API's document has it. `header` keeps the token out of access logs; it excludes an
   * `Authorization` header of your own.
   */
  tokenIn?: TokenPlace | undefined;
  /**
   * URL of the proxy: `http`, `https`, `socks4`, `socks4a`, `socks5` or `socks5h`. It wins over the environment, for
   * this machine too; `none` connects directly. Default: the proxy that the environment names.
   */
  proxy?: string | URL | undefined;
  /** Connects to addresses of this family only: those of the proxy if there is one. Default: both. */
  family?: 4 | 6 | undefined;
  /** Environment variables that may name a proxy and CAs. Default `process.env`. */
  environment?: Environment | undefined;
}

const isText = (value: unknown) => typeof value === 'string';

/** For `checkOptions`; {@link ServerRoute} checks the rest. */
export const ROUTE_RULES: OptionRules<RouteOptions> = {
  ...each([isObjectOfStrings, 'must be an object of strings'], 'headers', 'sources'),
  tokenIn: [(place) => place === 'query' || place === 'header', 'must be query or header'],
  ...each([isText, 'must be PEM, as text'], 'ca', 'cert', 'key'),
  keyPassphrase: [isText, 'must be text'],
  ...each(true, 'insecure', 'environment'),
  proxy: [(value) => typeof value === 'string' || value instanceof URL, 'must be a URL, or none'],
  family: [(value) => value === 4 || value === 6, 'must be 4 or 6'],
};

/** A request to the REST API. */
export interface RouteRequest extends HttpRequest {
  /** For `Authorization`. A header of the user takes precedence over it. */
  token?: string | undefined;
}

/** The parts of one attempt to open a WebSocket. */
export interface Upgrade {
  /** The endpoint's URL, with the token if it belongs there. */
  url: URL;
  headers: Record<string, string>;
  /** Removes the token and the values of headers from a text of the server. */
  redact: Redact;
  /** Makes the connection. Destroy it when the attempt is over. */
  opening: Opening;
  trust: TlsTrust;
}

/** The one place that knows how our requests are made: address, headers, proxy, trust, and secrets to redact. */
export class ServerRoute implements Way {
  readonly base: URL;
  /** The proxy on the way; `undefined` = direct. */
  readonly proxy: ProxyChoice | undefined;
  /** The reason why the proxy of the environment is not used, as a clause; `undefined` if there is none. */
  readonly whyDirect: string | undefined;
  readonly family: 4 | 6 | undefined;
  readonly trust: TlsTrust;
  readonly tokenIn: TokenPlace;
  /** The source of the header `Authorization` of an upgrade. */
  readonly authorization: 'token' | 'user' | undefined;
  readonly #headers: Record<string, string> = {};
  /** Each with what stands in its place. */
  readonly #secrets = new Map<string, string>();

  /**
   * @throws {OpmasError} `USAGE` when a header, a proxy or a certificate cannot be used, or an address is of the other
   * family.
   */
  constructor(base: URL, options: RouteOptions) {
    const { proxy, sources = {}, family, environment = process.env } = options;
    this.base = base;
    const chosen =
      proxy === undefined
        ? chooseProxy(base, environment)
        : { proxy: readProxy(String(proxy), sources.proxy ?? 'the option proxy') };
    this.proxy = chosen.proxy;
    this.whyDirect = chosen.whyDirect;
    this.family = family;
    checkFamily(this.proxy?.url ?? base, family);
    // Now, because the installation may be replaced while a stream runs.
    if (this.proxy !== undefined && isSocks(this.proxy.url)) loadSocks().catch(() => undefined);
    this.trust = new TlsTrust(options, environment);
    if (options.cert !== undefined && base.protocol === 'ws:') {
      throw new OpmasError(
        'USAGE',
        `${sources.cert ?? 'a client certificate'} needs wss://: ws:// has no TLS`,
      );
    }
    const { user = '', password } = this.proxy?.credentials ?? {};
    // A proxy may repeat the header that we have sent to it.
    for (const secret of password === undefined ? [] : [`${user}:${password}`, password]) {
      this.#secrets.set(secret, '[proxy password]');
    }
    for (const [name, value] of Object.entries(options.headers ?? {})) this.#addHeader(name, value);
    if (!this.#has('User-Agent')) this.#headers['User-Agent'] = `opmas-ws/${version}`;
    this.tokenIn = options.tokenIn ?? 'query';
    const isTaken = this.#has('Authorization');
    this.authorization = isTaken ? 'user' : this.tokenIn === 'header' ? 'token' : undefined;
    if (isTaken && this.tokenIn === 'header') {
      const what = "`tokenIn: 'header'` and an Authorization header of your own cannot be combined";
      const hint = "Leave out the header, or put the token in the query: `tokenIn: 'query'`.";
      throw new OpmasError('USAGE', what, { hint });
    }
  }

  #addHeader(name: string, value: string): void {
    checkHeader(name, value);
    if (this.#has(name)) throw new OpmasError('USAGE', `the header ${name} is given twice`);
    for (const secret of secretsIn(name, value)) this.#secrets.set(secret, '[header]');
    // Node writes Latin-1; as in curl, the value is sent as UTF-8.
    this.#headers[name] = Buffer.from(value).toString('latin1');
  }

  #has(name: string): boolean {
    return Object.keys(this.#headers).some((other) => other.toLowerCase() === name.toLowerCase());
  }

  /**
   * Makes an attempt to open an endpoint: a name, or a path that begins with `/`.
   *
   * @param limitMs The time that the caller gives it; all addresses of a host are tried in it. Default 10 s.
   */
  upgrade(endpoint: string, token: string | undefined, limitMs?: number, tokenIn = this.tokenIn): Upgrade {
    const isInQuery = tokenIn === 'query';
    const url = endpointUrl(this.base, endpoint, isInQuery ? token : undefined);
    const headers = { ...this.#headers, ...(isInQuery ? {} : bearer(token)) };
    const redact = (text: string) => this.redact(text, token);
    const { trust } = this;
    const tls = url.protocol === 'wss:' ? trust.server : undefined;
    return { url, headers, redact, opening: new Opening(targetOf(url), this, { limitMs, tls }), trust };
  }

  /** Sends a request to the REST API; see {@link sendRequest}. @param path Below the base URL: `/health`. */
  request(path: string, { token, headers, ...request }: RouteRequest = {}): Promise<HttpResponse> {
    const all = { ...this.#headers, ...headers, ...(this.authorization === 'user' ? {} : bearer(token)) };
    return sendRequest(apiUrl(this.base, path), { ...request, headers: all }, this);
  }

  /** Removes the values of headers, the credentials of a proxy, and a token, from a text that others wrote. */
  redact(text: string, token: string | undefined): string {
    let rest = redactToken(text, token);
    for (const [secret, mark] of this.#secrets) rest = redactToken(rest, secret, mark);
    return rest;
  }
}

function isObjectOfStrings(value: unknown): boolean {
  return isObject(value) && Object.values(value).every((member) => typeof member === 'string');
}

function bearer(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { Authorization: `Bearer ${token}` };
}

function checkFamily(url: URL, family: 4 | 6 | undefined): void {
  const { host } = targetOf(url);
  if (family === undefined || isIP(host) === 0 || isIP(host) === family) return;
  throw new OpmasError('USAGE', `${host} is not an IPv${family} address`, {
    hint: `Use a name, or omit -${family}.`,
  });
}
