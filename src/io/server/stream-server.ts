import { createServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { OpmasError } from '../../core/errors.js';
import { CLOSE_AUTHENTICATION_FAILED, ENDPOINTS, WEBSOCKET_PATH } from '../../core/protocol.js';
import { RequestGuard } from './guard.js';
import { listenTogether, stopListening } from './listen.js';
import { answerRest, splitTarget, tokenOf } from './rest.js';
import { type ClientLimits, SocketClient } from './socket-client.js';
import type { Refusal, StreamSource } from './stream-source.js';
import { type AuthMode, type TokenClaims, TokenIssuer } from './token-issuer.js';

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
  /** Told what happens, as it happens. */
  onActivity?: (activity: ServerActivity) => void;
  /** What clients may do; for tests. */
  limits?: Partial<ServerLimits>;
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

const DEFAULT_LIMITS: ServerLimits = {
  messagesPerSecond: 20,
  pendingBytes: 16 * 1024 * 1024,
  pingIntervalMs: 20_000,
  closePatienceMs: 2000,
  clients: 1000,
  connections: 1500,
  headerMs: 10_000,
};

/** Something that happened at a server. Endpoints are foreign text. */
export type ServerActivity =
  | { kind: 'opened'; endpoint: string; clients: number }
  | { kind: 'ended'; endpoint: string; code: number; clients: number }
  /** `status` is absent when the refusal was no HTTP answer. */
  | { kind: 'refused'; endpoint: string; status?: number; why: string };

const LARGEST_MESSAGE_BYTES = 64 * 1024;
const DEFAULT_TOKEN_LIFE_MS = 3_600_000;
/** Life of the token that the server hands its starter; independent of `tokenLifeMs`. */
const OWN_TOKEN_LIFE_MS = 30 * 24 * 3_600_000;
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;
const CLOSE_NORMAL = 1000;
const CLOSE_SERVICE_RESTART = 1012;
/** After it, `close()` destroys what is still there. */
const CLOSE_BUDGET_MS = 1000;

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
  /** Another valid access token. @param lifeMs At least until the next whole second. Default 1 h. */
  createToken(options?: { subject?: string; lifeMs?: number }): Promise<string>;
  /** Closes all clients (1012), then the server; at most 2 s, whatever the clients do. */
  close(): Promise<void>;
}

/**
 * Starts a server for a source. It listens when this resolves.
 *
 * @throws {OpmasError} `USAGE` for bad options, `LOCAL` when the port cannot be had.
 */
export async function startServer(source: StreamSource, options: ServingOptions = {}): Promise<MockServer> {
  const server = new StreamServer(source, options);
  await server.start();
  return server;
}

class StreamServer implements MockServer {
  readonly warnings: string[] = [];
  readonly finished: Promise<void>;
  token = '';
  port: number;
  readonly #source: StreamSource;
  readonly #options: ServingOptions;
  readonly #limits: ServerLimits;
  readonly #hosts: readonly string[];
  readonly #guard: RequestGuard;
  readonly #issuer: TokenIssuer;
  readonly #tokenLifeMs: number;
  readonly #listeners: { server: Server; host: string }[];
  readonly #sockets = new Set<Duplex>();
  readonly #clients = new Set<SocketClient>();
  readonly #webSockets: WebSocketServer;
  #eventsOfGone = 0;
  #closing: Promise<void> | undefined;
  #settle!: { resolve: () => void; reject: (error: unknown) => void };
  /** Called when the last client has gone. */
  #onEmpty: (() => void) | undefined;

