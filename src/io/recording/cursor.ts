import { isUtf8 } from 'node:buffer';
import { OpmasError } from '../../core/errors.js';
import { FORMAT_VERSION } from '../../core/recording/connection-event.js';
import { RECEIVED_AT } from '../../core/recording/format.js';
import { LineView } from '../../core/recording/line-view.js';
import { GzipDamage } from './gunzip.js';
import { type Place, type ReadProblem, ReadProblems } from './read-problems.js';
import type { OpenSource } from './source.js';

/** A longer line is an error: no server of ours sends one, and memory has to end somewhere. */
const MAX_LINE = 64 * 1024 * 1024;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;

/** Goes through the lines of one source: {@link next} while it says so, {@link fill} when it wants more bytes. */
export class RecordingCursor {
  readonly line: LineView;
  readonly name: string;
  readonly #source: OpenSource;
  readonly #problems: ReadProblems;

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
  /** Whether lines need not be looked at for UTF-8 one by one. */
  #isSurelyText = true;

  #number = 0;
  #offset = 0;
  #nextOffset = 0;

  constructor(
    source: OpenSource,
    { skipJsonCheck, isOnly }: { skipJsonCheck: boolean; isOnly: boolean },
    onProblem: (problem: ReadProblem) => void,
  ) {
    this.line = new LineView({ skipJsonCheck, memory: source.memory });
    this.#source = source;
    this.name = source.name;
    this.#problems = new ReadProblems(source.name, isOnly, onProblem);
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
      const what = `the gzip data is torn or damaged (${error.message}) at ${where}`;
      this.#problems.report('torn gzip', what, this.#nextPlace);
      // What stands there of a line is part of the same damage.
      this.#pieces = [];
      return undefined;
    }
  }

  #begin(segment: Buffer): void {
    this.#segment = segment;
    this.#at = 0;
    // JSON is UTF-8 (RFC 8259, section 8.1). One look at all of it costs next to nothing; it may end in a character.
    this.#isSurelyText = isUtf8(segment);
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
    if (this.#hole > 0) this.#reportHole(this.#nextPlace);
    this.#problems.finish(this.#nextPlace);
    return false;
  }

  /** @returns Whether this is a line to look at. */
  #take(from: number, to: number, isTorn: boolean): boolean {
    let start = from;
    let end = to;
    if (this.#number === 1) start = this.#skipMark(start, end);
    if (this.#segment[start] === 0 || this.#hole > 0) start = this.#skipHole(start, end);
    if (end > start && this.#segment[end - 1] === CR) end--;
    if (isBlank(this.#segment, start, end)) return false;
    const isText = this.#isSurelyText || isUtf8(this.#segment.subarray(start, end));
    const kind = isText ? this.line.read(this.#segment, start, end) : undefined;
    if (kind === undefined) {
      this.#complain(start, end, isTorn);
      return false;
    }
    if (kind === 'connection') this.#checkVersion();
    if (!this.#problems.isRecording) this.#problems.confirm();
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
    this.#reportHole(this.#place);
    return at;
  }

  #reportHole(place: Place): void {
    const what = `${this.#hole} zero bytes (from byte ${place.offset} on) in the place of text`;
    this.#problems.report('hole', what, place);
    this.#hole = 0;
  }

  #complain(start: number, end: number, isTorn: boolean): void {
    const length = `${end - start} bytes from byte ${this.#offset} on`;
    if (isTorn && (this.#problems.isRecording || looksLikeOurs(this.#segment.subarray(start, end)))) {
      this.#problems.report('torn tail', `the last line is torn (${length})`, this.#place);
    } else {
      const what = isUtf8(this.#segment.subarray(start, end)) ? 'not a JSON object' : 'not UTF-8';
      this.#problems.report('bad line', `${what} (${length})`, this.#place);
    }
  }

  #checkVersion(): void {
    const { connection } = this.line;
    if (connection?.state !== 'connecting' || connection.format <= FORMAT_VERSION) return;
    const { format, recorder } = connection;
    throw new OpmasError(
      'DATA',
      `${this.name}:${this.#number}: format ${format}, written by ${recorder || 'somebody'}, is newer than ` +
        `format ${FORMAT_VERSION}, which this version reads`,
      { hint: 'Install a newer opmas-ws: npm install -g opmas-ws@latest' },
    );
  }

  /** Where the current line is. */
  get #place(): Place {
    return { line: this.#number, offset: this.#offset };
  }

  /** Where the line after it begins. */
  get #nextPlace(): Place {
    return { line: this.#number + 1, offset: this.#nextOffset };
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
