import { OpmasError } from '../../core/errors.js';
import { RECEIVED_AT } from '../../core/recording/event-line.js';
import { FORMAT_VERSION } from '../../core/recording/line.js';
import { RecordedLine } from '../../core/recording/recorded-line.js';
import { GzipDamage } from './gunzip.js';
import type { OpenSource } from './source.js';

/** Something in a recording that is not as it should be, and what was done about it. */
export interface ReadProblem {
  /**
   * - `bad line`: it is no JSON object; it was skipped.
   * - `torn tail`: the last line is not whole, as after a kill or a power loss; it was skipped.
   * - `hole`: bytes of value 0 before a line, as after a power loss; they were skipped.
   * - `torn gzip`: the compressed data ends too soon or is damaged; all before that was read.
   * - `empty`: one of several sources has nothing in it, as a part of a rotation whose recorder was killed just then.
   */
  kind: 'bad line' | 'torn tail' | 'hole' | 'torn gzip' | 'empty';
  /** Path, or `stdin`. */
  source: string;
  /** Line number from 1. */
  line: number;
  /** Offset of the line's first byte (in the unpacked data). */
  offset: number;
  /** The whole complaint as a sentence, with source, line and offset in it. */
  message: string;
}

/** A longer line is an error: no server of ours sends one, and memory has to end somewhere. */
const MAX_LINE = 64 * 1024 * 1024;
/** What has no line of a recording among so many lines is none. */
const MAX_BAD_START = 100;

const EMPTY = 'the file is empty';
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;

/** Goes through the lines of one source: {@link next} while it says so, {@link fill} when it wants more bytes. */
export class RecordingCursor {
  readonly line: RecordedLine;
  readonly name: string;
  readonly #source: OpenSource;
  readonly #isOnly: boolean;
  readonly #onProblem: (problem: ReadProblem) => void;

  /** What is being split at its line feeds, and how far. */
  #segment: Buffer = Buffer.alloc(0);
  #at = 0;
  /** What follows the segment already. */
  #rest: Buffer | undefined;
  /** Beginning of a line whose end has not come yet. */
  #pieces: Buffer[] = [];
  #piecesLength = 0;
  /** Bytes of value 0 before it. */
  #hole = 0;
  #isLast = false;

  #number = 0;
  #offset = 0;
  #nextOffset = 0;
  #foundLine = false;
  #heldProblems: ReadProblem[] = [];

  constructor(
    source: OpenSource,
    { trusting, isOnly }: { trusting: boolean; isOnly: boolean },
    onProblem: (problem: ReadProblem) => void,
  ) {
    this.line = new RecordedLine({ trusting, memory: source.memory });
    this.#isOnly = isOnly;
    this.#source = source;
    this.name = source.name;
    this.#onProblem = onProblem;
  }

  /** Number of the current line in its file, from 1. */
  get number(): number {
    return this.#number;
  }

  /** Offset of the current line in its file (in the unpacked data). */
  get offset(): number {
    return this.#offset;
  }

  /**
   * Moves {@link line} to the next line of a recording.
   *
   * @returns `false` when {@link fill} has to bring more bytes first.
   * @throws {OpmasError} `DATA` when this is no recording, or one of a newer format.
   */
  next(): boolean {
    for (;;) {
      while (this.#at < this.#segment.length) {
        const feed = this.#segment.indexOf(LF, this.#at);
        if (feed < 0 && !this.#isLast) break;
        const start = this.#at;
        const end = feed < 0 ? this.#segment.length : feed;
        this.#at = feed < 0 ? end : feed + 1;
        this.#number++;
        this.#offset = this.#nextOffset;
        this.#nextOffset += this.#hole + this.#at - start;
        if (this.#take(start, end, feed < 0)) return true;
      }
      this.#keep(this.#segment.subarray(this.#at));
      if (this.#rest === undefined) {
        this.#segment = Buffer.alloc(0);
        this.#at = 0;
        return false;
      }
      this.#begin(this.#rest);
      this.#rest = undefined;
    }
  }

  /**
   * Brings more bytes; what {@link line} says ends with it.
   *
   * @returns `false` at the end of the source.
   * @throws {OpmasError} `DATA` when there was no line of a recording in it, or a line is too long.
   */
  async fill(): Promise<boolean> {
    for (;;) {
      const block = await this.#nextBlock();
      if (block === undefined) return this.#finish();
      const feed = this.#pieces.length === 0 ? 0 : block.indexOf(LF);
      if (feed < 0) {
        this.#keep(block);
        continue;
      }
      if (this.#pieces.length === 0) {
        this.#begin(block);
      } else {
        this.#begin(Buffer.concat([...this.#pieces, block.subarray(0, feed + 1)]));
        this.#rest = block.subarray(feed + 1);
        this.#pieces = [];
        this.#piecesLength = 0;
      }
      return true;
    }
  }

  async #nextBlock(): Promise<Buffer | undefined> {
    if (this.#isLast) return undefined;
    try {
      const { done, value } = await this.#source.blocks.next();
      return done ? undefined : value;
    } catch (error) {
      if (!(error instanceof GzipDamage)) throw error;
      const where = `line ${this.#number + 1} (byte ${this.#nextOffset} of the unpacked data)`;
      this.#report('torn gzip', `the gzip data is torn or damaged (${error.message}) at ${where}`, 1);
      // What stands there of a line is part of the same damage.
      this.#pieces = [];
      return undefined;
    }
  }

  #begin(segment: Buffer): void {
    this.#segment = segment;
    this.#at = 0;
  }

  /** Keeps a copy of the beginning of a line: its block will be overwritten. A hole may be of any length. */
  #keep(bytes: Buffer): void {
    const start = this.#piecesLength === 0 ? endOfZeros(bytes, 0, bytes.length) : 0;
    this.#hole += start;
    if (start === bytes.length) return;
    const piece = bytes.subarray(start);
    this.#piecesLength += piece.length;
    if (this.#piecesLength > MAX_LINE) {
      const where = `${this.name}:${this.#number + 1}: the line (from byte ${this.#nextOffset} on)`;
      throw new OpmasError('DATA', `${where} is longer than 64 MiB`);
    }
    this.#pieces.push(Buffer.from(piece));
  }

