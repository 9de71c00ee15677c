import { type ConnectionState, formatLifecycleLine } from './line.js';
import { RecordedLine } from './recorded-line.js';

/** What stands in each lifecycle line that we write; events may hold it too. */
const MARK = Buffer.from('"connection":{"state":"');
const LF = 0x0a;

interface Connection {
  connecting: ConnectionState & { state: 'connecting' };
  isOpen: boolean;
}

/**
 * Remembers from the lines that pass which connections are open, so that a further file can begin with that: each
 * part of a recording then tells by itself which server it came from and which endpoints were connected.
 */
export class ConnectionMemory {
  readonly #line = new RecordedLine();
  readonly #connections = new Map<string, Connection>();

  /** Looks at whole lines. The search is native and finds little, so it costs next to nothing for events. */
  observe(bytes: Buffer): void {
    let found = bytes.indexOf(MARK);
    while (found >= 0) {
      const start = found === 0 ? 0 : bytes.lastIndexOf(LF, found - 1) + 1;
      const feed = bytes.indexOf(LF, found);
      const end = feed < 0 ? bytes.length : feed;
      if (this.#line.read(bytes, start, end) === 'connection') this.#note(this.#line);
      found = bytes.indexOf(MARK, end);
    }
  }

  #note({ connection, endpoint }: RecordedLine): void {
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
