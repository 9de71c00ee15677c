import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { clearTimeout, setInterval, setTimeout } from 'node:timers';
import { CloseCode } from '../../../core/close-code.js';
import { AttemptError, type Failure } from '../../../core/failure/failure.js';
import { failureOfError, failureOfFrame, INVALID_UTF8 } from '../../../core/failure/from-error.js';
import { failureOfAnswer, failureOfClose } from '../../../core/failure/from-server.js';
import { HEARTBEAT_MESSAGE } from '../../../core/protocol.js';
import { deferred, LONGEST_TIMER_MS } from '../../clock.js';
import { readUpTo, textOf } from '../../http/http-request.js';
import { PongSender, type WebSocket, webSocketLibrary } from '../../websocket.js';
import { type ConnectionHandler, type ConnectionOptions, socketOptions } from './connection-options.js';
import { Liveness } from './liveness.js';
import { ReadControl } from './read-scheduler.js';

/** The part of a refusal's body that is read, and the time for it. */
const MAX_REFUSAL_BYTES = 4096;
const REFUSAL_LIMIT_MS = 500;
/** A connection that is open for so long is kept. */
const KEPT_AFTER_MS = 500;

/** One attempt on one endpoint, from TCP to its end. */
export class Connection {
  readonly #ended = deferred<Failure>();
  /** Resolves, never rejects, when all is over; nothing is delivered after that. */
  readonly ended = this.#ended.promise;
  readonly #socket: WebSocket;
  readonly #reading: ReadControl;
  readonly #traffic = { bytes: 0, messages: 0, controls: 0 };
  #tcp: Socket | undefined;
  /** Set from the moment that the connection is open. */
  #liveness: Liveness | undefined;
  #timers: NodeJS.Timeout[] = [];
  /** The reason for the end. Known before `ws` reports the end, and more precise than its code 1006. */
  #failure: Failure | undefined;
  #closing = false;
  /** The number of pings that were sent after a standstill, and the content of the last. */
  #wakePing = 0;

