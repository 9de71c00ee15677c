import { createServer, type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { close, listen } from './web-server.js';

/** The first part of the path of the base URL selects the behavior: `/401`, `/307`, `/close-4001`. */
export interface EchoServer extends AsyncDisposable {
  readonly port: number;
  /** The base URL of a behavior. `/401/NAME` behaves like `/401`, so that a test tells its own requests. */
  url(behavior: string): string;
  /** All secrets that requests to this base URL brought. */
  received(behavior: string): string;
}

/** Starts a hostile server: it sends back each secret that a client sends, in every form and place that it can. */
export async function startEchoServer(): Promise<EchoServer> {
  const streams = new WebSocketServer({ noServer: true });
  const receivedBy = new Map<string, string>();
  const note = (request: IncomingMessage, echo: string) => {
    const base = (request.url ?? '').split(/\/api\/|\?/)[0]!.slice(1);
    receivedBy.set(base, `${receivedBy.get(base) ?? ''}${echo}\n`);
  };
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const echo = echoOf(request, body);
      note(request, echo);
      const status = Number(/^\/(\d{3})/.exec(request.url ?? '')?.[1] ?? 404);
      response.writeHead(status, headersWith(echo)).end(echo);
    });
  });
  server.on('upgrade', (request, socket: Duplex, head) => {
    const behavior = /^\/([^/]*)/.exec(request.url ?? '')?.[1] ?? '';
    const echo = echoOf(request, '');
    note(request, echo);
    const code = Number(/^close-(\d+)/.exec(behavior)?.[1]);
    if (code > 0) {
      const [secret = ''] = secretsOf(request, '');
      const form = behavior.endsWith('base64') ? Buffer.from(secret).toString('base64') : secret;
      streams.handleUpgrade(request, socket, head, (stream) => stream.close(code, form.slice(0, 120)));
    } else if (behavior === 'garbage') {
      socket.end(echo);
    } else if (behavior === 'accept') {
      socket.end(
        `HTTP/1.1 101 ${echo.slice(0, 100)}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n`,
      );
    } else {
      const status = Number(behavior) || 404;
      const headers = Object.entries(headersWith(echo)).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${headers.join('')}\r\n${echo}`);
    }
  });
  const port = await listen(server);
  return {
    port,
    url: (behavior) => `ws://127.0.0.1:${port}/${behavior}`,
    received: (behavior) => receivedBy.get(behavior) ?? '',
    [Symbol.asyncDispose]: () => close(server),
  };
}

function headersWith(echo: string): Record<string, string> {
  const secret = encodeURIComponent(echo.slice(0, 200));
  return {
    location: `http://${secret}@127.0.0.1:1/${secret}/api/v1/ws/devices?token=${encodeURIComponent(echo)}`,
    server: encodeURIComponent(echo),
    'www-authenticate': `Bearer realm="${encodeURIComponent(echo)}"`,
    'set-cookie': encodeURIComponent(echo),
    'retry-after': '0',
  };
}

function secretsOf(request: IncomingMessage, body: string): string[] {
  const { searchParams } = new URL(request.url ?? '', 'ws://x');
  const secrets = [
    request.headers['x-gate'],
    searchParams.get('token'),
    request.headers.authorization?.replace(/^\w+ /, ''),
    new URLSearchParams(body).get('password'),
    body,
  ];
  return secrets.flat().filter((secret): secret is string => Boolean(secret));
}

function echoOf(request: IncomingMessage, body: string): string {
  const secrets = secretsOf(request, body);
  return secrets.flatMap((secret) => [secret, Buffer.from(secret).toString('base64')]).join(' ') || 'nothing';
}
