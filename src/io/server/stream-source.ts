/**
 * What the server shows to those who make events for it: the generator of `mock`, a recording, a library user's own.
 * The server does the rest: sockets, tokens, limits, faults.
 */

/** One open stream: an authenticated client on one endpoint. */
export interface ServedClient {
  /** Label of its endpoint: `devices`, … or a path that begins with `/`. */
  readonly endpoint: string;
  /** Whether it still takes events: neither closing nor gone. */
  readonly open: boolean;
  /** Bytes that were sent to it and wait in this process. Above 16 MiB the server ends it by itself (1013). */
  readonly pending: number;
  /**
   * Sends whole frames (see `core/websocket-frame.ts`). The bytes are not copied and may be shared by any number of
   * clients, so never change them before they are written. Blocks of about 256 KiB cost least.
   *
   * @param events How many events those are; for the count only.
   * @param onWritten Called once when the bytes are no longer needed: written, or the client is gone.
   * @returns Whether it is ready for more; if not, a source that can wait awaits {@link ready}.
   */
  send(frames: Buffer, events: number, onWritten?: () => void): boolean;
  /** Resolves when it has taken so much that it wants more, or when it is no longer open. */
  ready(): Promise<void>;
  /** Resolves when it has taken everything, or when it is gone. */
  drained(): Promise<void>;
  /**
   * Ends it with a close frame behind what was sent. A code that no close frame may carry has its own meaning:
   * 1005 sends a close frame without one, 1006 is {@link destroy}.
   */
  close(code: number, reason?: string): void;
  /** Cuts the connection without a word; the client sees 1006. What it has not taken yet is lost. */
  destroy(): void;
}

/** How an attempt to connect is turned away. */
export type Refusal =
  /** An HTTP answer with that status. */
  | { kind: 'status'; status: number; headers?: Readonly<Record<string, string>> }
  /** The connection is ended without an answer, or reset. */
  | { kind: 'drop' }
  | { kind: 'reset' }
  /** No answer ever; the client has to give up by itself. */
  | { kind: 'silence' };

/** What a source may do to the server as a whole. */
export interface ServerControl {
  /** Stops listening, so that the machine itself refuses connections. Open streams stay. */
  suspend(): void;
  /** Listens again on the same port. */
  resume(): Promise<void>;
}

/** Makes the events. All methods are called by the server only. */
export interface StreamSource {
  /** Whether that endpoint exists beside the four documented ones. Absent: it does not. */
  serves?(endpoint: string): boolean | Promise<boolean>;
  /** Called once, before the server listens. */
  start?(control: ServerControl): void;
  /**
   * Asked at each attempt on an endpoint that exists, before its token is looked at. `undefined`: come in. An answer
   * that takes its time holds the client in the handshake.
   */
  admit?(endpoint: string): Refusal | undefined | Promise<Refusal | undefined>;
  /** A client's stream is open. @returns What to do when it has ended, whoever ended it. */
  connect(client: ServedClient): () => void;
  /**
   * Resolves when nothing more will come: the server then closes all clients with 1000 once they have taken what was
   * sent, and stops. Absent or never resolved: the server goes on until it is closed. A rejection does the same and
   * makes the server's own `finished` reject.
   */
  readonly finished?: Promise<void>;
  /** The server stops: end timers, close files. */
  stop(): void | Promise<void>;
}
