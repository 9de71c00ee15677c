import { once } from 'node:events';
import { type ClientOptions, WebSocket } from 'ws';

/** How a stream ended, and what came before. */
export interface StreamEnd {
  code: number;
  reason: string;
  /** HTTP status when the upgrade was refused. */
  status: number | undefined;
  messages: string[];
}

/** A client that collects what it gets; `end` resolves when its connection is over, however that came. */
export class StreamClient {
  readonly socket: WebSocket;
  readonly messages: string[] = [];
  readonly end: Promise<StreamEnd>;
  #status: number | undefined;

  constructor(url: string, options: ClientOptions = {}) {
    this.socket = new WebSocket(url, { perMessageDeflate: false, ...options });
    this.socket.on('message', (data) => this.messages.push(data.toString()));
    this.socket.on('error', () => undefined);
    this.socket.on('unexpected-response', (request, response) => {
      this.#status = response.statusCode;
      response.resume();
      request.destroy();
      this.socket.terminate();
    });
    this.end = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => {
        resolve({ code, reason: reason.toString(), status: this.#status, messages: this.messages });
      });
    });
  }

  /** Resolves when it is open. */
  async opened(): Promise<this> {
    if (this.socket.readyState !== WebSocket.CONNECTING) return this;
    const refused = this.end.then(({ status }) => Promise.reject(new Error(`refused with ${status}`)));
    await Promise.race([once(this.socket, 'open'), refused]);
    return this;
  }

  /** Resolves when so many messages have come. */
  async received(count: number): Promise<string[]> {
    while (this.messages.length < count) await once(this.socket, 'message');
    return this.messages;
  }
}

/** The URL of a stream. */
export function streamUrl(
  server: { url: string; token: string },
  endpoint = 'devices',
  token = server.token,
): string {
  const query = token === '' ? '' : `?token=${encodeURIComponent(token)}`;
  return `${server.url}/api/v1/ws/${endpoint}${query}`;
}
