import { escapeUnsafe, OpmasError, type SaidOptions } from '../../index.js';
import { escapeUnsafeJson, escapeUnsafeOutput, withServerChoice } from '../../internal.js';
import type { GlobalOptions } from '../options/server-options.js';
import { type Palette, paletteFor } from './palette.js';
import { type OutputStream, standardOutputs } from './standard-streams.js';

/** stdout (data) and stderr (everything else), each with its own colors. */
export interface Terminal {
  readonly out: DataOutput;
  readonly messages: Messages;
}

/** Opens both streams and chooses colors for each. */
export async function openTerminal(
  options: Pick<GlobalOptions, 'color' | 'quiet' | 'debug'>,
  environment: NodeJS.ProcessEnv,
  said: SaidOptions,
): Promise<Terminal> {
  const { stdout, stderr } = standardOutputs();
  const out = new DataOutput(stdout, await paletteFor(stdout, options.color, environment));
  const messages = new Messages(stderr, await paletteFor(stderr, options.color, environment), {
    isPlain: Boolean(environment.CI) || environment.TERM === 'dumb',
    quiet: options.quiet === true,
    debug: options.debug === true,
    said,
  });
  return { out, messages };
}

const LF = 0x0a;
/** The buffer of a pipe. */
const PIECE_BYTES = 64 * 1024;

/** Writes data to stdout. Await each {@link write} before the next one, so that a slow reader slows the writer. */
export class DataOutput {
  readonly isTerminal: boolean;
  /** Called once when the reader closes the pipe (`| head -1`), which is a normal end, or stdout fails. */
  onClosed: () => void = () => undefined;
  /** Error of stdout, other than a closed pipe. */
  failure: OpmasError | undefined;
  /** True after the reader has closed the pipe; writes are then discarded. */
  closed = false;
  #waitingSince: number | undefined;
  #pending: Promise<void> = Promise.resolve();

  constructor(
    private readonly stream: OutputStream,
    readonly palette: Palette,
  ) {
    this.isTerminal = stream.isTTY === true;
    stream.on('error', (error: NodeJS.ErrnoException) => this.#fail(error));
  }

  /** Width in columns; 80 when stdout is not a terminal or has no size. */
  get columns(): number {
    return this.stream.columns > 0 ? this.stream.columns : 80;
  }

  /**
   * Writes, and resolves when the stream has accepted the data. Writes piece by piece, so that {@link stalledMs}
   * tells a slow reader from one that takes nothing.
   *
   * @throws {OpmasError} `LOCAL` when stdout fails: disk full, input/output error.
   */
  write(data: Buffer | string): Promise<void> {
    const written = this.#writePieces(data);
    this.#pending = written.catch(() => undefined);
    return written;
  }

  /** Writes a value as one line of JSON. */
  writeJson(value: unknown): Promise<void> {
    return this.write(`${escapeUnsafeJson(JSON.stringify(value))}\n`);
  }

  /** Writes a table of names and values, without the values that are `undefined`. */
  writeTable(rows: readonly (readonly [name: string, value: string | undefined])[]): Promise<void> {
    const width = Math.max(...rows.map(([name]) => name.length));
    const lines = rows.map(([name, value]) =>
      value === undefined ? '' : `${name.padEnd(width)} ${escapeUnsafe(value)}\n`,
    );
    return this.write(lines.join(''));
  }

  /** Milliseconds since the reader has last taken something; 0 while nothing waits. */
  get stalledMs(): number {
    return this.#waitingSince === undefined ? 0 : performance.now() - this.#waitingSince;
  }

  async #writePieces(data: Buffer | string): Promise<void> {
    const text = typeof data === 'string' && this.isTerminal ? escapeUnsafeOutput(data) : data;
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    for (let start = 0, end = 0; start < bytes.length && !this.closed; start = end) {
      end = endOfPiece(bytes, start);
      this.#waitingSince = performance.now();
      await this.#writePiece(bytes.subarray(start, end));
    }
    this.#waitingSince = undefined;
  }

  #writePiece(piece: Buffer): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.stream.write(piece, (error) => {
        if (error) this.#fail(error);
        if (this.failure !== undefined) reject(this.failure);
        else resolve();
      });
    });
  }

  /** Resolves when the stream has accepted the last write. */
  flushed(): Promise<void> {
    return this.#pending;
  }

  #fail(error: NodeJS.ErrnoException): void {
    if (this.closed || this.failure !== undefined) return;
    if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') {
      this.closed = true;
    } else {
      this.failure = new OpmasError('LOCAL', `cannot write to stdout: ${error.message}`, { cause: error });
    }
    this.onClosed();
  }
}