  #finish(): boolean {
    if (this.#pieces.length > 0 && !this.#isLast) {
      this.#isLast = true;
      this.#begin(Buffer.concat(this.#pieces));
      this.#pieces = [];
      return true;
    }
    this.#isLast = true;
    if (this.#hole > 0) this.#reportHole(this.#nextOffset, 1);
    const isTorn = this.#heldProblems.some(({ kind }) => kind.startsWith('torn'));
    if (!this.#foundLine && !isTorn) this.#finishWithoutLine();
    this.#releaseProblems();
    return false;
  }

  #finishWithoutLine(): void {
    if (this.#isOnly || this.#heldProblems.length > 0) this.#refuse();
    this.#report('empty', EMPTY, 1);
  }

  /** @returns Whether this is a line to look at. */
  #take(from: number, to: number, isTorn: boolean): boolean {
    let start = from;
    let end = to;
    if (this.#number === 1) start = this.#skipMark(start, end);
    if (this.#segment[start] === 0 || this.#hole > 0) start = this.#skipHole(start, end);
    if (end > start && this.#segment[end - 1] === CR) end--;
    if (isBlank(this.#segment, start, end)) return false;
    const kind = this.line.read(this.#segment, start, end);
    if (kind === undefined) {
      this.#complain(start, end, isTorn);
      return false;
    }
    if (kind === 'connection') this.#checkVersion();
    if (!this.#foundLine) {
      this.#foundLine = true;
      this.#releaseProblems();
    }
    return true;
  }

  #skipMark(start: number, end: number): number {
    const [first, second, third] = this.#segment.subarray(start, Math.min(end, start + 3));
    if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
      throw new OpmasError('DATA', `${this.name}:1: UTF-16 text; a recording is UTF-8`);
    }
    return first === 0xef && second === 0xbb && third === 0xbf ? start + 3 : start;
  }

  #skipHole(start: number, end: number): number {
    const at = endOfZeros(this.#segment, start, end);
    this.#hole += at - start;
    this.#reportHole(this.#offset, 0);
    return at;
  }

  #reportHole(offset: number, ahead: 0 | 1): void {
    this.#report('hole', `${this.#hole} zero bytes (from byte ${offset} on) in the place of text`, ahead);
    this.#hole = 0;
  }

  #complain(start: number, end: number, isTorn: boolean): void {
    const length = `${end - start} bytes from byte ${this.#offset} on`;
    if (isTorn && (this.#foundLine || looksLikeOurs(this.#segment.subarray(start, end)))) {
      this.#report('torn tail', `the last line is torn (${length})`);
    } else {
      this.#report('bad line', `not a JSON object (${length})`);
    }
  }

  #checkVersion(): void {
    const connection = this.line.connection as { state: string; format?: unknown; recorder?: unknown };
    if (typeof connection.format !== 'number' || connection.format <= FORMAT_VERSION) return;
    throw new OpmasError(
      'DATA',
      `${this.name}:${this.#number}: format ${connection.format}, written by ${connection.recorder}, is newer than ` +
        `format ${FORMAT_VERSION}, which this version reads`,
      { hint: 'Install a newer opmas-ws: npm install -g opmas-ws@latest' },
    );
  }

  #report(kind: ReadProblem['kind'], what: string, ahead: 0 | 1 = 0): void {
    const line = this.#number + ahead;
    const offset = ahead === 0 ? this.#offset : this.#nextOffset;
    const problem = { kind, source: this.name, line, offset, message: `${this.name}:${line}: ${what}` };
    if (this.#foundLine) {
      this.#onProblem(problem);
      return;
    }
    // Until there is a line of a recording it may be something else altogether, and that is another complaint.
    this.#heldProblems.push(problem);
    if (this.#heldProblems.length >= MAX_BAD_START) this.#refuse();
  }

  #releaseProblems(): void {
    for (const problem of this.#heldProblems) this.#onProblem(problem);
    this.#heldProblems = [];
  }

  #refuse(): never {
    const first = this.#heldProblems[0];
    const what =
      first === undefined
        ? `${this.name}:1: it is empty, so it is not a recording`
        : `${this.name} is not a recording: ${first.message.slice(this.name.length + 1)}`;
    throw new OpmasError('DATA', what, {
      hint: 'A recording has one JSON object on each line (NDJSON), as `opmas-ws record` and `jq -c` write it.',
    });
  }
}

function endOfZeros(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] === 0) at++;
  return at;
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at];
    if (byte !== SPACE && byte !== TAB && byte !== CR) return false;
  }
  return true;
}

/** Whether the text could be the beginning of a line of ours, cut anywhere. */
function looksLikeOurs(text: Buffer): boolean {
  return RECEIVED_AT.startsWith(text.toString('latin1', 0, RECEIVED_AT.length));
}
