import { createRequire } from 'node:module';
import type * as Ws from 'ws';

export type WebSocket = Ws.WebSocket;
export type WebSocketServer = Ws.WebSocketServer;

const require = createRequire(import.meta.url);

/**
 * Loads the WebSocket library, at the first call. That takes 20 ms, which programs without a connection need not spend.
 * It is required rather than imported, because its ES module wrapper takes Node twice as long.
 */
export function loadWebSocket(): typeof Ws {
  return require('ws') as typeof Ws;
}

/**
 * Answers pings. Of several that come before an answer is on its way, only the latest gets one, which RFC 6455 allows
 * (section 5.5.3). `ws` would answer each, and cut the connection when too many come at once.
 */
export class PongSender {
  readonly #socket: WebSocket;
  #isSending = false;
  /** Payload of the ping to answer next. */
  #latest: Buffer | undefined;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** Takes a ping that has come. */
  answer(payload: Buffer): void {
    this.#latest = payload;
    if (!this.#isSending) this.#send();
  }

  #send(): void {
    const payload = this.#latest;
    this.#latest = undefined;
    this.#isSending = payload !== undefined && this.#socket.readyState === this.#socket.OPEN;
    if (this.#isSending) this.#socket.pong(payload, true, () => this.#send());
  }
}