  constructor(source: StreamSource, options: ServingOptions) {
    this.#source = source;
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.port = options.port ?? 0;
    const { host = 'localhost' } = options;
    this.#hosts = host === 'localhost' ? ['127.0.0.1', '::1'] : [host.replace(/^\[|\]$/g, '')];
    this.#guard = new RequestGuard(host, options.allowOrigins ?? []);
    this.#issuer = new TokenIssuer(options.auth ?? 'jwt', options.secret);
    this.#tokenLifeMs = options.tokenLifeMs ?? DEFAULT_TOKEN_LIFE_MS;
    if (!(this.#tokenLifeMs >= 1000)) throw new OpmasError('USAGE', 'a token must live for at least 1s');
    if (!this.#guard.isPrivate) {
      this.warnings.push(`other machines can reach this server on ${host}, and its auth is a mock's`);
    }
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: LARGEST_MESSAGE_BYTES,
      handleProtocols: () => false,
    });
    this.#listeners = this.#hosts.map((address) => ({ server: this.#createListener(), host: address }));
    this.finished = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.finished.catch(() => undefined);
  }

  async start(): Promise<void> {
    this.token = await this.#issuer.accessToken('mock', OWN_TOKEN_LIFE_MS);
    const listen = async () => {
      this.port = await listenTogether(this.#listeners, this.port);
    };
    this.#source.start?.({ suspend: () => this.#stopListening(), resume: listen });
    try {
      await listen();
    } catch (error) {
      await this.#source.stop();
      throw error;
    }
    this.#source.finished?.then(
      () => this.#finish(),
      (error) => this.#finish(error),
    );
  }

  get url(): string {
    const [host = ''] = this.#hosts;
    return `ws://${host.includes(':') ? `[${host}]` : host}:${this.port}`;
  }

  get clients(): number {
    return this.#clients.size;
  }

