import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { OpmasError } from '../../core/errors.js';

/**
 * Keeps web pages of other sites away from the server: the `Host` must be a name that cannot be rebound by DNS to
 * this machine, and a browser's `Origin` must be this machine's own or one that was allowed.
 */
export class RequestGuard {
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  /** Whether only this machine can reach the server. */
  readonly isPrivate: boolean;

  /**
   * @param host Where the server listens. @param allowedOrigins Further origins (`https://app.example`); requests to
   * their host name are taken too. @throws {OpmasError} `USAGE` for what is no origin.
   */
  constructor(host: string, allowedOrigins: readonly string[]) {
    const origins = allowedOrigins.map(parseOrigin);
    this.#origins = new Set(origins.map(({ origin }) => origin));
    this.#hosts = new Set([bare(host), ...origins.map(({ hostname }) => hostname)]);
    this.isPrivate = isLoopbackHost(host);
  }

  /** Why the request is refused, in a few words, or `undefined` when it is fine. */
  objection(request: IncomingMessage): string | undefined {
    const { host, origin } = request.headers;
    if (host === undefined || !this.#allowsHost(host)) {
      return 'Host not allowed; --allow-origin http://NAME allows a name';
    }
    // `sec-websocket-origin` is what version 8 of the protocol called it, which `ws` still takes.
    for (const value of [origin, request.headers['sec-websocket-origin']]) {
      if (value !== undefined && !this.#allowsOrigin(String(value))) return 'Origin not allowed';
    }
    return undefined;
  }

  #allowsHost(header: string): boolean {
    const match = /^(\[[0-9a-f:.]+\]|[^:[\]/@\s]+)(?::\d{1,5})?$/i.exec(header);
    if (match === null) return false;
    const name = bare(match[1]!);
    if (isLoopbackHost(name) || this.#hosts.has(name)) return true;
    // Other machines call it by its address; an address needs no DNS, so it can't be rebound.
    return !this.isPrivate && isIP(name) !== 0;
  }

  #allowsOrigin(header: string): boolean {
    const origin = header.toLowerCase();
    if (this.#origins.has(origin)) return true;
    const match = /^https?:\/\/(\[[0-9a-f:.]+\]|[^:[\]/@\s]+)(?::\d{1,5})?$/.exec(origin);
    return match !== null && isLoopbackHost(match[1]!);
  }
}

/** Whether the name or address, brackets or not, means this machine only. */
export function isLoopbackHost(host: string): boolean {
  const name = bare(host);
  if (isIP(name) === 4) return name.startsWith('127.');
  return name === 'localhost' || name.endsWith('.localhost') || name === '::1';
}

function bare(host: string): string {
  return host.replace(/^\[|\]$/g, '').toLowerCase();
}

function parseOrigin(text: string): { origin: string; hostname: string } {
  const match = /^[a-z][a-z0-9+.-]*:\/\/(\[[0-9a-f:.]+\]|[^:[\]/@\s]+)(?::\d{1,5})?$/.exec(
    text.toLowerCase(),
  );
  if (match === null) {
    throw new OpmasError('USAGE', `${JSON.stringify(text)} is not an origin`, {
      hint: 'Write scheme and host, and the port if there is one, with no path: http://app.example:5173',
    });
  }
  return { origin: match[0], hostname: bare(match[1]!) };
}
