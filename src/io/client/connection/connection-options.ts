import type { IncomingMessage } from 'node:http';
import type { ClientOptions } from 'ws';
import type { Clock } from '../../clock.js';
import type { Upgrade } from '../../http/server-route.js';

/** The time that a server has to end a connection that is being closed, by either side, before it is destroyed. */
const CLOSE_LIMIT_MS = 500;

/** The parameters of one attempt. */
export interface ConnectionOptions {
  upgrade: Upgrade;
  clock: Clock;
  /** Limit of the whole attempt, TCP to `101`. */
  connectTimeoutMs: number;
  /** The link is dead when no byte came for this long. */
  deadAfterMs: number;
  /** Time between the API's heartbeat messages; `undefined` sends none. */
  heartbeatMs: number | undefined;
  /** A larger message ends the connection with code 1009. */
  maxMessageBytes: number;
  /** Closes the connection when it aborts. */
  signal?: AbortSignal | undefined;
}

/** The receiver of what comes over a {@link Connection}. */
export interface ConnectionHandler {
  /** The `101` has come; {@link onOpen} follows. */
  onUpgrade?(answer: IncomingMessage): void;
  onOpen(): void;
  /** The server has kept the connection for half a second: it may close one at once for its token. */
  onKept?(): void;
  /**
   * Takes a message; its bytes belong to the receiver. May come in the same turn as {@link onOpen}, never before it.
   *
   * @returns `false` when it is text and not UTF-8, which ends the connection. The receiver answers that because it
   *   reads the message anyway, and `ws` would look through every message once more.
   */
  onMessage(frame: Buffer, isBinary: boolean): boolean;
  /** Bytes came; the messages in them follow in the same turn of the event loop. */
  onBytes(): void;
  /** This process stood still; what comes next may be old. Called before {@link onBytes}. */
  onStandstill?(): void;
  /** The server has answered a ping that was sent after a standstill. */
  onProved?(): void;
  onPong?(): void;
}

/** Returns the options of `ws` for an attempt. */
export function socketOptions({ maxMessageBytes, upgrade }: ConnectionOptions): ClientOptions {
  // The types of `ws` know no `closeTimeout` yet.
  const options: ClientOptions & { closeTimeout: number } = {
    perMessageDeflate: false,
    // Done by `PongSender`.
    autoPong: false,
    // Done by the handler.
    skipUTF8Validation: true,
    followRedirects: false,
    // The default, half a minute, would be lost time when a server hangs after a close.
    closeTimeout: CLOSE_LIMIT_MS,
    maxPayload: maxMessageBytes,
    headers: upgrade.headers,
    // They know that of sockets only, not that of requests.
    createConnection: upgrade.opening.createConnection as never,
  };
  return options;
}
