/**
 * The interface between the server and a source of events: the generator of `mock`, a recording, or a source of a
 * library user. The server does the rest: sockets, tokens, limits, faults.
 */

/** One open stream: an authenticated client on one endpoint. */
export interface ServedClient {
  /** Label of its endpoint: `devices`, …, or a path that begins with `/`. */
  readonly endpoint: string;
  /** True while it accepts events: neither closing nor closed. */
  readonly open: boolean;
  /** Bytes that were sent to it and wait in this process. Above 16 MiB the server closes it (1013). */
  readonly pending: number;
  /**
   * Sends whole frames, from `encodeFrame`. The bytes are not copied and may be shared by any number of
   * clients, so never change them before they are written. Blocks of about 256 KiB cost least.
   *
   * @param events Number of events in the frames, for the count only.
   * @param onWritten Called once when the bytes are no longer needed: written, or the client is gone.
   * @returns True if it is ready for more. Otherwise a source that can wait awaits {@link ready}.
   */
  send(frames: Buffer, events: number, onWritten?: () => void): boolean;
  /** Resolves when it is ready for more, or no longer open. */
  ready(): Promise<void>;
  /** Resolves when it has received everything, or is closed. */
  drained(): Promise<void>;
  /**
   * Closes it with a close frame behind what was sent. Two codes that no close frame may carry have their own meaning:
   * 1005 sends a close frame without a code, 1006 is {@link destroy}.
   */
  close(code: number, reason?: string): void;
  /** Cuts the connection without a close frame; the client sees 1006. Unsent bytes are lost. */
  destroy(): void;
}

/** The way in which an attempt to connect is refused. */
export type Refusal =
  /** With an HTTP answer. */
  | { kind: 'status'; status: number; headers?: Readonly<Record<string, string>> }
  /** The connection is closed without an answer, or reset. */
  | { kind: 'drop' }
  | { kind: 'reset' }
  /** Without an answer; the client has to give up by itself. */
  | { kind: 'silence' };

/** Control of the whole server by its source. */
export interface ServerControl {
  /** Stops listening, so that the machine refuses connections. Open streams stay. */
  suspend(): void;
  /** Listens again on the same port. */
  resume(): Promise<void>;
}

/** A source of events. Only the server calls its methods. */
export interface StreamSource {
  /** Returns whether an endpoint exists beside the four documented ones. Default: no other endpoint exists. */
  serves?(endpoint: string): boolean | Promise<boolean>;
  /** Called once, before the server listens. */
  start?(control: ServerControl): void;
  /**
   * Called at each attempt on an endpoint that exists, before the token is checked. `undefined` admits the client. A slow
   * answer holds the client in the handshake.
   */
  admit?(endpoint: string): Refusal | undefined | Promise<Refusal | undefined>;
  /** Called when a client's stream is open. @returns A function that is called when the stream has ended. */
  connect(client: ServedClient): () => void;
  /**
   * Resolves after the last event: the server then closes all clients with 1000 once they have received everything, and
   * stops. Without it the server runs until it is closed. A rejection ends the server, too (1011), and its `finished`
   * rejects.
   */
  readonly finished?: Promise<void>;
  /** Called when the server stops: end timers, close files. */
  stop(): void | Promise<void>;
}
