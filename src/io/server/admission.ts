import { type IncomingMessage, STATUS_CODES } from 'node:http';
import { isIP, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { isLoopback, withoutBrackets } from '../../core/address.js';
import { OpmasError } from '../../core/errors.js';
import { type EndpointName, endpointAtPath } from '../../core/protocol.js';
import { escapeUnsafe } from '../../core/text.js';
import { wallClockMs } from '../clock.js';
import type { FaultPlayer } from './fault-player.js';
import { splitTarget } from './rest.js';
import type { ServerContext } from './stream-clients.js';
import type { Refusal } from './stream-source.js';
import type { TokenCheck } from './token-issuer.js';

/** The decision about an attempt to open a stream. */
export type Decision =
  /** A stream with a bad token is closed with 4001 as soon as it is open. */
  | { kind: 'admitted'; endpoint: string; token: TokenCheck }
  /** `endpoint` may be a path that is not an endpoint; `why` is for the log, `body` for the client. */
  | { kind: 'refused'; endpoint: string; refusal: Refusal; why: string; body?: string };

/**
 * Decides which requests are served. It keeps web pages of other sites away: the `Host` must be a name that DNS cannot
 * rebind to this machine, and a browser's `Origin` must be of this machine or allowed.
 */
export class Admission {
  /** True if only this machine can reach the server. */
  readonly isPrivate: boolean;
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;

  /** @throws {OpmasError} `USAGE` for an origin that is not one. */
  constructor(
    private readonly server: ServerContext,
    private readonly faults: FaultPlayer,
  ) {
    const { host, allowOrigins = [] } = server.options;
    const origins = allowOrigins.map(parseOrigin);
    this.#origins = new Set(origins.map(({ origin }) => origin));
    this.#hosts = new Set([withoutBrackets(host).toLowerCase(), ...origins.map(({ name }) => name)]);
    this.isPrivate = isLoopback(host);
  }

  /** Decides about a request to upgrade. Takes as long as the source makes the client wait. */
  async decide(request: IncomingMessage): Promise<Decision> {
    const { path } = splitTarget(request.url ?? '');
    const label = documentedEndpoint(path) ?? path;
    const objection = this.objectionTo(request);
    if (objection !== undefined) return refusedBy(label, objection.status, objection.text, objection.text);
    if (request.method !== 'GET') return refusedBy(label, 405, 'not a GET', 'Method Not Allowed');
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
      return refusedBy(label, 426, 'not a WebSocket', 'This server upgrades to WebSocket only');
    }
    const endpoint = await this.endpointAt(path);
    // Starlette answers an unknown path as it answers a refused token: with a bare 403.
    if (endpoint === undefined) return refusedBy(label, 403, 'no such path');
    const { source, issuer, options } = this.server;
    this.faults.begin();
    const status = this.faults.condition.refusalStatus;
    if (status !== undefined) return refusedBy(endpoint, status, 'fault on demand');
    const refusal = await source.admit?.(endpoint);
    if (refusal !== undefined) return { kind: 'refused', endpoint, refusal, why: 'as recorded' };
    const given = queryToken(request);
    const token = issuer.check(given);
    if ('problem' in token && !given && request.headers.authorization !== undefined) {
      token.problem = 'no token in the query; streams do not read the Authorization header';
    }
    if ('problem' in token && options.refuse === 'http') return refusedBy(endpoint, 403, token.problem);
    return { kind: 'admitted', endpoint, token };
  }

  /** The label of the endpoint at a path, or `undefined` if there is none. */
  async endpointAt(path: string): Promise<string | undefined> {
    const name = documentedEndpoint(path);
    if (name !== undefined) return name;
    for (const label of new Set([path, decodePath(path)])) {
      if (await this.server.source.serves?.(label)) return label;
    }
    return undefined;
  }

  /** The reason why a request is not served at all, with an HTTP status, or `undefined`. */
  objectionTo(request: IncomingMessage): { status: number; text: string } | undefined {
    const { host = '', origin } = request.headers;
    const names = request.rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'host');
    if (names.length > 1) return { status: 400, text: 'more than one Host header' };
    if (!this.#allowsHost(host)) {
      return { status: 403, text: notAllowed('Host', host, `http://${host}`) };
    }
    // Version 8 of the protocol, which `ws` accepts, calls it `Sec-WebSocket-Origin`.
    for (const value of [origin, request.headers['sec-websocket-origin']].map(String)) {
      if (value !== 'undefined' && !this.#allowsOrigin(value)) {
        return { status: 403, text: notAllowed('Origin', value, value) };
      }
    }
    return undefined;
  }

  #allowsHost(header: string): boolean {
    const address = addressIn(header);
    if (address === undefined || address.scheme !== '') return false;
    const { name } = address;
    if (isLoopback(name) || this.#hosts.has(name)) return true;
    // Other machines use the address; an address needs no DNS, so it cannot be rebound.
    return !this.isPrivate && isIP(name) !== 0;
  }

  #allowsOrigin(header: string): boolean {
    if (this.#origins.has(header.toLowerCase())) return true;
    const { scheme = '', name = '' } = addressIn(header) ?? {};
    return /^https?$/.test(scheme) && isLoopback(name);
  }
}

