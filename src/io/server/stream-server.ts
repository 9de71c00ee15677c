import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

import { CloseCode } from '../../core/close-code.js';
import { loadWebSocket, type WebSocketServer } from '../websocket.js';
import { Admission, refused, refusedBy, type Verdict } from './admission.js';
import { FaultPlayer, type FaultStage } from './fault-player.js';
import { RequestGuard } from './guard.js';
import { Listeners } from './listeners.js';
import { refuse } from './refusal.js';
import { answerRest } from './rest.js';
import {
  checkServing,
  DEFAULT_LIMITS,
  faultsOf,
  type MockServer,
  type ServerActivity,
  type ServerLimits,
  type ServingOptions,
} from './serving-options.js';
import { StreamClients } from './stream-clients.js';
import type { StreamSource } from './stream-source.js';
import { TokenIssuer } from './token-issuer.js';

const LARGEST_MESSAGE_BYTES = 64 * 1024;
const DEFAULT_TOKEN_LIFE_MS = 3_600_000;
/** Life of the token that the server hands its starter; independent of `tokenLifeMs`. */
const OWN_TOKEN_LIFE_MS = 30 * 24 * 3_600_000;
const WILDCARDS = new Set(['0.0.0.0', '::']);
/** After it, `close()` destroys what is still there. */
const CLOSE_BUDGET_MS = 1000;
const WEB_SOCKET_OPTIONS = {
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: LARGEST_MESSAGE_BYTES,
  handleProtocols: () => false as const,
  // `ws` cuts a closing client after that, however well it reads; our own watch looks whether it does.
  closeTimeout: 600_000,
};

/** Lets clients in, and serves them what the source has. One for each running server. */
export class StreamServer implements MockServer {
  readonly warnings: string[] = [];
  readonly finished: Promise<void>;
  token = '';
  port: number;
  readonly #source: StreamSource;
  readonly #options: ServingOptions;
  readonly #limits: ServerLimits;
  readonly #guard: RequestGuard;
  readonly #issuer: TokenIssuer;
  readonly #tokenLifeMs: number;
  readonly #listeners: Listeners;
  readonly #faults: FaultPlayer;
  readonly #admission: Admission;
  readonly #clients: StreamClients;
  readonly #webSockets: WebSocketServer;
  /** Nobody is let in any more. */
  #isEnding = false;
  #failure: { error: unknown } | undefined;
  #closing: Promise<void> | undefined;
  #settle!: { resolve: () => void; reject: (error: unknown) => void };

