import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { ClientOptions } from 'ws';
import { CloseCode } from '../../core/close-code.js';
import { proxyAgentFor } from '../http/proxy.js';
import { OwnFault } from '../http/system-error.js';
import { loadWebSocket, type WebSocket } from '../websocket.js';

/** How an attempt to open one endpoint went. */
export interface ProbeResult {
  outcome: ProbeOutcome;
  /** From the beginning to the upgrade or its refusal. */
  upgradeMs: number;
  /** From our protocol ping to the pong; `undefined` when none came. */
  roundTripMs: number | undefined;
}

/** How an attempt on one endpoint went. */
export type ProbeOutcome =
  | { kind: 'open' }
  /** Closed after the upgrade, before anything showed that the server means to keep it. */
  | { kind: 'closed'; code: number; reason: string }
  | { kind: 'refused'; status: number; headers: IncomingHttpHeaders }
  | { kind: 'failed'; error: unknown }
  | { kind: 'silent' };

/** What to try. */
export interface ProbeOptions {
  /** Endpoint with the token in its query. */
  url: URL;
  ca?: string | undefined;
  insecure?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

const UPGRADE_LIMIT_MS = 10_000;
/** How long a pong is waited for. */
export const PONG_LIMIT_MS = 5000;
/** A server that accepts first and refuses the token then, does so within that time. */
const REFUSAL_LIMIT_MS = 1000;
const CLOSE_LIMIT_MS = 200;

/** Opens an endpoint, pings it, and waits for a refusal that comes late. */
export async function probeUpgrade(options: ProbeOptions): Promise<ProbeResult> {
  const { url, ca, insecure, signal } = options;
  const agent = await proxyAgentFor(url, { ca });
  // The types of `ws` know no `closeTimeout` yet.
  const settings: ClientOptions & { closeTimeout: number } = {
    perMessageDeflate: false,
    followRedirects: false,
    // A server that says goodbye and hangs up never would be taken for a silent one.
    closeTimeout: CLOSE_LIMIT_MS,
    ...(agent ? { agent } : {}),
    ...(ca === undefined ? {} : { ca }),
    rejectUnauthorized: insecure !== true,
  };
  const probe = new Probe(new (loadWebSocket().WebSocket)(url, settings), () => agent?.stalled);
  const stop = () => probe.finish({ kind: 'failed', error: new OwnFault('stopped') });
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  const result = await probe.result;
  signal?.removeEventListener('abort', stop);
  leave(probe.socket);
  agent?.destroy();
  return result;
}

/** Watches one attempt until it is known how it went. */
class Probe {
  readonly socket: WebSocket;
  readonly result: Promise<ProbeResult>;
  readonly #startedAt = performance.now();
  #resolve: (result: ProbeResult) => void = () => undefined;
  #upgradedAt: number | undefined;
  #pongAt: number | undefined;
  #hasEvent = false;
  #limit: NodeJS.Timeout;

  /** @param stalled Why the proxy has come no further, if there is one. */
  constructor(socket: WebSocket, stalled: () => Error | undefined) {
    this.socket = socket;
    this.result = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#limit = setTimeout(() => {
      const error = stalled();
      this.finish(error === undefined ? { kind: 'silent' } : { kind: 'failed', error });
    }, UPGRADE_LIMIT_MS);
    this.#listen();
  }

  finish(outcome: ProbeOutcome): void {
    clearTimeout(this.#limit);
    const upgradedAt = this.#upgradedAt;
    const roundTripMs =
      upgradedAt === undefined || this.#pongAt === undefined ? undefined : this.#pongAt - upgradedAt;
    const upgradeMs = (upgradedAt ?? performance.now()) - this.#startedAt;
    this.#resolve({ outcome, upgradeMs, roundTripMs });
  }

  #finishIn(waitMs: number, outcome: ProbeOutcome): void {
    clearTimeout(this.#limit);
    this.#limit = setTimeout(() => this.finish(outcome), waitMs);
  }

  #listen(): void {
    const { socket } = this;
    socket.on('unexpected-response', (_request, { statusCode = 0, headers }: IncomingMessage) => {
      this.#upgradedAt = performance.now();
      this.finish({ kind: 'refused', status: statusCode, headers });
    });
    socket.on('open', () => {
      this.#upgradedAt = performance.now();
      socket.ping();
      this.#finishIn(PONG_LIMIT_MS, { kind: 'open' });
    });
    // An event is proof enough that the token was taken; without one, a refusal may still come.
    socket.on('pong', () => {
      this.#pongAt ??= performance.now();
      this.#finishIn(this.#hasEvent ? 0 : REFUSAL_LIMIT_MS, { kind: 'open' });
    });
    socket.on('message', () => {
      this.#hasEvent = true;
      if (this.#pongAt !== undefined) this.finish({ kind: 'open' });
    });
    socket.on('error', (error) => this.finish({ kind: 'failed', error }));
    socket.on('close', (code, reason) => this.finish({ kind: 'closed', code, reason: reason.toString() }));
  }
}

function leave(socket: WebSocket): void {
  if (socket.readyState !== socket.OPEN) {
    socket.terminate();
    return;
  }
  socket.close(CloseCode.NORMAL);
  setTimeout(() => socket.terminate(), CLOSE_LIMIT_MS);
}
