import type { ConnectionEvent } from './connection-event.js';
import { formatLifecycleLine } from './encoder.js';
import type { LifecycleEntry } from './format.js';

interface Connection {
  connecting: ConnectionEvent & { state: 'connecting' };
  isOpen: boolean;
}

/**
 * Keeps the connections of a recording in mind while it is written, so that a further file can begin with them: each
 * file then tells by itself which server it came from and which endpoints were connected.
 */
export class OpenConnections {
  readonly #connections = new Map<string, Connection>();

  /** Takes note of a lifecycle line that was written. */
  observe({ endpoint, connection }: LifecycleEntry): void {
    if (connection.state === 'connecting') {
      this.#connections.set(endpoint, { connecting: connection, isOpen: false });
      return;
    }
    const known = this.#connections.get(endpoint);
    if (known !== undefined && connection.state !== 'dropped') known.isOpen = connection.state === 'open';
  }

  /** Formats the lines that a further file begins with: for each endpoint its attempt and, if open, its opening. */
  continuation(receivedAt: string): Buffer {
    const lines: Buffer[] = [];
    for (const [endpoint, { connecting, isOpen }] of this.#connections) {
      lines.push(formatLifecycleLine(receivedAt, endpoint, { ...connecting, continued: true }));
      if (isOpen) lines.push(formatLifecycleLine(receivedAt, endpoint, { state: 'open', continued: true }));
    }
    return Buffer.concat(lines);
  }
}