  /** @throws {OpmasError} `USAGE` for bad options. */
  constructor(source: StreamSource, options: ServingOptions) {
    const { host = 'localhost', port = 0, tokenLifeMs = DEFAULT_TOKEN_LIFE_MS, seed = Date.now() } = options;
    checkServing(options);
    this.#source = source;
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.port = port;
    this.#tokenLifeMs = tokenLifeMs;
    this.#guard = new RequestGuard(host, options.allowOrigins ?? []);
    if (!this.#guard.isPrivate) {
      this.warnings.push(`${host} can be reached from other machines, and this is no real authentication`);
    }
    this.#issuer = new TokenIssuer(options.auth ?? 'jwt', options.secret);
    this.#webSockets = new (loadWebSocket().WebSocketServer)(WEB_SOCKET_OPTIONS);
    this.#clients = new StreamClients({
      source,
      limits: this.#limits,
      isStalled: () => this.#faults.stalled,
      guarded: (call) => this.#guarded(call),
      report: (activity) => this.#report(activity),
    });
    this.#listeners = new Listeners({
      host,
      connections: this.#limits.connections,
      requestMs: this.#limits.headerMs,
      onRequest: (request, response) => {
        this.#answer(request, response).catch((error) => {
          if (response.headersSent) response.destroy();
          else response.writeHead(500, { connection: 'close' }).end();
          this.#break(error);
        });
      },
      onUpgrade: (request, socket, head) => {
        this.#upgrade(request, socket, head).catch((error) => {
          refuse(socket, { kind: 'status', status: 500 });
          this.#break(error);
        });
      },
    });
    const stage: FaultStage = {
      clients: () => [...this.#clients],
      onFault: (fault, phase) => this.#report({ kind: 'fault', fault, phase, clients: this.clients }),
    };
    this.#faults = new FaultPlayer(faultsOf(options.faults ?? []), stage, seed);
    this.#admission = new Admission({
      guard: this.#guard,
      faults: this.#faults,
      source,
      issuer: this.#issuer,
      refuse: options.refuse ?? 'close',
    });
    this.finished = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Whoever awaits it gets the error; whoever does not shall not crash for it.
    this.finished.catch(() => undefined);
  }

  /** Listens. @throws {OpmasError} `LOCAL` when the port cannot be had. */
  async start(): Promise<void> {
    this.token = await this.#issuer.accessToken('mock', OWN_TOKEN_LIFE_MS);
    const listen = async () => {
      this.port = await this.#listeners.listen(this.port);
    };
    this.#source.start?.({
      suspend: () => this.#listeners.stop(),
      resume: async () => {
        if (!this.#isEnding) await listen();
      },
    });
    try {
      await listen();
    } catch (error) {
      await this.#source.stop();
      throw error;
    }
    this.#source.finished?.then(
      () => this.#finish(CloseCode.NORMAL),
      (error) => this.#break(error),
    );
  }

  get url(): string {
    // Who listens everywhere is reached from here by loopback.
    const listening = this.#listeners.addresses[0]!;
    const address = WILDCARDS.has(listening) ? '127.0.0.1' : listening;
    return `ws://${address.includes(':') ? `[${address}]` : address}:${this.port}`;
  }

  get clients(): number {
    return this.#clients.size;
  }

  get eventsSent(): number {
    return this.#clients.eventsSent;
  }

  createToken({ subject = 'mock', lifeMs = DEFAULT_TOKEN_LIFE_MS } = {}): Promise<string> {
    return this.#issuer.accessToken(subject, lifeMs);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close(CloseCode.SERVICE_RESTART, 'Server stopped');
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The source has nothing more: whoever still reads gets it all, then the server ends. */
  async #finish(code: number): Promise<void> {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#listeners.stop();
    this.#clients.close(code);
    await this.#clients.gone();
    this.#closing ??= this.#close(code, '');
    await this.#closing;
  }

  /** What the source, or whoever listens, does wrong ends the server: nobody waits for ever, and `finished` tells. */
  #break(error: unknown): void {
    this.#failure ??= { error };
    void this.#finish(CloseCode.INTERNAL_ERROR);
  }

  /** Calls what others wrote. */
  #guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#break(error);
    }
  }

  async #close(code: number, reason: string): Promise<void> {
    this.#isEnding = true;
    this.#listeners.stop();
    this.#faults.stop();
    this.#clients.close(code, reason);
    const budget = setTimeout(() => this.#listeners.destroyConnections(), CLOSE_BUDGET_MS);
    await this.#clients.gone();
    clearTimeout(budget);
    this.#listeners.destroyConnections();
    try {
      await this.#source.stop();
    } catch (error) {
      this.#failure ??= { error };
    }
    // It may have begun to listen again just before the end.
    this.#listeners.stop();
    if (this.#failure === undefined) this.#settle.resolve();
    else this.#settle.reject(this.#failure.error);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const objection = this.#guard.objection(request);
    if (objection !== undefined) {
      response.writeHead(403, { 'content-type': 'text/plain', connection: 'close' }).end(`${objection}\n`);
      return;
    }
    await answerRest(request, response, {
      issuer: this.#issuer,
      tokenLifeMs: this.#tokenLifeMs,
      isStreamPath: async (path) => (await this.#admission.endpointOf(path)) !== undefined,
    });
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // Asked after the waiting, for a server may fill up or close meanwhile.
    const verdict = this.#withinLimits(await this.#admission.judge(request));
    const { endpoint } = verdict;
    if (verdict.kind === 'refused') {
      const { refusal, why, text } = verdict;
      const code = refusal.kind === 'status' ? { code: refusal.status } : {};
      this.#report({ kind: 'refused', endpoint, ...code, why });
      refuse(socket, refusal, text);
      return;
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) =>
      this.#clients.serve(webSocket, socket, endpoint, verdict.claims),
    );
  }

  #withinLimits(verdict: Verdict): Verdict {
    const { kind, endpoint } = verdict;
    if (this.#isEnding) return refused(endpoint, { kind: 'drop' }, 'closing');
    const isFull = this.#clients.size >= this.#limits.clients;
    return kind === 'admitted' && isFull ? refusedBy(endpoint, 503, 'too many clients') : verdict;
  }

  #report(activity: ServerActivity): void {
    this.#guarded(() => this.#options.onActivity?.(activity));
  }
}
