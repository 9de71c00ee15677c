import { createRequire } from 'node:module';
import type * as Ws from 'ws';

export type WebSocket = Ws.WebSocket;
export type WebSocketServer = Ws.WebSocketServer;

let library: Pick<typeof Ws, 'WebSocket' | 'WebSocketServer'> | undefined;

/** Loads the WebSocket library, which takes 20 ms that programs without a connection need not spend. */
export async function loadWebSocket(): Promise<void> {
  if (library !== undefined) return;
  try {
    // The library's ES module wrapper takes Node twice as long.
    library = createRequire(import.meta.url)('ws') as typeof Ws;
  } catch {
    // In a bundle there may be no folder to require from. A bundler sees the import, and includes the library.
    library = await importBundled();
  }
}

/** In ES modules, esbuild lets bundled CommonJS modules require those of Node only through a global function. */
async function importBundled(): Promise<typeof Ws> {
  const globals = globalThis as { require?: unknown };
  const isMissing = globals.require === undefined && import.meta.url !== undefined;
  if (isMissing) globals.require = createRequire(import.meta.url);
  try {
    return await import('ws');
  } finally {
    if (isMissing) delete globals.require;
  }
}

/** The library. {@link loadWebSocket} must have loaded it. */
export function webSocketLibrary(): Pick<typeof Ws, 'WebSocket' | 'WebSocketServer'> {
  if (library === undefined) throw new Error('the WebSocket library is not loaded');
  return library;
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
