import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { connect, type Socket } from 'node:net';
import { close, listen } from './web-server.js';

/** A local proxy for one test. Use it with `await using`. */
export interface ProxyServer extends AsyncDisposable {
  readonly port: number;
  /** First line of each request, and what it proved itself with. */
  readonly seen: { request: string; authorization: string | undefined }[];
}

export interface ProxyBehavior {
  /** Where all tunnels lead, whatever host they name: names are the proxy's to resolve. */
  port: number;
  /** Answers each `CONNECT` with that status instead of a tunnel; 0 never answers. */
  refuse?: number;
  /** Takes connections by TLS. */
  certificate?: { key: string; cert: string };
}

/** Starts a proxy that takes `CONNECT` and requests for whole URLs. */
export async function startProxy({ port: target, refuse, certificate }: ProxyBehavior): Promise<ProxyServer> {
  const seen: ProxyServer['seen'] = [];
  const server = certificate ? createSecureServer(certificate) : createServer();
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    seen.push({
      request: `${request.method} ${request.url}`,
      authorization: request.headers['proxy-authorization'],
    });
    response.writeHead(refuse ?? 200).end('from the proxy');
  });
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    seen.push({ request: `CONNECT ${request.url}`, authorization: request.headers['proxy-authorization'] });
    if (refuse === 0) return;
    if (refuse !== undefined) {
      socket.end(`HTTP/1.1 ${refuse} No\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const upstream = connect(target, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(upstream).pipe(socket);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
  });
  const port = await listen(server);
  return { port, seen, [Symbol.asyncDispose]: () => close(server) };
}
