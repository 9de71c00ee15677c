import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';

/** A request that arrived. */
export interface SeenRequest {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: string;
}

/** A local web server for one test. Use it with `await using`. */
export interface WebServer extends AsyncDisposable {
  readonly port: number;
  /** `http://127.0.0.1:<port>`, or `https://localhost:<port>`. */
  readonly url: URL;
  readonly requests: SeenRequest[];
  readonly server: Server;
}

type Answer = (request: SeenRequest, response: ServerResponse) => void;

/** Starts a server that answers as told, once the body of the request is there. */
export async function startWebServer(answer: Answer, certificate?: TlsOptions): Promise<WebServer> {
  const requests: SeenRequest[] = [];
  const listener: RequestListener = (request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      requests.push({ method, url, headers, body });
      answer(requests.at(-1)!, response);
    });
  };
  const server = certificate ? createSecureServer(certificate, listener) : createServer(listener);
  const port = await listen(server);
  const url = new URL(certificate ? `https://localhost:${port}` : `http://127.0.0.1:${port}`);
  return { port, url, requests, server, [Symbol.asyncDispose]: () => close(server) };
}

const sockets = new WeakMap<Server, Set<Socket>>();

/** Listens on a free port of the loopback. */
export async function listen(server: Server): Promise<number> {
  const open = new Set<Socket>();
  sockets.set(server, open);
  for (const event of ['connection', 'secureConnection']) {
    server.on(event, (socket: Socket) => {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => open.delete(socket));
    });
  }
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Ends a server and all its connections. */
export async function close(server: Server): Promise<void> {
  for (const socket of sockets.get(server) ?? []) socket.destroy();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

/** An answer of JSON. */
export function json(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}
