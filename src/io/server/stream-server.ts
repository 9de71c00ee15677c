import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { clearTimeout, setTimeout } from 'node:timers';
import { CloseCode } from '../../core/close-code.js';
import { givenOf } from '../../core/options.js';
import { deferred, systemClock, wallClockMs } from '../clock.js';
import { asyncDispose } from '../dispose.js';
import { Admission, type Decision, refuse, refusedBy } from './admission.js';
import { FaultPlayer } from './fault-player.js';
import { Listeners } from './listeners.js';
import { answerRest, splitTarget } from './rest.js';
import {
  checkServing,
  DEFAULT_LIMITS,
  faultsOf,
  type MockServer,
  SERVING_RULES,
  type ServerActivity,
  type ServingOptions,
} from './serving-options.js';
import { type ServerContext, StreamClients } from './stream-clients.js';
import type { StreamSource } from './stream-source.js';
import { TokenIssuer } from './token-issuer.js';

/** Life of the token that the server gives its starter, unless all tokens were given a life. */
const OWN_TOKEN_LIFE_MS = 30 * 24 * 3_600_000;
/** After it, `close()` destroys the connections that are left. */
const CLOSE_BUDGET_MS = 1000;
/** Accepts clients and serves them the events of a source. */
export class StreamServer implements MockServer {
  readonly warnings: string[] = [];
  readonly #stopped = deferred();
  readonly finished = this.#stopped.promise;
  token = '';
  port: number;
  readonly #context: ServerContext;
  readonly #listeners: Listeners;
  readonly #faults: FaultPlayer;
  readonly #admission: Admission;
  readonly #clients: StreamClients;
  /** New clients are no longer accepted. */
  #isEnding = false;
  #failure: { error: unknown } | undefined;
  #closing: Promise<void> | undefined;

  /** @param options From {@link checkServing}. */
  constructor(source: StreamSource, options: ServingOptions) {
    const { host = 'localhost', port = 0, seed = wallClockMs(), faults = [] } = options;
    const context = {
      options: { ...options, host },
      source,
      limits: { ...DEFAULT_LIMITS, ...givenOf(options.limits) },
      issuer: new TokenIssuer(options),
      guarded: (call: () => void) => this.#guarded(call),
      report: (activity: ServerActivity) => this.#report(activity),
    };
    this.#context = context;
    this.port = port;
    this.#clients = new StreamClients(context);
    this.#faults = new FaultPlayer(faultsOf(faults), {
      clients: this.#clients,
      onFault: (fault, phase) => this.#report({ kind: 'fault', fault, phase, clients: this.clients }),
      seed,
      clock: systemClock,
    });
    this.#admission = new Admission(context, this.#faults);
    if (!this.#admission.isPrivate) {
      this.warnings.push(`${host} can be reached from other machines, and this is no real authentication`);
    }
    this.#listeners = new Listeners({
      host,
      connections: context.limits.connections,
      requestMs: context.limits.headerMs,
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
  }

  /** Listens. @throws {OpmasError} `LOCAL` if it cannot listen on the port. */
  async start(): Promise<void> {
    this.token = this.#context.issuer.accessToken(
      'mock',
      this.#context.options.tokenLifeMs ?? OWN_TOKEN_LIFE_MS,
    );
    const listen = async () => {
      this.port = await this.#listeners.listen(this.port);
    };
    this.#context.source.start?.({
      suspend: () => this.#listeners.stop(),
      resume: async () => {
        if (!this.#isEnding) await listen();
      },
    });
    try {
      await listen();
    } catch (error) {
      await this.#context.source.stop();
      throw error;
    }
    this.#context.source.finished?.then(
      () => this.#finish(CloseCode.NORMAL),
      (error) => this.#break(error),
    );
  }

  get url(): string {
    return `ws://${this.#listeners.reachableHost}:${this.port}`;
  }

  get clients(): number {
    return this.#clients.size;
  }

  get eventsSent(): number {
    return this.#clients.eventsSent;
  }

  async createToken({ subject = 'mock', lifeMs = this.#context.issuer.lifeMs } = {}): Promise<string> {
    return this.#context.issuer.accessToken(subject, lifeMs);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close(CloseCode.SERVICE_RESTART, 'Server stopped');
    return this.#closing;
  }

  async [asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Ends the server once all clients that read have received everything. */
  async #finish(code: number): Promise<void> {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#listeners.stop();
    this.#clients.close(code);
    await this.#clients.empty();
    this.#closing ??= this.#close(code, '');
    await this.#closing;
  }

  /** Ends the server after an error of the source or of `onActivity`; `finished` rejects with it. */
  #break(error: unknown): void {
    this.#failure ??= { error };
    void this.#finish(CloseCode.INTERNAL_ERROR);
  }

  async #close(code: number, reason: string): Promise<void> {
    this.#isEnding = true;
    this.#listeners.stop();
    this.#faults.stop();
    this.#clients.close(code, reason);
    const budget = setTimeout(() => this.#listeners.destroyConnections(), CLOSE_BUDGET_MS);
    await this.#clients.empty();
    clearTimeout(budget);
    this.#listeners.destroyConnections();
    try {
      await this.#context.source.stop();
    } catch (error) {
      this.#failure ??= { error };
    }
    // The source may have resumed listening just before the end.
    this.#listeners.stop();
    if (this.#failure === undefined) this.#stopped.resolve();
    else this.#stopped.reject(this.#failure.error);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const objection = this.#admission.objectionTo(request);
    if (objection !== undefined) {
      const { status, text } = objection;
      const endpoint = splitTarget(request.url ?? '').path;
      this.#report({ kind: 'refused', endpoint, code: status, why: text });
      response.writeHead(status, { 'content-type': 'text/plain', connection: 'close' }).end(`${text}\n`);
      return;
    }
    await answerRest(request, response, {
      issuer: this.#context.issuer,
      isStreamPath: async (path) => (await this.#admission.endpointAt(path)) !== undefined,
    });
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // The limits are applied last: the server may fill up or close while the source decides.
    const decision = this.#withinLimits(await this.#admission.decide(request));
    const { endpoint } = decision;
    if (decision.kind === 'refused') {
      const { refusal, why, body } = decision;
      const code = refusal.kind === 'status' ? { code: refusal.status } : {};
      this.#report({ kind: 'refused', endpoint, ...code, why });
      refuse(socket, refusal, body);
      return;
    }
    this.#clients.accept(request, socket, head, endpoint, decision.token);
  }

  #withinLimits(decision: Decision): Decision {
    const { kind, endpoint } = decision;
    if (this.#isEnding) return { kind: 'refused', endpoint, refusal: { kind: 'drop' }, why: 'closing' };
    const isFull = this.#clients.size >= this.#context.limits.clients;
    return kind === 'admitted' && isFull ? refusedBy(endpoint, 503, 'too many clients') : decision;
  }

  #report(activity: ServerActivity): void {
    this.#guarded(() => this.#context.options.onActivity?.(activity));
  }

  #guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#break(error);
    }
  }
}

/**
 * Starts a server for any source of events. It listens when this resolves.
 * @throws {OpmasError} `USAGE` for bad options, `LOCAL` if it cannot listen on the port.
 */
export async function startServer(source: StreamSource, options: ServingOptions = {}): Promise<MockServer> {
  checkServing('startServer', options, SERVING_RULES);
  const server = new StreamServer(source, options);
  await server.start();
  return server;
}
