import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { ClientOptions } from 'ws';
import { redactToken } from '../../../core/address.js';
import { CloseCode } from '../../../core/close-code.js';
import { HEARTBEAT_MESSAGE } from '../../../core/protocol.js';
import type { ConnectionEnd } from '../../../core/retry.js';
import type { Clock } from '../../clock.js';
import type { ProxyAgent } from '../../http/proxy.js';
import { loadWebSocket, type WebSocket } from '../../websocket.js';
import { connectFailureOf } from './connect-failure.js';
import { endOfFrameFault, endOfRefusal, NO_UTF8 } from './connection-end.js';
import { Liveness } from './liveness.js';
import { PongSender } from './pong-sender.js';
import { readInTurn } from './reading-turns.js';

/** `setTimeout` fires at once for anything longer. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** What one read brings at most; then there is mostly more. */
const FULL_READ_BYTES = 64 * 1024;
/** How long a server may take to end a connection that is being closed, by either side, before it is destroyed. */
const CLOSE_LIMIT_MS = 500;
/** What one attempt needs to know. Times are milliseconds. */
export interface ConnectionOptions {
  /** The endpoint's URL, token included. */
  url: URL;
  /** The token in the URL, to keep it out of what the server sends back. */
  token: string | undefined;
  clock: Clock;
  /** Limit of the whole attempt, TCP to `101`, in milliseconds. */
  connectTimeoutMs: number;
  /** The link is dead when no byte came for so many milliseconds. */
  deadAfterMs: number;
  /** Time between the API's heartbeat messages in milliseconds; `undefined` sends none. */
  heartbeatMs: number | undefined;
  /** A larger message ends the connection with code 1009. */
  maxMessageBytes: number;
  /** The way through a proxy. */
  agent: ProxyAgent | undefined;
  /** PEM of a CA to trust in place of the system's. */
  ca: string | undefined;
  /** Whether to leave the server's certificate unverified. */
  insecure: boolean;
}

/** What a {@link Connection} tells. */
export interface ConnectionHandler {
  onOpen(): void;
  /**
   * A message; its bytes belong to the receiver. May come in the same turn as {@link onOpen}, never before it.
   *
   * @returns `false` when it is text and no UTF-8, which ends the connection. That is asked here because whoever reads
   *   the message knows it for next to nothing, and `ws` would look through every message once more.
   */
  onMessage(frame: Buffer, isBinary: boolean): boolean;
  /** Bytes came; the messages in them follow in the same turn of the loop. */
  onBytes(): void;
}

/** One attempt on one endpoint, from TCP to its end. */
export class Connection {
  /** Resolves, never rejects, when all is over; nothing is delivered after that. */
  readonly ended: Promise<ConnectionEnd>;
  readonly #options: ConnectionOptions;
  readonly #handler: ConnectionHandler;
  readonly #socket: WebSocket;
  readonly #traffic = { bytes: 0, messages: 0, controls: 0 };
  #tcp: Socket | undefined;
  #liveness: Liveness | undefined;
  #timers: NodeJS.Timeout[] = [];
  #finish: (end: ConnectionEnd) => void = () => undefined;
  /** Known before `ws` says that it is over, and truer than its 1006. */
  #cause: ConnectionEnd | undefined;
  #paused = false;
  /** Whether it waits for its turn to read. */
  #waits = false;
  #closing = false;

  constructor(options: ConnectionOptions, handler: ConnectionHandler) {
    this.#options = options;
    this.#handler = handler;
    this.ended = new Promise((resolve) => {
      this.#finish = resolve;
    });
    // The types of `ws` know no `closeTimeout` yet.
    const settings: ClientOptions & { closeTimeout: number } = {
      perMessageDeflate: false,
      // Done by `PongSender`.
      autoPong: false,
      // Done by the handler.
      skipUTF8Validation: true,
      followRedirects: false,
      // The default, half a minute, would be lost time after a close or a fault of a server that has hung since.
      closeTimeout: CLOSE_LIMIT_MS,
      maxPayload: options.maxMessageBytes,
      ...(options.agent ? { agent: options.agent } : {}),
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      ...(options.insecure ? { rejectUnauthorized: false } : {}),
    };
    this.#socket = new (loadWebSocket().WebSocket)(options.url, settings);
    // All before the first turn of the loop: the packet with the `101` may hold messages already.
    this.#listen();
    this.#timers.push(
      setTimeout(() => this.#abandon(), Math.min(options.connectTimeoutMs, LONGEST_TIMER_MS)),
    );
  }

  /** Stops reading, so that TCP holds the server up; the link is not judged meanwhile. */
  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#liveness?.forgive();
    // Who waits already goes on in his turn: another place in the queue would be at the cost of the others.
    if (!this.#waits) this.#socket.resume();
  }

