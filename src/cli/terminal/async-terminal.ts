import { fstatSync, write } from 'node:fs';
import { clearLine, cursorTo, type Direction, moveCursor } from 'node:readline';
import { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';
import type { OutputStream, OutputStreams } from './terminal.js';

/** Buffer limit for a stopped terminal; further output is discarded. */
const MAX_PENDING_BYTES = 1024 * 1024;

/**
 * Returns stdout and stderr for a command that must continue while the terminal is stopped (Ctrl-S, a hung tmux):
 * Node writes to terminals synchronously, so the whole process would wait. Pipes and files are returned unchanged.
 */
export function asyncTerminalStreams(): OutputStreams {
  const { stdout, stderr } = process;
  const messages = stderr.isTTY ? new AsyncTerminalStream(2, stderr) : stderr;
  // One terminal gets one stream, so that the live line and the data do not overlap.
  const isSame = stdout.isTTY && stderr.isTTY && fstatSync(1).rdev === fstatSync(2).rdev;
  if (isSame) return { stdout: messages, stderr: messages };
  return { stdout: stdout.isTTY ? new AsyncTerminalStream(1, stdout) : stdout, stderr: messages };
}

/** Writes to a terminal in another thread. */
class AsyncTerminalStream extends Writable implements OutputStream {
  readonly isTTY = true;
  readonly #descriptor: number;
  readonly #terminal: WriteStream;

  constructor(descriptor: number, terminal: WriteStream) {
    super({ decodeStrings: true });
    this.#descriptor = descriptor;
    this.#terminal = terminal;
    terminal.on('resize', () => this.emit('resize'));
  }

  get columns(): number {
    return this.#terminal.columns;
  }

  get rows(): number {
    return this.#terminal.rows;
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

  /** Discards output above the limit, because the live line is drawn many times a minute. */
  override write(chunk: unknown, ...rest: unknown[]): boolean {
    if (this.writableLength <= MAX_PENDING_BYTES) {
      return (super.write as (...all: unknown[]) => boolean).call(this, chunk, ...rest);
    }
    const done = rest.find((argument) => typeof argument === 'function');
    if (done !== undefined) process.nextTick(done);
    return false;
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    write(this.#descriptor, chunk, (error, written) => {
      if (error) callback(error);
      else if (written < chunk.length) this._write(chunk.subarray(written), encoding, callback);
      else callback();
    });
  }
}
