import type { Duplex } from 'node:stream';

import { CloseCode } from '../../core/close-code.js';
import type { WebSocket } from '../websocket.js';
import type { ClientLimits, ServerActivity } from './serving-options.js';
import { SocketClient } from './socket-client.js';
import type { StreamSource } from './stream-source.js';
import type { TokenClaims } from './token-issuer.js';

/** A timer can wait for 24 days; no session lasts that long. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** Whom {@link StreamClients} serves with what, and whom it tells. */
export interface StreamClientsOptions {
  source: StreamSource;
  limits: ClientLimits;
  /** Whether clients get nothing at this moment. */
  isStalled: () => boolean;
  /** Calls what others wrote: what that throws is the server's to handle. */
  guarded: (call: () => void) => void;
  report: (activity: ServerActivity) => void;
}

/** All open streams of a server, from the upgrade to their ends. */
export class StreamClients implements Iterable<SocketClient> {
  readonly #options: StreamClientsOptions;
  readonly #clients = new Set<SocketClient>();
  #eventsOfGone = 0;
  /** Called when the last one has gone. */
  readonly #onEmpty: (() => void)[] = [];

  constructor(options: StreamClientsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#clients.size;
  }

  /** How many events were sent, counted for each client, those that have gone included. */
  get eventsSent(): number {
    let events = this.#eventsOfGone;
    for (const client of this.#clients) events += client.events;
    return events;
  }

  [Symbol.iterator](): Iterator<SocketClient> {
    return this.#clients.values();
  }

  /** Sends each of them a close frame behind what was sent before. */
  close(code: number, reason?: string): void {
    for (const client of this.#clients) client.close(code, reason);
  }

  /** Resolves when there is none. */
  async gone(): Promise<void> {
    if (this.#clients.size > 0) await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
  }

  /** @param claims What the token says; without them it is bad, and the stream is closed with 4001. */
  serve(webSocket: WebSocket, socket: Duplex, endpoint: string, claims: TokenClaims | undefined): void {
    const { source, limits, isStalled, guarded, report } = this.#options;
    let leave: (() => void) | undefined;
    let expiry: NodeJS.Timeout | undefined;
    const client = new SocketClient(webSocket, socket, endpoint, limits, (code, why) => {
      clearTimeout(expiry);
      this.#remove(client);
      if (leave !== undefined) {
        guarded(leave);
        report({ kind: 'ended', endpoint, code, ...(why && { why }), clients: this.size });
      }
      if (this.size === 0) for (const wake of this.#onEmpty.splice(0)) wake();
    });
    this.#clients.add(client);
    const refuseToken = (why: string) => {
      report({ kind: 'refused', endpoint, code: CloseCode.AUTHENTICATION_FAILED, why });
      client.close(CloseCode.AUTHENTICATION_FAILED, 'Authentication failed');
    };
    if (claims === undefined) {
      refuseToken('bad or missing token');
      return;
    }
    const lifeMs = (claims.expiresAtMs ?? Number.POSITIVE_INFINITY) - Date.now();
    if (lifeMs <= LONGEST_TIMEOUT_MS) expiry = setTimeout(refuseToken, lifeMs, 'the token has expired');
    client.stall(isStalled());
    report({ kind: 'opened', endpoint, clients: this.size });
    guarded(() => {
      leave = source.connect(client);
    });
  }

  #remove(client: SocketClient): void {
    this.#clients.delete(client);
    this.#eventsOfGone += client.events;
  }
}