  constructor(
    private readonly options: ConnectionOptions,
    private readonly handler: ConnectionHandler,
  ) {
    this.#socket = new (webSocketLibrary().WebSocket)(options.upgrade.url, socketOptions(options));
    this.#reading = new ReadControl(this.#socket);
    // All before the first turn of the event loop: the packet with the `101` may hold messages already.
    this.#listen();
    const limitMs = Math.min(options.connectTimeoutMs, LONGEST_TIMER_MS);
    this.#timers.push(setTimeout(() => this.endAttempt('no upgrade within the time limit'), limitMs));
    options.signal?.addEventListener('abort', this.#stop, { once: true });
    if (options.signal?.aborted) this.close();
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on('upgrade', (response: IncomingMessage) => {
      this.#tcp = response.socket;
      this.handler.onUpgrade?.(response);
    });
    socket.on('unexpected-response', (_request, response: IncomingMessage) => {
      void this.#endRefused(response);
    });
    socket.on('open', () => this.#open());
    socket.on('message', (data: Buffer, isBinary) => {
      this.#traffic.messages++;
      if (!this.#closing && !this.handler.onMessage(data, isBinary)) this.#endInvalidText();
    });
    const pongs = new PongSender(socket);
    socket.on('ping', (payload: Buffer) => {
      this.#traffic.controls++;
      pongs.answer(payload);
    });
    socket.on('pong', (payload: Buffer) => {
      this.#traffic.controls++;
      if (this.#wakePing > 0 && payload.toString() === String(this.#wakePing)) this.handler.onProved?.();
      this.handler.onPong?.();
    });
    socket.on('error', (error: Error & { code?: string }) => this.#noteError(error));
    socket.on('close', (code, reason) => this.#end(code, reason));
  }

  #open(): void {
    this.#clearTimers();
    const { clock, deadAfterMs, heartbeatMs } = this.options;
    const liveness = new Liveness(clock, deadAfterMs, () => this.#wake());
    this.#liveness = liveness;
    this.#timers.push(setInterval(() => this.#checkLiveness(liveness), liveness.intervalMs));
    if (heartbeatMs !== undefined) {
      this.#timers.push(setInterval(() => this.#sendHeartbeat(), Math.min(heartbeatMs, LONGEST_TIMER_MS)));
    }
    // A server that has sent a close frame may take its time to end the connection.
    const isKept = () => this.#socket.readyState === this.#socket.OPEN;
    this.#timers.push(setTimeout(() => isKept() && this.handler.onKept?.(), KEPT_AFTER_MS));
    this.handler.onOpen();
    // Before the listener of `ws`, which has just put its own there; `on` would set the stream going too early.
    this.#tcp?.prependListener('data', (bytes: Buffer) => {
      liveness.look();
      this.handler.onBytes();
      this.#reading.afterRead(bytes.length);
    });
  }

  #checkLiveness(liveness: Liveness): void {
    if (this.#reading.isPaused || this.#closing) return;
    this.#traffic.bytes = this.#tcp?.bytesRead ?? 0;
    const verdict = liveness.judge(this.#traffic);
    if (verdict === 'ping') this.ping();
    if (verdict === 'dead') {
      const silence = `nothing came for ${this.options.deadAfterMs / 1000} s`;
      this.#destroy(failureOfClose(CloseCode.ABNORMAL, silence));
    }
  }

  /** Asks for a sign of life that cannot be older than the standstill. */
  #wake(): void {
    this.handler.onStandstill?.();
    this.#wakePing++;
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping(String(this.#wakePing));
  }

  #sendHeartbeat(): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    // Heartbeats that a dead link does not take must not pile up.
    if (this.#socket.bufferedAmount === 0) this.#socket.send(HEARTBEAT_MESSAGE);
  }

  /** Sends a ping of the protocol. */
  ping(): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping();
  }

  /** Stops reading, so that TCP holds the server up; the link is not judged meanwhile. */
  pause(): void {
    this.#reading.pause();
  }

  /** Reads again. */
  resume(): void {
    this.#liveness?.resetIdle();
    this.#reading.resume();
  }

  /** Ends it: nothing more is delivered; a normal close (1000) that waits half a second at most for the server's. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#failure ??= failureOfClose(CloseCode.NORMAL, '');
    if (this.#socket.readyState === this.#socket.CONNECTING) {
      this.#socket.terminate();
      return;
    }
    this.#socket.resume();
    this.#socket.close(CloseCode.NORMAL);
  }

  /** Ends it, unless it is open. */
  endAttempt(why: string): void {
    if (this.#liveness !== undefined) return;
    const { stalled } = this.options.upgrade.opening;
    this.#destroy(failureOfError(stalled ?? new AttemptError('silent', why)));
  }

  readonly #stop = () => this.close();

  async #endRefused(response: IncomingMessage): Promise<void> {
    const { upgrade, clock } = this.options;
    const { statusCode: status = 0, headers } = response;
    const attempt = { ...upgrade, nowMs: clock.nowMicros() / 1000 };
    // Counts at once: nothing that comes later, and no limit of time, is the reason for the end.
    this.#failure ??= failureOfAnswer({ status, headers }, attempt);
    const { answer } = this.#failure;
    if (answer !== undefined) answer.text = await beginningOf(response);
    response.destroy();
    this.#socket.terminate();
  }

  /** Ends it as `ws` ends it on other faults of the server. */
  #endInvalidText(): void {
    this.#closing = true;
    this.#failure ??= INVALID_UTF8;
    this.#socket.resume();
    this.#socket.close(CloseCode.INVALID_TEXT);
  }

  #noteError(error: Error & { code?: string }): void {
    if (error.code?.startsWith('WS_ERR_')) {
      this.#failure ??= failureOfFrame(error.code, error.message);
    } else if (this.#liveness === undefined) {
      const { trust: side, redact } = this.options.upgrade;
      this.#failure ??= failureOfError(error, { side, redact });
    }
  }

  #destroy(failure: Failure): void {
    this.#failure ??= failure;
    this.#socket.terminate();
  }

  #end(code: number, reason: Buffer): void {
    this.#clearTimers();
    this.options.signal?.removeEventListener('abort', this.#stop);
    this.options.upgrade.opening.destroy();
    if (!isUtf8(reason)) this.#failure ??= INVALID_UTF8;
    const text = this.options.upgrade.redact(reason.toString());
    this.#ended.resolve(this.#failure ?? failureOfClose(code, text));
  }

  #clearTimers(): void {
    // clearTimeout ends intervals, too.
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
  }
}

/** Reads the beginning of a refusal's body, which may have no end, or stall. Never fails. */
async function beginningOf(response: IncomingMessage): Promise<string> {
  const limit = setTimeout(() => response.destroy(), REFUSAL_LIMIT_MS);
  const chunks: Buffer[] = [];
  // The part that comes before a failure is enough.
  await readUpTo(response, MAX_REFUSAL_BYTES, chunks).catch(() => undefined);
  clearTimeout(limit);
  return textOf(Buffer.concat(chunks).subarray(0, MAX_REFUSAL_BYTES), response.headers);
}
