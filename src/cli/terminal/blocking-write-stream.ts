import { write } from 'node:fs';
import { clearLine, cursorTo, type Direction, moveCursor } from 'node:readline';
import { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';

/** Smaller than a pipe's buffer, so that a slow reader shows as progress. */
const PIECE_BYTES = 64 * 1024;

let writes = 0;

/**
 * True while a write is under way in another thread. Node waits for that thread in `process.exit`, so a process whose
 * output is not read can only end by a signal.
 */
export function isWriting(): boolean {
  return writes > 0;
}

/**
 * Writes to a descriptor in another thread: for terminals, which Node would write to synchronously (Ctrl-S would stop
 * the whole process), and for sockets and pipes whose flags belong to other processes, too.
 */
export class BlockingWriteStream extends Writable {
  readonly isTTY: boolean;
  readonly #descriptor: number;
  readonly #maxPendingBytes: number;
  readonly #terminal: WriteStream | undefined;

  /**
   * @param maxPendingBytes Buffer limit; further output is discarded.
   * @param terminal The terminal behind the descriptor, for its size.
   */
  constructor(descriptor: number, maxPendingBytes = Number.POSITIVE_INFINITY, terminal?: WriteStream) {
    super({ decodeStrings: true });
    this.#descriptor = descriptor;
    this.#maxPendingBytes = maxPendingBytes;
    this.#terminal = terminal;
    this.isTTY = terminal !== undefined;
    terminal?.on('resize', () => this.emit('resize'));
  }

  /** Width of the terminal; 0 without one. */
  get columns(): number {
    return this.#terminal?.columns ?? 0;
  }

  get rows(): number {
    return this.#terminal?.rows ?? 0;
  }

  // ora needs these to move the cursor.
  cursorTo(x: number, y?: number): boolean {
    return cursorTo(this, x, y);
  }

  moveCursor(dx: number, dy: number): boolean {
    return moveCursor(this, dx, dy);
  }

  clearLine(direction: Direction): boolean {
    return clearLine(this, direction);
  }

  override write(chunk: unknown, ...rest: unknown[]): boolean {
    if (this.writableLength <= this.#maxPendingBytes) {
      return (super.write as (...all: unknown[]) => boolean).call(this, chunk, ...rest);
    }
    const done = rest.find((argument) => typeof argument === 'function');
    if (done !== undefined) process.nextTick(done);
    return false;
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (chunk.length === 0) {
      callback();
      return;
    }
    writes++;
    write(this.#descriptor, chunk, 0, Math.min(chunk.length, PIECE_BYTES), null, (error, written) => {
      writes--;
      // EAGAIN: another process has made the shared pipe non-blocking.
      if (error?.code === 'EAGAIN') setTimeout(() => this._write(chunk, encoding, callback), 5);
      else if (error) callback(error);
      else if (written < chunk.length) this._write(chunk.subarray(written), encoding, callback);
      else callback();
    });
  }
}
