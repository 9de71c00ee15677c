import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { clearTimeout, setTimeout } from 'node:timers';
import { CloseCode } from '../../core/close-code.js';
import { LONGEST_TIMER_MS, wallClockMs } from '../clock.js';
import { type WebSocket, type WebSocketServer, webSocketLibrary } from '../websocket.js';
import type { ServerActivity, ServerLimits, ServingOptions } from './serving-options.js';
import { SocketClient } from './socket-client.js';
import type { StreamSource } from './stream-source.js';
import type { TokenCheck, TokenIssuer } from './token-issuer.js';

const LARGEST_MESSAGE_BYTES = 64 * 1024;
const WEB_SOCKET_OPTIONS = {
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: LARGEST_MESSAGE_BYTES,
  handleProtocols: () => false as const,
  // `ws` cuts a closing client after that, even one that reads; `SocketClient` looks whether it reads.
  closeTimeout: 600_000,
};

/** A server, as its parts see it. */
export interface ServerContext {
  readonly options: ServingOptions & { host: string };
  readonly source: StreamSource;
  readonly limits: ServerLimits;
  readonly issuer: TokenIssuer;
  /** Calls code of the source; the server handles what it throws. */
  guarded(call: () => void): void;
  report(activity: ServerActivity): void;
}

/** All open streams of a server, from the upgrade to their ends. */
export class StreamClients implements Iterable<SocketClient> {
  #webSockets: WebSocketServer | undefined;
  readonly #clients = new Set<SocketClient>();
  readonly #onEmpty: (() => void)[] = [];
  #eventsOfClosed = 0;
  #isStalled = false;

  constructor(private readonly server: ServerContext) {}

  get size(): number {
    return this.#clients.size;
  }

  /** The number of events sent, counted for each client, closed ones included. */
  get eventsSent(): number {
    let events = this.#eventsOfClosed;
    for (const client of this.#clients) events += client.events;
    return events;
  }

  [Symbol.iterator](): Iterator<SocketClient> {
    return this.#clients.values();
  }

  /** Sends each client a close frame behind what was sent before. */
  close(code: number, reason?: string): void {
    for (const client of this.#clients) client.close(code, reason);
  }

  /** Holds back all that goes to present and new clients, or sends it. */
  stall(isStalled: boolean): void {
    this.#isStalled = isStalled;
    for (const client of this.#clients) client.stall(isStalled);
  }

  /** Resolves when no client is left. */
  async empty(): Promise<void> {
    if (this.#clients.size > 0) await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
  }

  /** Answers an upgrade with 101 and serves the stream. With a bad token it is closed with 4001 as soon as it is open. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, endpoint: string, token: TokenCheck): void {
    this.#webSockets ??= new (webSocketLibrary().WebSocketServer)(WEB_SOCKET_OPTIONS);
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) =>
      this.#serve(webSocket, socket, endpoint, token),
    );
  }

  #serve(webSocket: WebSocket, socket: Duplex, endpoint: string, token: TokenCheck): void {
    const { source, limits, guarded, report } = this.server;
    let leave: (() => void) | undefined;
    let expiry: NodeJS.Timeout | undefined;
    const client = new SocketClient(webSocket, socket, endpoint, limits, (code, why) => {
      clearTimeout(expiry);
      this.#clients.delete(client);
      this.#eventsOfClosed += client.events;
      if (leave !== undefined) {
        guarded(leave);
        report({ kind: 'ended', endpoint, code, ...(why && { why }), clients: this.size });
      }
      if (this.size === 0) for (const resolve of this.#onEmpty.splice(0)) resolve();
    });
    this.#clients.add(client);
    const refuseToken = (why: string) => {
      report({ kind: 'refused', endpoint, code: CloseCode.AUTHENTICATION_FAILED, why });
      client.close(CloseCode.AUTHENTICATION_FAILED, 'Authentication failed');
    };
    if ('problem' in token) {
      refuseToken(token.problem);
      return;
    }
    const lifeMs = (token.claims.expiresAtMs ?? Number.POSITIVE_INFINITY) - wallClockMs();
    if (lifeMs <= LONGEST_TIMER_MS) expiry = setTimeout(refuseToken, lifeMs, 'the token has expired');
    client.stall(this.#isStalled);
    report({ kind: 'opened', endpoint, clients: this.size });
    guarded(() => {
      leave = source.connect(client);
    });
  }
}
