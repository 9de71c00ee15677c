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
