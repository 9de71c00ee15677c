import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { Arrivals } from './arrivals.js';
import { acceptKey, type ClientFrame, close, frame, readClientFrames, text } from './raw-frames.js';

/** One TCP connection to a {@link RawServer}; it answers nothing by itself but a close frame. */
export class RawConnection {
  readonly socket: Socket;
  /** Whether the client's close frame and the client's FIN are answered by the end of TCP, as servers do. */
  answersClose = true;
  /** Request line and headers, once they are there. */
  head = '';
  /** What the client sends after its request, as frames. */
  readonly frames = new Arrivals<ClientFrame>('frames from the client');
  /** Resolves when the TCP connection is over, whoever ended it. */
  readonly ended: Promise<void>;
  readonly #onRequest: () => void;
  #received: Buffer = Buffer.alloc(0);

  constructor(socket: Socket, onRequest: () => void) {
    this.socket = socket;
    this.#onRequest = onRequest;
    socket.on('error', () => undefined);
    this.ended = new Promise((resolve) => socket.once('close', () => resolve()));
    void this.ended.then(() => this.frames.end());
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('end', () => this.answersClose && socket.end());
  }

  /** The path with its query, as the client asked for it. */
  get path(): string {
    return this.head.split(' ', 2)[1] ?? '';
  }

  /** A header of the request; its name in lower case. */
  header(name: string): string | undefined {
    const line = this.head.split('\r\n').find((one) => one.toLowerCase().startsWith(`${name}:`));
    return line?.slice(name.length + 1).trim();
  }

  /** The `101` that a good server answers. */
  upgradeAnswer(...extraHeaders: string[]): string {
    const key = acceptKey(this.header('sec-websocket-key') ?? '');
    const lines = [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${key}`,
      ...extraHeaders,
    ];
    return `${lines.join('\r\n')}\r\n\r\n`;
  }

  /** Upgrades; the frames given here go in the same packet. */
  accept(...frames: Buffer[]): this {
    return this.write(Buffer.concat([Buffer.from(this.upgradeAnswer()), ...frames]));
  }

  /** Another HTTP answer, with its length, after which the server ends the connection. */
  respond(status: string, headers: string[] = [], body = ''): void {
    const lines = [`HTTP/1.1 ${status}`, ...headers, `Content-Length: ${Buffer.byteLength(body)}`];
    this.socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
  }

  write(bytes: Buffer | string): this {
    if (!this.socket.destroyed) this.socket.write(bytes);
    return this;
  }

  /** Sends text messages in one packet. */
  text(...payloads: (string | Buffer)[]): this {
    return this.write(Buffer.concat(payloads.map(text)));
  }

  /** Goes to and fro so many times by ping and pong: both sides have done all that was due. */
  async roundTrips(times = 1): Promise<void> {
    for (let i = 0; i < times; i++) {
      this.write(frame({ opcode: 9, payload: `${i}` }));
      await this.frames.next(({ opcode, payload }) => opcode === 10 && payload.toString() === `${i}`);
    }
  }

  /** Sends a close frame and leaves it to the client to end TCP. */
  close(code?: number, reason?: string | Buffer): this {
    return this.write(close(code, reason));
  }

  /** Ends TCP with a FIN. */
  end(): void {
    this.socket.end();
  }

  /** Ends TCP with an RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  #receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    if (this.head === '') {
      const end = this.#received.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.head = this.#received.toString('latin1', 0, end);
      this.#received = this.#received.subarray(end + 4);
      this.#onRequest();
    }
    const { frames, rest } = readClientFrames(this.#received);
    this.#received = rest;
    for (const one of frames) {
      this.frames.add(one);
      if (one.opcode === 8 && this.answersClose) this.socket.end();
    }
  }
}

/** A TCP server that does nothing but what a test tells it to. */
export class RawServer {
  /** Connections whose request has come, in order. */
  readonly requests = new Arrivals<RawConnection>('requests');
  /** Every TCP connection, in order, whether or not it says anything. */
  readonly connections = new Arrivals<RawConnection>('connections');
  readonly #server: Server;
  readonly #isTls: boolean;

  private constructor(server: Server, isTls: boolean) {
    this.#server = server;
    this.#isTls = isTls;
  }

  /** @param host Default 127.0.0.1. @param tls Speak TLS with these. */
  static async start(options: { host?: string; port?: number; tls?: TlsOptions } = {}): Promise<RawServer> {
    const { host = '127.0.0.1', port = 0, tls } = options;
    const server: Server =
      tls === undefined
        ? createServer({ allowHalfOpen: true })
        : createTlsServer({ ...tls, allowHalfOpen: true });
    const raw = new RawServer(server, tls !== undefined);
    server.on('connection', (socket) => raw.#hold(socket));
    server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) =>
      raw.#connect(socket),
    );
    // A client that refuses our certificate is no fault of the test.
    server.on('tlsClientError', (_error, socket: Socket) => socket.destroy());
    server.listen(port, host);
    await once(server, 'listening');
    return raw;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** Base URL. */
  get url(): string {
    return `${this.#isTls ? 'wss' : 'ws'}://127.0.0.1:${this.port}`;
  }

  /** The next connection, as soon as its request is there. */
  request(): Promise<RawConnection> {
    return this.requests.next();
  }

  /** Treats every request alike, from now on. */
  onRequest(handle: (connection: RawConnection) => void): this {
    this.#handle = handle;
    return this;
  }

  /** Treats every TCP connection alike, before anything was said. */
  onConnect(handle: (connection: RawConnection) => void): this {
    this.#handleConnect = handle;
    return this;
  }

  /** Stops listening and destroys every connection. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** Every socket from its first moment: one that is in the middle of a TLS handshake is no connection yet. */
  readonly #sockets = new Set<Socket>();
  #stopping = false;

  #hold(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
    if (this.#stopping) socket.destroy();
  }

  #handle: (connection: RawConnection) => void = () => undefined;
  #handleConnect: (connection: RawConnection) => void = () => undefined;

  #connect(socket: Socket): void {
    const connection = new RawConnection(socket, () => {
      this.requests.add(connection);
      this.#handle(connection);
    });
    this.connections.add(connection);
    this.#handleConnect(connection);
  }
}
