import { fstatSync, write } from 'node:fs';
import { clearLine, cursorTo, type Direction, moveCursor } from 'node:readline';
import { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';
import type { OutputStream, OutputStreams } from './terminal.js';

/** What a stopped terminal has not taken is kept up to here; more is not shown. */
const MAX_PENDING_BYTES = 1024 * 1024;

/**
 * stdout and stderr for a command whose work must go on while the terminal is stopped (Ctrl-S, a hung tmux): Node
 * writes to terminals synchronously, so that the whole process would wait. What is no terminal stays as it is.
 */
export function patientStreams(): OutputStreams {
  const { stdout, stderr } = process;
  const messages = stderr.isTTY ? new PatientTerminal(2, stderr) : stderr;
  // One terminal gets one stream, or the live line and the data would run into each other.
  const isSame = stdout.isTTY && stderr.isTTY && fstatSync(1).rdev === fstatSync(2).rdev;
  if (isSame) return { stdout: messages, stderr: messages };
  return { stdout: stdout.isTTY ? new PatientTerminal(1, stdout) : stdout, stderr: messages };
}

/** A terminal that is written to in another thread. */
class PatientTerminal extends Writable implements OutputStream {
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

  // ora moves the cursor by these.
  cursorTo(x: number, y?: number): boolean {
    return cursorTo(this, x, y);
  }

  moveCursor(dx: number, dy: number): boolean {
    return moveCursor(this, dx, dy);
  }

  clearLine(direction: Direction): boolean {
    return clearLine(this, direction);
  }

  /** Drops what comes when too much is waiting: the live line is drawn many times a minute. */
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
