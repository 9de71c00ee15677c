import { createRequire } from 'node:module';
import type * as Ws from 'ws';

/**
 * The WebSocket library. Required rather than imported, for its ES module wrapper takes Node 20 ms longer to load;
 * that is a third of what it takes a tail to send its first byte.
 */
const ws = createRequire(import.meta.url)('ws') as typeof Ws;

export const WebSocket: typeof Ws.WebSocket = ws.WebSocket;
export type WebSocket = Ws.WebSocket;
export const WebSocketServer: typeof Ws.WebSocketServer = ws.WebSocketServer;
export type WebSocketServer = Ws.WebSocketServer;