const ADDRESS = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(\[[0-9a-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?$/;
/** Origins without a host: browsers send `null` for files and sandboxed frames, some web views `file://`. */
const HOSTLESS_ORIGINS: readonly string[] = ['null', 'file://'];

/** Reads an origin or, without a scheme, a `Host` header; `undefined` for anything else. */
function addressIn(text: string): { scheme: string; name: string } | undefined {
  const [, scheme = '', host, port = '0'] = ADDRESS.exec(text.toLowerCase()) ?? [];
  return host === undefined || Number(port) > 65_535 ? undefined : { scheme, name: withoutBrackets(host) };
}

function parseOrigin(text: string): { origin: string; name: string } {
  const origin = text.toLowerCase();
  if (HOSTLESS_ORIGINS.includes(origin)) return { origin, name: '' };
  const { scheme = '', name = '' } = addressIn(origin) ?? {};
  if (scheme === '') {
    throw new OpmasError('USAGE', `${JSON.stringify(text)} is not an origin`, {
      hint: 'Write scheme and host, and the port if there is one, with no path: http://app.example:5173 (or null).',
    });
  }
  // Browsers leave out the default port.
  return { origin: /^https?$/.test(scheme) ? new URL(origin).origin : origin, name };
}

/** Names the header's value, and the option that allows it if one does. */
function notAllowed(header: string, value: string, origin: string): string {
  const remedy =
    addressIn(origin)?.scheme || HOSTLESS_ORIGINS.includes(origin)
      ? `; to allow it: --allow-origin ${origin}`
      : '';
  return `${header} ${escapeUnsafe(value.slice(0, 200)) || '(none)'} is not allowed${remedy}`;
}

/** The last `?token=`, as Starlette reads it. Streams take no other: browsers cannot send an `Authorization` header. */
function queryToken(request: IncomingMessage): string | undefined {
  return new URLSearchParams(splitTarget(request.url ?? '').query).getAll('token').at(-1);
}

function documentedEndpoint(path: string): EndpointName | undefined {
  return endpointAtPath(decodePath(path));
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** The decision to refuse by an HTTP status. */
export function refusedBy(endpoint: string, status: number, why: string, body = ''): Decision {
  return { kind: 'refused', endpoint, refusal: { kind: 'status', status }, why, body };
}

/**
 * Refuses an upgrade on its bare socket.
 *
 * @param text Body for people; without it the answer is as bare as the real stack's.
 */
export function refuse(socket: Duplex, refusal: Refusal, text = ''): void {
  if (refusal.kind === 'drop') {
    socket.destroy();
  } else if (refusal.kind === 'reset') {
    if (socket instanceof Socket) socket.resetAndDestroy();
    else socket.destroy();
  } else if (refusal.kind === 'silence') {
    socket.on('end', () => socket.destroy()).resume();
  } else {
    const { status } = refusal;
    const body = text === '' ? '' : `${text}\n`;
    const headers = {
      date: new Date(wallClockMs()).toUTCString(),
      ...(status === 426 ? { upgrade: 'websocket' } : {}),
      'content-type': 'text/plain; charset=utf-8',
      'content-length': Buffer.byteLength(body),
      connection: 'close',
      ...refusal.headers,
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n`;
    socket.end(head + body, () => socket.destroy());
  }
}
