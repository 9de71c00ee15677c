import type { ConnectionState } from './connection-state.js';
import { findLifecycleLines } from './lifecycle-lines.js';
import { formatLifecycleLine } from './line.js';
import type { LineView } from './line-view.js';

interface Connection {
  connecting: ConnectionState & { state: 'connecting' };
  isOpen: boolean;
}

/**
 * Remembers from the lines that pass which connections are open, so that a further file can begin with that: each
 * part of a recording then tells by itself which server it came from and which endpoints were connected.
 */
export class ConnectionMemory {
  readonly #connections = new Map<string, Connection>();

  /** Looks at whole lines that we wrote. */
  observe(bytes: Buffer): void {
    findLifecycleLines(bytes, (line) => this.#note(line));
  }

  #note({ connection, endpoint }: LineView): void {
    if (connection === undefined || endpoint === undefined) return;
    if (connection.state === 'connecting') {
      this.#connections.set(endpoint, { connecting: connection, isOpen: false });
      return;
    }
    const known = this.#connections.get(endpoint);
    if (known !== undefined && connection.state !== 'dropped') known.isOpen = connection.state === 'open';
  }

  /** The lines that a further file begins with: of each endpoint how it was connected to, and whether it is open. */
  continuation(receivedAt: string): Buffer {
    const lines: Buffer[] = [];
    for (const [endpoint, { connecting, isOpen }] of this.#connections) {
      lines.push(formatLifecycleLine(receivedAt, endpoint, { ...connecting, continued: true }));
      if (isOpen) lines.push(formatLifecycleLine(receivedAt, endpoint, { state: 'open', continued: true }));
    }
    return Buffer.concat(lines);
  }
}