/** Ends a piece after a line, because a message may come next on the same pipe. */
function endOfPiece(bytes: Buffer, start: number): number {
  const limit = start + PIECE_BYTES;
  if (limit >= bytes.length) return bytes.length;
  const last = bytes.lastIndexOf(LF, limit - 1);
  if (last >= start) return last + 1;
  const next = bytes.indexOf(LF, limit);
  return next < 0 ? bytes.length : next + 1;
}

/** Lines that wait for a reader of stderr; clients of a server can cause any number of them. */
const MOST_WAITING = 10_000;

interface MessageOptions {
  /** Shows no live line, even on a terminal. */
  isPlain: boolean;
  quiet: boolean;
  debug: boolean;
  said: SaidOptions;
}

/** Writes messages to stderr, one line each. Repeated lines are folded. */
export class Messages {
  readonly isTerminal: boolean;
  /** True with `--quiet`: only errors are shown. */
  readonly isQuiet: boolean;
  /** Writes a line. A picture on the terminal takes the lines while it stands there. */
  print: (text: string, isRoutine?: boolean) => void = (text) => this.#write(text);
  #last: string | undefined;
  #repeated = 0;
  /** Lines that the stream has not accepted yet, and those that were not even kept. */
  #waiting = 0;
  #leftOut = 0;
  #lastTakenAt = 0;

  /** @param stream Also draws a live line. */
  constructor(
    readonly stream: OutputStream,
    readonly palette: Palette,
    private readonly options: MessageOptions,
  ) {
    this.isTerminal = stream.isTTY === true;
    this.isQuiet = options.quiet;
  }

  /** True when a live line can be shown: a terminal of known size that can move its cursor, without `--quiet`. */
  get canShowLive(): boolean {
    return this.isTerminal && this.stream.columns > 0 && !this.isQuiet && !this.options.isPlain;
  }

  /** Milliseconds since the reader of stderr has last taken something; 0 while nothing waits. */
  get stalledMs(): number {
    return this.#waiting === 0 ? 0 : performance.now() - this.#lastTakenAt;
  }

  /**
   * Prints information; silent with `--quiet`. Escape foreign parts first.
   *
   * @param time Folded lines may differ in it. @param isRoutine A picture on the terminal shows the same.
   */
  say(text: string, time = '', isRoutine = false): void {
    if (!this.isQuiet) this.#print(text, time, isRoutine);
  }

  /** Prints warnings, one line each, after escaping them; silent with `--quiet`. */
  readonly warn = (...warnings: readonly string[]): void => {
    for (const text of warnings) this.say(this.warningText(text));
  };

  /** Formats a warning, escapes it, and completes its commands with the server that the user chose. */
  warningText(text: string): string {
    return `${this.palette.yellow('warning:')} ${escapeUnsafe(withServerChoice(text, this.options.said))}`;
  }

  /** Prints a loss or a failure after which the work continues; shown with `--quiet` too. */
  error(text: string, time = ''): void {
    this.#print(text, time);
  }

  /** Prints details, with `--debug` only. */
  debug(text: string): void {
    if (this.options.debug) this.#print(this.palette.dim(`debug: ${escapeUnsafe(text)}`));
  }

  /** Prints how often the last line was repeated. */
  end(): void {
    const times = this.#repeated;
    this.#repeated = 0;
    this.#last = undefined;
    if (times > 0) this.print(this.palette.dim(`  (repeated ${times === 1 ? 'once' : `${times} times`})`));
  }

  /** Resolves when the stream has accepted everything. */
  flushed(): Promise<void> {
    return new Promise((resolve) => void this.stream.write('', () => resolve()));
  }

  #print(text: string, time = '', isRoutine = false): void {
    if (text === this.#last) {
      this.#repeated++;
      return;
    }
    this.end();
    this.#last = text;
    this.print(time + text, isRoutine);
  }

  /** The last door: foreign text has been escaped by then, or is now. */
  #write(text: string): void {
    if (this.#waiting >= MOST_WAITING) {
      this.#leftOut++;
      return;
    }
    if (this.#waiting++ === 0) this.#lastTakenAt = performance.now();
    this.stream.write(`${escapeUnsafeOutput(text)}\n`, () => {
      this.#waiting--;
      this.#lastTakenAt = performance.now();
      if (this.#leftOut === 0 || this.#waiting > 0) return;
      this.#write(this.warningText(`${this.#leftOut} messages were left out: stderr was not read`));
      this.#leftOut = 0;
    });
  }
}
