import type { Duplex } from 'node:stream';
import { clearInterval, setInterval } from 'node:timers';
import type { WebSocket } from 'ws';
import { CloseCode, fitCloseReason } from '../../core/close-code.js';
import { monotonicMs } from '../clock.js';
import type { ClientLimits } from './serving-options.js';
import type { ServedClient } from './stream-source.js';

/** A client with fewer waiting bytes is ready for more. Three blocks of 256 KiB keep a fast client busy. */
const READY_BELOW_BYTES = 768 * 1024;

/**
 * One client on its socket. Events bypass `ws` and go to the socket as blocks that all clients share; `ws` writes its
 * pongs and closes to the same socket. Both write whole frames in one turn of the event loop (true for `ws` without
 * extensions), so frames never cut into each other. Nothing follows a close frame.
 */
export class SocketClient implements ServedClient {
  /** Number of events sent so far. */
  events = 0;
  /** Wait for the next write to end, or for the end of the stream. */
  #waiting: (() => void)[] = [];
  readonly #keepalive: NodeJS.Timeout;
  #awaitsPong = false;
  /** Length of the largest write since the client had taken everything. */
  #largestPending = 0;
  #stalled = false;
  #secondStart = 0;
  #messagesInSecond = 0;
  #closeWatch: NodeJS.Timeout | undefined;

  /** The reason why the server ends this client. */
  #endReason: string | undefined;

  /**
   * @param onEnded Called once when the socket is closed, with the close code of the client or the server, and with the
   *   reason if the server ended the client because of its behavior.
   */
  constructor(
    private readonly webSocket: WebSocket,
    private readonly socket: Duplex,
    readonly endpoint: string,
    private readonly limits: ClientLimits,
    onEnded: (code: number, why: string | undefined) => void,
  ) {
    webSocket.on('message', (_data, isBinary) => this.#onMessage(isBinary));
    webSocket.on('pong', () => {
      this.#awaitsPong = false;
    });
    webSocket.on('ping', () => this.#checkPending());
    // A message too large, invalid UTF-8 or a bad frame: `ws` has already sent the close frame.
    webSocket.on('error', () => this.#watchClose());
    webSocket.on('close', (code) => {
      clearInterval(this.#keepalive);
      clearInterval(this.#closeWatch);
      this.#wake();
      onEnded(code, this.#endReason);
    });
    this.#keepalive = setInterval(() => this.#ping(), limits.pingIntervalMs);
  }

  get open(): boolean {
    return this.webSocket.readyState === this.webSocket.OPEN;
  }

  get pending(): number {
    return this.socket.writableLength;
  }

  send(frames: Buffer, events: number, onWritten?: () => void): boolean {
    if (!this.open) {
      onWritten?.();
      return false;
    }
    this.events += events;
    this.#largestPending = Math.max(this.#largestPending, frames.length);
    this.socket.write(frames, () => {
      onWritten?.();
      if (this.pending === 0) this.#largestPending = 0;
      this.#wake();
    });
    this.#checkPending();
    return this.open && this.pending < READY_BELOW_BYTES;
  }

  async ready(): Promise<void> {
    while (this.open && this.pending >= READY_BELOW_BYTES) await this.#nextWrite();
  }

  async drained(): Promise<void> {
    // A closing client still receives what was sent before.
    while (!this.socket.destroyed && this.pending > 0) await this.#nextWrite();
  }

  close(code: number, reason = ''): void {
    if (code === CloseCode.ABNORMAL) this.destroy();
    if (!this.open) return;
    if (code === CloseCode.WITHOUT_CODE) this.webSocket.close();
    else this.webSocket.close(code, fitCloseReason(reason));
    this.#watchClose();
    this.#wake();
  }

  destroy(): void {
    this.webSocket.terminate();
  }

  /** Holds back all that goes to the client, pongs included, or sends it. */
  stall(stalled: boolean): void {
    if (stalled === this.#stalled) return;
    this.#stalled = stalled;
    if (stalled) this.socket.cork();
    else this.socket.uncork();
  }

  #nextWrite(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  #onMessage(isBinary: boolean): void {
    if (isBinary) this.#endFor(CloseCode.UNSUPPORTED_DATA, 'Text messages only');
    const now = monotonicMs();
    if (now - this.#secondStart >= 1000) {
      this.#secondStart = now;
      this.#messagesInSecond = 0;
    }
    this.#messagesInSecond++;
    if (this.#messagesInSecond > this.limits.messagesPerSecond) {
      this.#endFor(CloseCode.POLICY_VIOLATION, 'Too many messages');
    }
    // The real server reads every message, the JSON ping included, and answers nothing.
  }

  #endFor(code: number, reason: string): void {
    if (this.open) this.#endReason = reason;
    this.close(code, reason);
  }

  #checkPending(): void {
    // A single message may be larger than the limit, and takes its time even with a fast reader.
    if (this.pending > this.limits.pendingBytes + this.#largestPending)
      this.#endFor(CloseCode.TRY_AGAIN_LATER, 'Client reads too slowly');
  }

  #ping(): void {
    if (!this.open) this.#watchClose();
    if (!this.open || this.#stalled) return;
    if (this.#awaitsPong) {
      this.#endFor(CloseCode.INTERNAL_ERROR, 'Keepalive ping timeout');
    } else {
      this.#awaitsPong = true;
      this.webSocket.ping();
    }
  }

  /** Destroys a closing client as soon as it reads nothing for a while. */
  #watchClose(): void {
    if (this.#closeWatch !== undefined) return;
    let before = this.pending;
    this.#closeWatch = setInterval(() => {
      const { pending } = this;
      if (pending === 0 || pending >= before) this.destroy();
      before = pending;
    }, this.limits.closePatienceMs);
  }
}
