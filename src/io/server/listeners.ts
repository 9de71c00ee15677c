import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { OpmasError } from '../../core/errors.js';

/** Errors of an address that this machine does not have. */
const NO_SUCH_ADDRESS = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL', 'EPROTONOSUPPORT']);
/** A port that is free on one address may be taken on the other. */
const FREE_PORT_TRIES = 20;
const KEEP_ALIVE_MS = 5000;

/** What {@link Listeners} takes. */
export interface ListenersOptions {
  /** `localhost` means 127.0.0.1 and ::1. */
  host: string;
  /** Connections on each address; the next is closed at once. */
  connections: number;
  /** From the first byte to the end of a request; then it is cut. */
  requestMs: number;
  onRequest(request: IncomingMessage, response: ServerResponse): void;
  onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** HTTP servers on one or two addresses, all on the same port, with all their sockets. */
export class Listeners {
  /** The addresses, the first of which is there for certain once it listens. */
  readonly addresses: readonly string[];
  readonly #servers: readonly Server[];
  readonly #sockets = new Set<Socket>();
  /** Changes with each call that says whether to listen: whoever still waits for an address then is out of date. */
  #turn = 0;
  /** The last call that is under way: the next one waits for it. */
  #listening: Promise<unknown> = Promise.resolve();

  constructor(options: ListenersOptions) {
    const host = options.host.replace(/^\[|\]$/g, '');
    this.addresses = host === 'localhost' ? ['127.0.0.1', '::1'] : [host];
    this.#servers = this.addresses.map(() => this.#create(options));
  }

  /**
   * Listens on all addresses. One beyond the first that this machine does not have (no IPv6) is left out. When
   * {@link stop} comes meanwhile it does not listen.
   *
   * @param port 0 = any that is free on all addresses.
   * @returns The port. @throws {OpmasError} `LOCAL`, naming the port, when it is in use or not permitted.
   */
  listen(port: number): Promise<number> {
    const turn = ++this.#turn;
    const listening = this.#listening.then(() => this.#listen(port, turn));
    this.#listening = listening.catch(() => undefined);
    return listening;
  }

  async #listen(port: number, turn: number): Promise<number> {
    for (let tries = 1; ; tries++) {
      let actual = port;
      let address = '';
      try {
        for (const [index, server] of this.#servers.entries()) {
          address = this.addresses[index]!;
          actual = await listenOn(server, address, actual).catch((error) => {
            if (index > 0 && NO_SUCH_ADDRESS.has(codeOf(error))) return actual;
            throw error;
          });
          if (turn !== this.#turn) {
            if (server.listening) server.close();
            return actual;
          }
        }
        return actual;
      } catch (error) {
        if (turn !== this.#turn) return actual;
        this.#closeServers();
        if (port === 0 && codeOf(error) === 'EADDRINUSE' && tries < FREE_PORT_TRIES) continue;
        throw listenError(error, address, actual);
      }
    }
  }

  /** Stops listening: from now on the machine itself refuses. Connections that are open stay. */
  stop(): void {
    this.#turn++;
    this.#closeServers();
  }

  #closeServers(): void {
    for (const server of this.#servers) if (server.listening) server.close();
  }

  /** Cuts all connections. */
  destroyConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #create({ connections, requestMs, onRequest, onUpgrade }: ListenersOptions): Server {
    const server = createServer({
      headersTimeout: requestMs,
      requestTimeout: requestMs,
      // Node looks for overdue requests only so often.
      connectionsCheckingInterval: Math.min(1000, requestMs),
      keepAliveTimeout: KEEP_ALIVE_MS,
      noDelay: true,
    });
    server.maxConnections = connections;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    server.on('request', onRequest);
    server.on('upgrade', (request, socket, head) => {
      socket.on('error', () => undefined);
      onUpgrade(request, socket, head);
    });
    return server;
  }
}

function listenOn(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}

function listenError(error: unknown, address: string, port: number): OpmasError {
  const code = codeOf(error);
  const where = address.includes(':') ? `[${address}]` : address;
  if (code === 'EADDRINUSE') {
    return new OpmasError('LOCAL', `port ${port} is in use on ${where}`, {
      hint: 'Choose another with --port, or --port 0 for any free one.',
      cause: error,
    });
  }
  if (code === 'EACCES') {
    return new OpmasError('LOCAL', `port ${port} on ${where} is not permitted for this user`, {
      hint: 'Choose one above 1023 with --port.',
      cause: error,
    });
  }
  const noSuchHost = code === 'ENOTFOUND' || code === 'EAI_AGAIN' || NO_SUCH_ADDRESS.has(code);
  const why = noSuchHost ? 'this machine has no such address' : (error as Error).message;
  return new OpmasError('LOCAL', `cannot listen on ${where} port ${port}: ${why}`, { cause: error });
}
