import { once } from 'node:events';
import * as net from 'node:net';
import * as tls from 'node:tls';
import { targetOf } from '../../core/address.js';
import { OpmasError } from '../../core/errors.js';
import { AttemptError } from '../../core/failure/failure.js';
import { failureOfError } from '../../core/failure/from-error.js';
import { describeEnd } from '../../core/failure/give-up.js';
import { withLimit } from '../clock.js';
import { Dial, resolveHost, type Target } from './dial.js';
import { failedProxy, nameOf, openHttpTunnel, openSocksTunnel, resolvesNames, silentProxy } from './proxy.js';
import { isSocks, type ProxyChoice } from './proxy-choice.js';
import type { TlsTrust } from './tls-trust.js';

/** The way from this machine to a server. */
export interface Way {
  readonly base: URL;
  /** `undefined` = direct. */
  readonly proxy: ProxyChoice | undefined;
  readonly trust: TlsTrust;
  /** The only family of addresses to use, where this machine looks names up. */
  readonly family: 4 | 6 | undefined;
}

/** The time for an opening, if the caller names none. */
const LIMIT_MS = 10_000;

/** The parameters of an {@link Opening}, all optional. */
interface OpeningOptions {
  /** The time that the caller gives it. Default 10 s. */
  limitMs?: number | undefined;
  /** The proxy gets the request itself. */
  isForwarded?: boolean;
  /** Begins TLS with the server. */
  tls?: tls.ConnectionOptions | undefined;
}

/** Opens a socket to a server, directly or through a proxy. Call `destroy()` when what it is for is over. */
export class Opening {
  /** The attempts on the addresses of the server, or of the proxy, when they have begun. */
  dial: Dial | undefined;
  readonly #limitMs: number;
  /** The socket to the proxy, which has not opened the tunnel. */
  #asking: net.Socket | undefined;
  /** It has not begun, or has ended. */
  #isOver = true;

  constructor(
    private readonly target: Target,
    private readonly way: Way,
    private readonly options: OpeningOptions = {},
  ) {
    this.#limitMs = options.limitMs ?? LIMIT_MS;
  }

  /** Begins. Rejects with the error of the socket, or with an {@link OpmasError} that names the proxy. */
  async open(): Promise<net.Socket> {
    this.#isOver = false;
    const { proxy } = this.way;
    const opened = proxy === undefined ? this.#reach(this.target) : this.#pass(proxy);
    const socket = await opened.finally(() => {
      this.#isOver = true;
    });
    const { tls } = this.options;
    return tls === undefined ? socket : secureSocket({ ...tls, host: this.target.host, socket });
  }

  /** Opens it for one request of Node, or of `ws`. */
  readonly createConnection = (
    _request: unknown,
    callback: (error: Error | null, socket: net.Socket) => void,
  ): undefined => {
    this.open().then(
      (socket) => callback(null, socket),
      // Node's type of the callback wants a socket even with an error.
      (error) => callback(error, undefined as never),
    );
  };

  /** The error for a caller whose time is up; `undefined` when the socket is open. */
  get stalled(): Error | undefined {
    const { proxy } = this.way;
    if (this.#isOver) return undefined;
    if (proxy !== undefined && this.#asking !== undefined) return silentProxy(proxy);
    const error = this.dial?.stalled;
    return proxy === undefined || error === undefined ? error : failedProxy(proxy, error);
  }

  /** Ends the work. A socket that was given out is the caller's. */
  destroy(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.dial?.destroy();
    this.#asking?.destroy(new AttemptError('unreachable', 'stopped'));
  }

  #reach(target: Target): Promise<net.Socket> {
    this.dial = new Dial(target, { family: this.way.family, limitMs: this.#limitMs });
    return this.dial.socket;
  }

  async #pass(proxy: ProxyChoice): Promise<net.Socket> {
    let failed: unknown;
    for (const host of await this.#hostsFor(proxy, this.target.host)) {
      try {
        return await this.#tunnel(proxy, { ...this.target, host });
      } catch (error) {
        failed ??= error;
        const isForAddress =
          error instanceof OpmasError && /^proxy (failing|refuses)$/.test(error.failure ?? '');
        if (!isForAddress || this.#isOver) throw error;
      }
    }
    throw failed;
  }

  /** The names or addresses of the server, to ask the proxy for, one after the other. */
  async #hostsFor(proxy: ProxyChoice, host: string): Promise<string[]> {
    if (!isSocks(proxy.url) || resolvesNames(proxy) || net.isIP(host) !== 0) return [host];
    try {
      const family = proxy.url.protocol === 'socks4:' ? 4 : this.way.family;
      return (await resolveHost(host, family)).map(({ address }) => address);
    } catch (error) {
      const { kind, event } = failureOfError(error);
      const hint = `${nameOf(proxy)} is not asked for addresses: socks5h:// lets it look names up`;
      throw new OpmasError('NETWORK', describeEnd(event), { failure: kind, hint });
    }
  }

  async #tunnel(proxy: ProxyChoice, target: Target): Promise<net.Socket> {
    try {
      const socket = await this.#reach(targetOf(proxy.url));
      const { host } = targetOf(proxy.url);
      const isSecure = proxy.url.protocol === 'https:';
      this.#asking = isSecure ? secureSocket({ ...this.way.trust.proxy, socket, host }) : socket;
      // Destroyed meanwhile.
      if (this.#isOver) throw STOPPED;
      if (isSecure) await once(this.#asking, 'secureConnect');
      if (isSocks(proxy.url)) await openSocksTunnel(this.#asking, proxy, target, this.#limitMs);
      else if (!this.options.isForwarded) await openHttpTunnel(this.#asking, proxy, target);
      return this.#asking;
    } catch (error) {
      this.#asking?.destroy();
      throw failedProxy(proxy, error);
    }
  }
}

const STOPPED = new AttemptError('unreachable', 'stopped');

/** Starts TLS on a socket. The certificate is checked against `host`. */
function secureSocket(options: tls.ConnectionOptions & { host: string }): tls.TLSSocket {
  const servername = net.isIP(options.host) === 0 ? { servername: options.host } : {};
  return tls.connect({ ALPNProtocols: ['http/1.1'], ...servername, ...options });
}

/** Does a TLS handshake with the server. @returns The socket, for the caller to destroy. */
export async function greetTls(
  way: Way,
  trust: tls.ConnectionOptions,
  limitMs: number,
): Promise<tls.TLSSocket> {
  const opening = new Opening(targetOf(way.base), way, { limitMs, tls: trust });
  let socket: net.Socket | undefined;
  const greet = async () => {
    socket = await opening.open();
    await once(socket, 'secureConnect');
    return socket as tls.TLSSocket;
  };
  const late = () => opening.stalled ?? new AttemptError('silent', `no TLS answer in ${limitMs / 1000} s`);
  try {
    return await withLimit(greet(), limitMs, late);
  } catch (error) {
    opening.destroy();
    socket?.destroy();
    throw error;
  }
}
