import { createServer, type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { close, listen } from './web-server.js';

/** What the server does is in the first part of the path of the base URL: `/401`, `/307`, `/close-4001`. */
export interface EchoServer extends AsyncDisposable {
  readonly port: number;
  /** Base URL of a behaviour. */
  url(behaviour: string): string;
}

/** A hostile server: it sends back whatever secret a client sends, in every form and in every place it can. */
export async function startEchoServer(): Promise<EchoServer> {
  const streams = new WebSocketServer({ noServer: true });
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const echo = echoOf(request, body);
      const status = Number(/^\/(\d{3})/.exec(request.url ?? '')?.[1] ?? 404);
      response.writeHead(status, headersWith(echo)).end(echo);
    });
  });
  server.on('upgrade', (request, socket: Duplex, head) => {
    const behaviour = /^\/([^/]*)/.exec(request.url ?? '')?.[1] ?? '';
    const echo = echoOf(request, '');
    const code = Number(/^close-(\d+)/.exec(behaviour)?.[1]);
    if (code > 0) {
      const token = new URL(request.url ?? '', 'ws://x').searchParams.get('token') ?? '';
      const form = behaviour.endsWith('base64') ? Buffer.from(token).toString('base64') : token;
      streams.handleUpgrade(request, socket, head, (stream) => stream.close(code, form.slice(0, 120)));
    } else if (behaviour === 'garbage') {
      socket.end(echo);
    } else if (behaviour === 'accept') {
      socket.end(
        `HTTP/1.1 101 ${echo.slice(0, 100)}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n`,
      );
    } else {
      const status = Number(behaviour) || 404;
      const headers = Object.entries(headersWith(echo)).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${headers.join('')}\r\n${echo}`);
    }
  });
  const port = await listen(server);
  return {
    port,
    url: (behaviour) => `ws://127.0.0.1:${port}/${behaviour}`,
    [Symbol.asyncDispose]: () => close(server),
  };
}

function headersWith(echo: string): Record<string, string> {
  return {
    location: `http://${encodeURIComponent(echo.slice(0, 200))}@127.0.0.1:1/?token=${encodeURIComponent(echo)}`,
    server: encodeURIComponent(echo),
    'www-authenticate': `Bearer realm="${encodeURIComponent(echo)}"`,
    'set-cookie': encodeURIComponent(echo),
    'retry-after': '0',
  };
}

function echoOf(request: IncomingMessage, body: string): string {
  const { searchParams } = new URL(request.url ?? '', 'ws://x');
  const secrets = [
    searchParams.get('token'),
    request.headers.authorization?.replace(/^\w+ /, ''),
    new URLSearchParams(body).get('password'),
    body,
  ].filter((secret): secret is string => Boolean(secret));
  return secrets.flatMap((secret) => [secret, Buffer.from(secret).toString('base64')]).join(' ') || 'nothing';
}
