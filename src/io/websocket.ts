import { createRequire } from 'node:module';
import type * as Ws from 'ws';

export type WebSocket = Ws.WebSocket;
export type WebSocketServer = Ws.WebSocketServer;

/**
 * Loads a CommonJS library, at once. Its ES module wrapper takes Node twice as long.
 *
 * @param importBundled Imports it by name: in a bundle there may be no folder to require from. A bundler sees the
 *   import, and includes the library.
 */
export async function loadLibrary<Library>(
  name: string,
  importBundled: () => Promise<Library>,
): Promise<Library> {
  try {
    return createRequire(import.meta.url)(name) as Library;
  } catch {
    // In ES modules, esbuild lets bundled CommonJS modules require those of Node only through a global function.
    const globals = globalThis as { require?: unknown };
    const isMissing = globals.require === undefined && import.meta.url !== undefined;
    if (isMissing) globals.require = createRequire(import.meta.url);
    try {
      return await importBundled();
    } finally {
      if (isMissing) delete globals.require;
    }
  }
}

let library: Pick<typeof Ws, 'WebSocket' | 'WebSocketServer'> | undefined;

/** Loads the WebSocket library, which takes 20 ms that programs without a connection need not spend. */
export async function loadWebSocket(): Promise<void> {
  library ??= await loadLibrary<typeof Ws>('ws', () => import('ws'));
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
  #isSending = false;
  /** Payload of the ping to answer next. */
  #latest: Buffer | undefined;

  constructor(private readonly socket: WebSocket) {}

  /** Takes a ping that has come. */
  answer(payload: Buffer): void {
    this.#latest = payload;
    if (!this.#isSending) this.#send();
  }

  #send(): void {
    const payload = this.#latest;
    this.#latest = undefined;
    this.#isSending = payload !== undefined && this.socket.readyState === this.socket.OPEN;
    if (this.#isSending) this.socket.pong(payload, true, () => this.#send());
  }
}