  /** Ends it: nothing more is delivered; a normal close (1000) that waits half a second at most for the server's. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#cause ??= { kind: 'closed', code: CloseCode.NORMAL, reason: '' };
    if (this.#socket.readyState === this.#socket.CONNECTING) {
      this.#socket.terminate();
      return;
    }
    this.#socket.resume();
    this.#socket.close(CloseCode.NORMAL);
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on('upgrade', (response: IncomingMessage) => {
      this.#tcp = response.socket;
    });
    socket.on('unexpected-response', (_request, response: IncomingMessage) => this.#refuse(response));
    socket.on('open', () => this.#open());
    socket.on('message', (data: Buffer, isBinary) => {
      this.#traffic.messages++;
      if (!this.#closing && !this.#handler.onMessage(data, isBinary)) this.#refuseText();
    });
    const pongs = new PongSender(socket);
    socket.on('ping', (payload: Buffer) => {
      this.#traffic.controls++;
      pongs.answer(payload);
    });
    socket.on('pong', () => {
      this.#traffic.controls++;
    });
    socket.on('error', (error: Error & { code?: string }) => this.#fail(error));
    socket.on('close', (code, reason) => this.#end(code, reason));
  }

  #open(): void {
    this.#clearTimers();
    const { clock, deadAfterMs, heartbeatMs } = this.#options;
    const liveness = new Liveness(clock, deadAfterMs);
    this.#liveness = liveness;
    this.#timers.push(setInterval(() => this.#judge(liveness), liveness.interval));
    if (heartbeatMs !== undefined) {
      this.#timers.push(setInterval(() => this.#beat(), Math.min(heartbeatMs, LONGEST_TIMER_MS)));
    }
    this.#handler.onOpen();
    // Before the listener of `ws`, which has just put its own there; `on` would set the stream going too early.
    this.#tcp?.prependListener('data', (bytes: Buffer) => {
      this.#handler.onBytes();
      if (bytes.length >= FULL_READ_BYTES && !this.#paused) this.#endTurn();
    });
  }

  /**
   * Leaves what else has come for a later turn of the loop. Otherwise a fast server would keep this turn for
   * megabytes, and output, timers and other connections would stand still meanwhile.
   */
  #endTurn(): void {
    this.#socket.pause();
    this.#waits = true;
    readInTurn(() => {
      this.#waits = false;
      if (!this.#paused) this.#socket.resume();
    });
  }

  #judge(liveness: Liveness): void {
    if (this.#paused || this.#closing) return;
    this.#traffic.bytes = this.#tcp?.bytesRead ?? 0;
    const verdict = liveness.judge(this.#traffic);
    if (verdict === 'ask') this.#socket.ping();
    if (verdict === 'dead') {
      const silence = `nothing came for ${this.#options.deadAfterMs / 1000} s`;
      this.#cause ??= { kind: 'closed', code: CloseCode.ABNORMAL, reason: silence };
      this.#socket.terminate();
    }
  }

  #beat(): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    // What a dead link has not taken must not pile up.
    if (this.#socket.bufferedAmount === 0) this.#socket.send(HEARTBEAT_MESSAGE);
  }

  #refuse(response: IncomingMessage): void {
    this.#cause ??= endOfRefusal(response, this.#options);
    // Whatever the body holds, nobody reads it: it may have no end.
    response.destroy();
    this.#socket.terminate();
  }

  /** The time for the attempt is up. */
  #abandon(): void {
    const { message: error, hint } = this.#options.agent?.stalled ?? {
      message: 'no upgrade within the time limit',
      hint: undefined,
    };
    this.#cause ??= { kind: 'failed', failure: 'unreachable', error, hint };
    this.#socket.terminate();
  }

  #fail(error: Error & { code?: string }): void {
    if (this.#cause !== undefined) return;
    const isOpen = this.#liveness !== undefined;
    if (error.code?.startsWith('WS_ERR_')) {
      this.#cause = endOfFrameFault(error.code, error.message);
    } else if (!isOpen) {
      const failure = connectFailureOf(error);
      this.#cause = { kind: 'failed', ...failure, error: redactToken(failure.error, this.#options.token) };
    }
  }

  /** Ends it as `ws` ends it on other faults of the server. */
  #refuseText(): void {
    this.#closing = true;
    this.#cause ??= NO_UTF8;
    this.#socket.resume();
    this.#socket.close(NO_UTF8.code);
  }

  #end(code: number, reason: Buffer): void {
    this.#clearTimers();
    if (!isUtf8(reason)) this.#cause ??= NO_UTF8;
    const said = redactToken(reason.toString(), this.#options.token);
    this.#finish(this.#cause ?? { kind: 'closed', code, reason: said });
  }

  #clearTimers(): void {
    // clearTimeout ends intervals too.
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
  }
}
