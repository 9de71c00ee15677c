import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP relay to a server on this machine, that can do to connections what bad networks do. */
export class Relay implements AsyncDisposable {
  /** How many connections came. */
  connections = 0;
  /** Called with what clients send. */
  onSent: (chunk: Buffer) => void = () => undefined;
  readonly #server: Server;
  readonly #pairs = new Set<{ client: Socket; server: Socket }>();
  #frozen = false;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(targetPort: number): Promise<Relay> {
    const server = createServer();
    const relay = new Relay(server);
    server.on('connection', (client) => relay.#join(client, targetPort));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  /** No byte passes any more, on old and new connections, and nobody is told: a pulled cable. */
  freeze(): void {
    this.#frozen = true;
    for (const { client, server } of this.#pairs) {
      client.pause();
      server.pause();
    }
  }

  thaw(): void {
    this.#frozen = false;
    for (const { client, server } of this.#pairs) {
      client.resume();
      server.resume();
    }
  }

  /** On the present connections, no byte of the server passes any more. */
  mute(): void {
    for (const { server } of this.#pairs) server.pause();
  }

  /** Ends all connections to clients with FIN. */
  cut(): void {
    for (const { client, server } of this.#pairs) {
      client.end();
      server.destroy();
    }
  }

  /** Ends all connections to clients with RST. */
  reset(): void {
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy();
      server.destroy();
    }
  }

  /** Ends a connection on which nothing passed for so long, as proxies do. */
  cutWhenIdle(milliseconds: number): this {
    this.#idleLimit = milliseconds;
    return this;
  }
  #idleLimit = 0;
  /** How many connections were ended for being idle. */
  idleCuts = 0;

  async stop(): Promise<void> {
    this.#stopping = true;
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
    this.#server.close();
    await once(this.#server, 'close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #stopping = false;

  #join(client: Socket, targetPort: number): void {
    if (this.#stopping) {
      client.destroy();
      return;
    }
    this.connections++;
    const server = connect(targetPort, '127.0.0.1');
    const pair = { client, server };
    this.#pairs.add(pair);
    const part = () => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('error', part);
      from.on('close', part);
      from.on('data', (chunk) => to.write(chunk));
      if (this.#frozen) from.pause();
    }
    client.on('data', (chunk) => this.onSent(chunk));
    if (this.#idleLimit > 0) {
      client.setTimeout(this.#idleLimit, () => {
        this.idleCuts++;
        part();
      });
    }
  }
}