  get eventsSent(): number {
    let events = this.#eventsOfGone;
    for (const client of this.#clients) events += client.events;
    return events;
  }

  createToken({ subject = 'mock', lifeMs = DEFAULT_TOKEN_LIFE_MS } = {}): Promise<string> {
    return this.#issuer.accessToken(subject, lifeMs);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close(CLOSE_SERVICE_RESTART, 'Server stopped').then(this.#settle.resolve);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The source has nothing more: whoever still reads gets it all, then the server ends. */
  async #finish(error?: unknown): Promise<void> {
    if (this.#closing !== undefined) return;
    this.#stopListening();
    for (const client of this.#clients) client.close(CLOSE_NORMAL);
    await this.#emptied();
    this.#closing ??= this.#close(CLOSE_NORMAL, '');
    await this.#closing;
    if (error === undefined) this.#settle.resolve();
    else this.#settle.reject(error);
  }

  async #close(code: number, reason: string): Promise<void> {
    this.#stopListening();
    for (const client of this.#clients) client.close(code, reason);
    const budget = setTimeout(() => this.#destroyAll(), CLOSE_BUDGET_MS);
    await this.#emptied();
    clearTimeout(budget);
    this.#destroyAll();
    await this.#source.stop();
  }

  #destroyAll(): void {
    for (const client of this.#clients) client.destroy();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #emptied(): Promise<void> {
    if (this.#clients.size === 0) return;
    await new Promise<void>((resolve) => {
      const before = this.#onEmpty;
      this.#onEmpty = () => {
        before?.();
        resolve();
      };
    });
  }

  #stopListening(): void {
    for (const { server } of this.#listeners) stopListening(server);
  }

  #createListener(): Server {
    const server = createServer(
      {
        headersTimeout: this.#limits.headerMs,
        requestTimeout: this.#limits.headerMs,
        // Node looks for overdue requests only so often.
        connectionsCheckingInterval: Math.min(1000, this.#limits.headerMs),
        keepAliveTimeout: 5000,
      },
      (request, response) => {
        const objection = this.#guard.objection(request);
        if (objection !== undefined) {
          response
            .writeHead(403, { 'content-type': 'text/plain', connection: 'close' })
            .end(`${objection}\n`);
          return;
        }
        void answerRest(request, response, {
          issuer: this.#issuer,
          tokenLifeMs: this.#tokenLifeMs,
          isStreamPath: (path) => this.#endpointOf(path) !== undefined,
        });
      },
    );
    server.maxConnections = this.#limits.connections;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    server.on('upgrade', (request, socket, head) => {
      socket.on('error', () => undefined);
      void this.#upgrade(request, socket, head);
    });
    return server;
  }

  /** The label of the endpoint at a path, or `undefined` when there is none. */
  #endpointOf(path: string): string | undefined {
    let decoded = path;
    try {
      decoded = decodeURIComponent(path);
    } catch {
      // Not percent-encoded text; then it is what it is.
    }
    const name = ENDPOINTS.find((endpoint) => decoded === WEBSOCKET_PATH + endpoint);
    if (name !== undefined) return name;
    return [path, decoded].find((label) => this.#source.serves?.(label) === true);
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { path } = splitTarget(request.url ?? '');
    const turnAway = (status: number, why: string, text = '') => {
      this.#report({ kind: 'refused', endpoint: path, status, why });
      refuse(socket, { kind: 'status', status }, text);
    };
    const objection = this.#guard.objection(request);
    if (objection !== undefined) return turnAway(403, objection, objection);
    if (request.method !== 'GET') return turnAway(405, 'not a GET', 'Method Not Allowed');
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
      return turnAway(426, 'not a WebSocket upgrade', 'Only WebSocket upgrades are taken');
    }
    const endpoint = this.#endpointOf(path);
    // Starlette answers an unknown path as it answers a refused token.
    if (endpoint === undefined) return turnAway(403, 'no such path');
    const refusal = this.#source.admit?.(endpoint);
    if (refusal !== undefined) {
      const status = refusal.kind === 'status' ? { status: refusal.status } : {};
      this.#report({ kind: 'refused', endpoint, ...status, why: 'asked for' });
      return refuse(socket, refusal);
    }
    const claims = await this.#issuer.check(tokenOf(request));
    if (claims === undefined && this.#options.refuse === 'http') return turnAway(403, 'bad or missing token');
    if (this.#clients.size >= this.#limits.clients) return turnAway(503, 'too many clients');
    if (this.#closing !== undefined || socket.destroyed) return void socket.destroy();
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) =>
      this.#serve(webSocket, socket, endpoint, claims),
    );
  }

  #serve(webSocket: WebSocket, socket: Duplex, endpoint: string, claims: TokenClaims | undefined): void {
    let leave: (() => void) | undefined;
    let expiry: NodeJS.Timeout | undefined;
    const client = new SocketClient(webSocket, socket, endpoint, this.#limits, (code) => {
      clearTimeout(expiry);
      this.#clients.delete(client);
      this.#eventsOfGone += client.events;
      leave?.();
      this.#report({ kind: 'ended', endpoint, code, clients: this.#clients.size });
      if (this.#clients.size === 0) this.#onEmpty?.();
    });
    this.#clients.add(client);
    this.#report({ kind: 'opened', endpoint, clients: this.#clients.size });
    const refuseToken = () => client.close(CLOSE_AUTHENTICATION_FAILED, 'Authentication failed');
    if (claims === undefined) {
      refuseToken();
      return;
    }
    const lifeMs = (claims.expiresAt ?? Number.POSITIVE_INFINITY) - Date.now();
    // A timer can wait for 24 days; no session lasts that long.
    if (lifeMs <= LONGEST_TIMEOUT_MS) expiry = setTimeout(refuseToken, lifeMs);
    leave = this.#source.connect(client);
  }

  #report(activity: ServerActivity): void {
    this.#options.onActivity?.(activity);
  }
}

/** Answers an upgrade that is not granted, on the bare socket. */
function refuse(socket: Duplex, refusal: Refusal, text = ''): void {
  if (refusal.kind === 'silence') {
    socket.on('end', () => socket.destroy()).resume();
    return;
  }
  if (refusal.kind === 'drop') return void socket.destroy();
  const body = text === '' ? '' : `${text}\n`;
  const headers = {
    date: new Date().toUTCString(),
    ...(refusal.status === 426 ? { upgrade: 'websocket' } : {}),
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
    ...refusal.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const reason = STATUS_CODES[refusal.status] ?? '';
  socket.end(`HTTP/1.1 ${refusal.status} ${reason}\r\n${lines.join('')}\r\n${body}`, () => socket.destroy());
}
