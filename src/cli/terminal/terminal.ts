import { escapeUnsafe, OpmasError } from '../../index.js';
import type { GlobalOptions } from '../session.js';
import { type Palette, paletteFor } from './palette.js';

/** stdout (data) and stderr (everything else), each with its own colours. */
export interface Terminal {
  readonly out: DataOutput;
  readonly messages: Messages;
}

/** What is needed of `process.stdout` and `process.stderr`. */
export interface OutputStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns: number;
}

export interface OutputStreams {
  stdout: OutputStream;
  stderr: OutputStream;
}

/** Decides colours for each stream by itself and opens both. */
export async function openTerminal(
  options: Pick<GlobalOptions, 'color' | 'quiet' | 'debug'>,
  { stdout, stderr }: OutputStreams = process,
): Promise<Terminal> {
  const out = new DataOutput(stdout, await paletteFor(stdout, options.color));
  const messages = new Messages(stderr, await paletteFor(stderr, options.color), {
    quiet: options.quiet === true,
    debug: options.debug === true,
  });
  return { out, messages };
}

/** stdout. One write at a time: await each {@link write}, so that a slow reader holds up whoever writes. */
export class DataOutput {
  readonly palette: Palette;
  readonly isTerminal: boolean;
  /** Called once when the reader has gone (`| head -1`): a normal end. */
  onClosed: () => void = () => undefined;
  /** Why stdout can't be written, other than that the reader has gone. */
  failure: OpmasError | undefined;
  #closed = false;
  #pending: Promise<void> = Promise.resolve();
  readonly #stream: OutputStream;

  constructor(stream: OutputStream, palette: Palette) {
    this.#stream = stream;
    this.palette = palette;
    this.isTerminal = stream.isTTY === true;
    stream.on('error', (error: NodeJS.ErrnoException) => this.#fail(error));
  }

  /** Whether the reader has gone; writes are dropped from then on. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Width in columns; 80 when stdout is no terminal or has no size. */
  get columns(): number {
    return this.#stream.columns > 0 ? this.#stream.columns : 80;
  }

  /**
   * Writes and waits until the stream has taken it.
   *
   * @throws {OpmasError} `LOCAL` when it can't be written: disk full, input/output error.
   */
  write(data: Buffer | string): Promise<void> {
    if (this.#closed) return Promise.resolve();
    const written = new Promise<void>((resolve, reject) => {
      this.#stream.write(data, (error) => {
        if (error) this.#fail(error);
        if (this.failure !== undefined) reject(this.failure);
        else resolve();
      });
    });
    this.#pending = written.catch(() => undefined);
    return written;
  }

  /** Resolves when the last write has been taken. */
  flushed(): Promise<void> {
    return this.#pending;
  }

  #fail(error: NodeJS.ErrnoException): void {
    if (this.#closed || this.failure !== undefined) return;
    if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') {
      this.#closed = true;
    } else {
      this.failure = new OpmasError('LOCAL', `stdout cannot be written: ${error.message}`, { cause: error });
    }
    this.onClosed();
  }
}

/** stderr: one line for each thing worth saying. */
export class Messages {
  readonly palette: Palette;
  readonly isTerminal: boolean;
  readonly #stream: OutputStream;
  readonly #quiet: boolean;
  readonly #debug: boolean;
  #last: string | undefined;
  #repeated = 0;

  constructor(stream: OutputStream, palette: Palette, options: { quiet: boolean; debug: boolean }) {
    this.#stream = stream;
    this.palette = palette;
    this.isTerminal = stream.isTTY === true;
    this.#quiet = options.quiet;
    this.#debug = options.debug;
    // Whoever closed stderr does not want to hear; the data goes on.
    stream.on('error', () => undefined);
  }

  /** Whether a live line can be shown: a terminal of known size that can move its cursor, and nobody asked for quiet. */
  get canShowLive(): boolean {
    return (
      this.isTerminal &&
      this.#stream.columns > 0 &&
      !this.#quiet &&
      !process.env.CI &&
      process.env.TERM !== 'dumb'
    );
  }

  /** Whether nothing but errors is shown. */
  get isQuiet(): boolean {
    return this.#quiet;
  }

  /** The stream, for what draws a live line. */
  get stream(): OutputStream {
    return this.#stream;
  }

  /** What people like to know; silent with `--quiet`. `text` may hold our own colours, so escape what is foreign. */
  say(text: string): void {
    if (!this.#quiet) this.#print(text);
  }

  /** What people must know though the work goes on; silent with `--quiet`. */
  warn(text: string): void {
    this.say(`${this.palette.yellow('warning:')} ${text}`);
  }

  /** What is lost, or has failed, though the work goes on; shown with `--quiet`, too. */
  error(text: string): void {
    this.#print(text);
  }

  /** Shown with `--debug` only. */
  debug(text: string): void {
    if (this.#debug) this.#print(this.palette.dim(`debug: ${escapeUnsafe(text)}`));
  }

  /** Writes what was folded. */
  end(): void {
    this.#unfold();
  }

  /** Resolves when the stream has taken all that was written. */
  flushed(): Promise<void> {
    return new Promise((resolve) => {
      this.#stream.write('', () => resolve());
    });
  }

  #print(text: string): void {
    if (text === this.#last) {
      this.#repeated++;
      return;
    }
    this.#unfold();
    this.#last = text;
    this.#write(text);
  }

  #unfold(): void {
    const times = this.#repeated;
    this.#repeated = 0;
    this.#last = undefined;
    if (times > 0)
      this.#write(this.palette.dim(`  (the same ${times === 1 ? 'once' : `${times} times`} more)`));
  }

  #write(text: string): void {
    this.#stream.write(`${text}\n`);
  }
}
