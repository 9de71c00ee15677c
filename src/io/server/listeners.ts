import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { withBrackets, withoutBrackets } from '../../core/address.js';
import { OpmasError } from '../../core/errors.js';
import { loadWebSocket } from '../websocket.js';

const WILDCARDS: readonly string[] = ['0.0.0.0', '::'];
/** Errors of an address that this machine does not have. */
const NO_SUCH_ADDRESS = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL', 'EPROTONOSUPPORT']);
/** Attempts to find a port that is free on both addresses. */
const FREE_PORT_TRIES = 20;
const KEEP_ALIVE_MS = 5000;

/** Address, limits and handlers of {@link Listeners}. */
export interface ListenersOptions {
  /** `localhost` means 127.0.0.1 and ::1. */
  host: string;
  /** Most connections on each address; the next is closed at once. */
  connections: number;
  /** Time limit from the first byte to the end of a request; then its connection is cut. */
  requestMs: number;
  onRequest(request: IncomingMessage, response: ServerResponse): void;
  onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** HTTP servers on one or two addresses, all on the same port, with all their sockets. */
export class Listeners {
  /** All listen on the first address; the second may be missing. */
  readonly #addresses: readonly string[];
  /** Those that listen, or are to. A call of `listen` that still waits for an address when they change gives up. */
  #servers: readonly Server[] = [];
  readonly #sockets = new Set<Socket>();

  constructor(private readonly options: ListenersOptions) {
    const host = withoutBrackets(options.host);
    this.#addresses = host === 'localhost' ? ['127.0.0.1', '::1'] : [host];
  }

  /** The host for URLs that reach it from this machine: loopback if it listens everywhere. IPv6 in brackets. */
  get reachableHost(): string {
    const listening = this.#addresses[0]!;
    return withBrackets(WILDCARDS.includes(listening) ? '127.0.0.1' : listening);
  }

  /**
   * Listens on all addresses, except a second one that this machine does not have (no IPv6). Does nothing if
   * {@link stop} is called meanwhile.
   *
   * @param port 0 = any port that is free on all addresses.
   * @returns The port. @throws {OpmasError} `LOCAL`, naming the port, if it is in use or not permitted.
   */
  async listen(port: number): Promise<number> {
    this.stop();
    const first = this.#servers;
    await loadWebSocket();
    if (first !== this.#servers) return port;
    for (let tries = 1; ; tries++) {
      const servers = this.#addresses.map(() => this.#create(this.options));
      this.#servers = servers;
      let actual = port;
      let address = '';
      try {
        for (const [index, server] of servers.entries()) {
          address = this.#addresses[index]!;
          actual = await listenOn(server, address, actual).catch((error) => {
            if (index > 0 && NO_SUCH_ADDRESS.has(codeOf(error))) return actual;
            throw error;
          });
          if (servers !== this.#servers) {
            server.close();
            return actual;
          }
        }
        return actual;
      } catch (error) {
        if (servers !== this.#servers) return actual;
        this.stop();
        if (port === 0 && codeOf(error) === 'EADDRINUSE' && tries < FREE_PORT_TRIES) continue;
        throw listenError(error, address, actual);
      }
    }
  }

  /** Stops listening, so that the machine refuses connections. Open connections stay. */
  stop(): void {
    for (const server of this.#servers) server.close();
    this.#servers = [];
  }

  /** Cuts all connections. */
  destroyConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #create({ connections, requestMs, onRequest, onUpgrade }: ListenersOptions): Server {
    const server = createServer({
      headersTimeout: requestMs,
      requestTimeout: requestMs,
      // Overdue requests are found at these intervals.
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
  const where = withBrackets(address);
  const local = (message: string, hint?: string) => new OpmasError('LOCAL', message, { hint, cause: error });
  if (code === 'EADDRINUSE') {
    const hint = 'Choose another `port`, or `port: 0` for any free one.';
    return local(`port ${port} is in use on ${where}`, hint);
  }
  if (code === 'EACCES') {
    const hint = 'Choose a `port` above 1023.';
    return local(`port ${port} on ${where} is not permitted for this user`, hint);
  }
  const noSuchHost = code === 'ENOTFOUND' || code === 'EAI_AGAIN' || NO_SUCH_ADDRESS.has(code);
  const why = noSuchHost ? 'this machine has no such address' : (error as Error).message;
  return local(`cannot listen on ${where} port ${port}: ${why}`);
}
