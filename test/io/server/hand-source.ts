import type { ServedClient, StreamSource } from '../../../src/index.js';

/** A source that a test holds in its hand: it keeps the clients, and sends what it is told. */
export class HandSource implements StreamSource {
  readonly clients: ServedClient[] = [];
  left = 0;
  stopped = 0;
  readonly finished: Promise<void>;
  finish!: () => void;
  fail!: (error: Error) => void;
  #onClient: (() => void) | undefined;

  constructor() {
    this.finished = new Promise((resolve, reject) => {
      this.finish = resolve;
      this.fail = reject;
    });
  }

  serves(endpoint: string): boolean {
    return endpoint.startsWith('/api/v1/ws/device/');
  }

  connect(client: ServedClient): () => void {
    this.clients.push(client);
    this.#onClient?.();
    return () => {
      this.left++;
    };
  }

  stop(): void {
    this.stopped++;
  }

  /** Resolves when so many clients have come. */
  async hasClients(count: number): Promise<ServedClient[]> {
    while (this.clients.length < count) {
      await new Promise<void>((resolve) => {
        this.#onClient = resolve;
      });
    }
    return this.clients;
  }
}
