import { OpmasError } from '../../core/errors.js';
import { type Fault, parseFault } from '../../core/mock/fault.js';
import { type AuthMode, checkAuth } from './token-issuer.js';

/** How a server serves, whatever it serves. */
export interface ServingOptions {
  /** 0 = any free port. Default 0. */
  port?: number;
  /** Default: this machine only, on 127.0.0.1 and ::1. Any other host is reached by others: see `warnings`. */
  host?: string;
  /** How tokens are checked. Default `jwt`: any well-formed JWT that has not expired. */
  auth?: AuthMode;
  /** HS256 secret for auth mode `secret`, at least 32 bytes. */
  secret?: string;
  /** A bad token gets close 4001 after accept (`close`, default) or HTTP 403 (`http`), as the real stack does. */
  refuse?: 'close' | 'http';
  /** Life of the tokens that its own login and refresh give out. Default 1 h; at least 1 s. */
  tokenLifeMs?: number;
  /** Further browser origins; this machine's own are always allowed. */
  allowOrigins?: readonly string[];
  /** Faults on demand; texts are read by `parseFault`. */
  faults?: readonly (Fault | string)[];
  /** Fixes when repeating faults come. Default: otherwise each time. */
  seed?: number;
  /** Told what happens, as it happens. */
  onActivity?: (activity: ServerActivity) => void;
  /** What clients may do; for tests. */
  limits?: Partial<ServerLimits>;
}

/** @throws {OpmasError} `USAGE` for what is none of the options. */
export function checkServing(options: ServingOptions): void {
  const { port = 0, host, tokenLifeMs = 1000, refuse, seed = 0, auth = 'jwt', secret, faults = [] } = options;
  const wrong = (message: string) => new OpmasError('USAGE', message);
  if (!(tokenLifeMs >= 1000)) throw wrong('a token must live for at least 1s');
  if (!(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw wrong('a port is a number from 0 to 65535');
  }
  // Nothing at all would mean everywhere.
  if (host?.replace(/^\[|\]$/g, '').trim() === '')
    throw wrong('a host is a name or an address, not an empty text');
  if (refuse !== undefined && refuse !== 'close' && refuse !== 'http') {
    throw wrong('a bad token is refused by close or by http');
  }
  if (!Number.isSafeInteger(seed)) throw wrong('a seed is a whole number');
  checkAuth(auth, secret);
  faultsOf(faults);
}

/** Faults as they are, or read from their texts. @throws {OpmasError} `USAGE` */
export function faultsOf(faults: readonly (Fault | string)[]): Fault[] {
  return faults.map((fault) => (typeof fault === 'string' ? parseFault(fault) : fault));
}

/** What a client may do and cost. Tests and library users may choose others. */
export interface ClientLimits {
  /** Messages from a client in one second; one more closes it with 1008. */
  messagesPerSecond: number;
  /** Bytes that wait for a client that does not read; more closes it with 1013. */
  pendingBytes: number;
  /** Time between protocol pings. No pong until the next one is due closes it with 1011, as uvicorn does. */
  pingIntervalMs: number;
  /** How long a closing client may take nothing before its socket is destroyed. */
  closePatienceMs: number;
}

/** Limits of a server and of each of its clients. */
export interface ServerLimits extends ClientLimits {
  /** Open streams; the next gets 503. Default 1000. */
  clients: number;
  /** Connections of any kind on each address; the next is closed at once. Default 1500. */
  connections: number;
  /** From the first byte to the end of a request's header. Default 10 s. */
  headerMs: number;
}

/** The limits, unless the starter of a server says otherwise. */
export const DEFAULT_LIMITS: ServerLimits = {
  messagesPerSecond: 20,
  pendingBytes: 16 * 1024 * 1024,
  pingIntervalMs: 20_000,
  closePatienceMs: 5000,
  clients: 1000,
  connections: 1500,
  headerMs: 10_000,
};

/** Something that happened at a server. Endpoints are foreign text. */
export type ServerActivity =
  /** A client with a good token has a stream. */
  | { kind: 'opened'; endpoint: string; clients: number }
  /** Such a stream is over; `why` is there when the server has ended it for what the client did. */
  | { kind: 'ended'; endpoint: string; code: number; why?: string; clients: number }
  /** `code` is an HTTP status or 4001; absent when the attempt got no answer. */
  | { kind: 'refused'; endpoint: string; code?: number; why: string }
  /** A fault on demand strikes, or a lasting one begins or ends. */
  | { kind: 'fault'; fault: Fault; phase: 'now' | 'begins' | 'ends'; clients: number };

/** A running server; `startMockServer` and `serveRecording` give one. */
export interface MockServer extends AsyncDisposable {
  /** Base URL: `ws://127.0.0.1:8000`. */
  readonly url: string;
  readonly port: number;
  /** A valid access token that lives 30 days. */
  readonly token: string;
  /** How many streams are open. */
  readonly clients: number;
  /** How many events were sent to clients, counted for each client. */
  readonly eventsSent: number;
  /** What its starter should know, one sentence each: that other machines can reach it. */
  readonly warnings: readonly string[];
  /** Resolves when it has stopped: after {@link close}, or when the source has nothing more and clients took it all. */
  readonly finished: Promise<void>;
  /** Another valid access token; it lives `lifeMs` (default 1 h) and on to the next whole second. */
  createToken(options?: { subject?: string; lifeMs?: number }): Promise<string>;
  /** Closes all clients (1012), then the server; at most 2 s, whatever the clients do. */
  close(): Promise<void>;
}
