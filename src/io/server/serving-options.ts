import { OpmasError } from '../../core/errors.js';
import { type Fault, parseFault } from '../../core/mock/fault.js';
import { checkOptions, each, type OptionRules } from '../../core/options.js';

/**
 * How a server checks tokens.
 *
 * - `jwt`: accepts any well-formed JWT that has not expired, with any signature.
 * - `secret`: accepts HS256 signatures by the secret, and tokens that it issued itself.
 * - `none`: accepts everything, and requests without a token.
 */
export type AuthMode = 'jwt' | 'secret' | 'none';

const AUTH_MODES: readonly string[] = ['jwt', 'secret', 'none'] satisfies AuthMode[];

/** Options of every server. */
export interface ServingOptions {
  /** 0 = any free port. Default 0. */
  port?: number | undefined;
  /** Default: this machine only, on 127.0.0.1 and ::1. A host that others can reach gives an entry in `warnings`. */
  host?: string | undefined;
  /** How tokens are checked. Default `jwt`: any well-formed JWT that has not expired. */
  auth?: AuthMode | undefined;
  /** HS256 secret for auth mode `secret`. It only verifies; issued tokens are signed with a random key. */
  secret?: string | undefined;
  /** A bad token gets close 4001 after accept (`close`, default) or HTTP 403 (`http`), as the real stack does. */
  refuse?: 'close' | 'http' | undefined;
  /** Life of all tokens that it issues, at least 1 s. Default: 1 h, and 30 days for {@link MockServer.token}. */
  tokenLifeMs?: number | undefined;
  /** Further browser origins (`https://app.example`, `null`); origins of this machine are always allowed. */
  allowOrigins?: readonly string[] | undefined;
  /** Faults on demand; strings are parsed by `parseFault`. */
  faults?: readonly (Fault | string)[] | undefined;
  /** Determines when repeating faults strike. Default: different each time. */
  seed?: number | undefined;
  /** Called at each activity. */
  onActivity?: ((activity: ServerActivity) => void) | undefined;
  /** Limits of clients; for tests. */
  limits?: { [Name in keyof ServerLimits]?: ServerLimits[Name] | undefined } | undefined;
}

/** The rules for the options of every server. */
export const SERVING_RULES: OptionRules<ServingOptions> = {
  ...each(true, 'secret', 'allowOrigins', 'faults', 'onActivity', 'limits'),
  auth: [(mode) => AUTH_MODES.includes(mode), `an auth mode is ${AUTH_MODES.join(', ')}`],
  port: [
    (port) => Number.isInteger(port) && port >= 0 && port <= 65_535,
    'a port is a number from 0 to 65535',
  ],
  // Node listens everywhere for an empty host.
  host: [
    (host) => host.replace(/^\[|\]$/g, '').trim() !== '',
    'a host is a name or an address, not an empty text',
  ],
  refuse: [(way) => way === 'close' || way === 'http', 'a bad token is refused by `close` or by `http`'],
  tokenLifeMs: [(lifeMs) => lifeMs >= 1000, 'a token must live for at least 1s'],
  seed: [Number.isSafeInteger, 'a seed is a whole number'],
};

/** Checks the options of a server. @throws {OpmasError} `USAGE` */
export function checkServing<Options extends ServingOptions>(
  owner: string,
  options: Options,
  rules: OptionRules<Options>,
): void {
  checkOptions(owner, options, rules);
  if (options.auth === 'secret' && !options.secret) {
    throw new OpmasError('USAGE', 'auth mode "secret" needs a secret', {
      hint: "Set OPMAS_MOCK_SECRET to the server's signing secret.",
    });
  }
  faultsOf(options.faults ?? []);
}

/** Parses the faults that are strings. @throws {OpmasError} `USAGE` */
export function faultsOf(faults: readonly (Fault | string)[]): Fault[] {
  return faults.map((fault) => (typeof fault === 'string' ? parseFault(fault) : fault));
}

/** Limits of each client. */
export interface ClientLimits {
  /** Most messages from a client in one second; one more closes it with 1008. */
  messagesPerSecond: number;
  /** Most bytes that wait for a client that does not read; more closes it with 1013. */
  pendingBytes: number;
  /** Time between protocol pings. If no pong arrives before the next ping, the client is closed with 1011, as by uvicorn. */
  pingIntervalMs: number;
  /** Longest time in which a closing client may read nothing before its socket is destroyed. */
  closePatienceMs: number;
}

/** Limits of a server and of each of its clients. */
export interface ServerLimits extends ClientLimits {
  /** Most open streams; the next gets 503. */
  clients: number;
  /** Most connections of any kind on each address; the next is closed at once. */
  connections: number;
  /** Time limit from the first byte to the end of a request. */
  headerMs: number;
}

/** The default limits. */
export const DEFAULT_LIMITS: ServerLimits = {
  messagesPerSecond: 20,
  pendingBytes: 16 * 1024 * 1024,
  pingIntervalMs: 20_000,
  closePatienceMs: 5000,
  clients: 1000,
  connections: 1500,
  headerMs: 10_000,
};

/** An activity of a server. `endpoint` is text of clients. */
export type ServerActivity =
  /** A client with a valid token has opened a stream. */
  | { kind: 'opened'; endpoint: string; clients: number }
  /** That stream has ended; `why` is present if the server ended it because of the client. */
  | { kind: 'ended'; endpoint: string; code: number; why?: string; clients: number }
  /** `code` is an HTTP status or 4001; absent if the attempt got no answer. */
  | { kind: 'refused'; endpoint: string; code?: number; why: string }
  /** A fault on demand strikes, or a lasting fault begins or ends. */
  | { kind: 'fault'; fault: Fault; phase: 'now' | 'begins' | 'ends'; clients: number };

/** A running server, from `startMockServer` or `serveRecording`. */
export interface MockServer extends AsyncDisposable {
  /** Base URL: `ws://127.0.0.1:8000`. */
  readonly url: string;
  readonly port: number;
  /** A valid access token; it lives `tokenLifeMs`, or 30 days without that option. */
  readonly token: string;
  /** Number of open streams. */
  readonly clients: number;
  /** Number of events sent, counted for each client. */
  readonly eventsSent: number;
  /** Sentences for the person who started it: that other machines can reach it. */
  readonly warnings: readonly string[];
  /** Resolves when it has stopped: after {@link close}, or when clients have received all that the source had. */
  readonly finished: Promise<void>;
  /** Issues another access token. It lives `lifeMs` (default `tokenLifeMs`, or 1 h), rounded up to a whole second. */
  createToken(options?: { subject?: string; lifeMs?: number }): Promise<string>;
  /** Closes all clients (1012), then the server. Takes at most 2 s, whatever the clients do. */
  close(): Promise<void>;
}
