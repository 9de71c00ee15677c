import { isUtf8 } from 'node:buffer';
import { OpmasError } from '../../core/errors.js';
import { CR, isAt, LF, SPACE, TAB } from '../../core/json/json-tokens.js';
import { FORMAT_VERSION } from '../../core/recording/connection-event.js';
import { RECEIVED_AT } from '../../core/recording/format.js';
import { LineView } from '../../core/recording/line-view.js';
import { GzipDamage } from './gzip.js';
import { type Place, type ReadProblem, ReadProblems, TimeOrder } from './read-problems.js';
import type { OpenSource } from './source.js';

/** A longer line is an error: no server of ours sends one, and memory is limited. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;
const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/** Moves through the lines of a source and of those after it: {@link next} while it returns `true`, else {@link fill}. */
export class RecordingCursor {
  readonly line: LineView;
  readonly #problems: ReadProblems;
  readonly order: TimeOrder | undefined;

  #blocks!: AsyncGenerator<Buffer>;
  /** Lines, and the offset in it of the next one. */
  #block: Buffer = Buffer.alloc(0);
  #at = 0;
  /** `true` when the whole block is UTF-8, so that its lines need no check. */
  #isUtf8 = true;
  /** Number of zero bytes before the next line, in earlier blocks. */
  #hole = 0;
  /** All that is there of a source that is followed has been read. */
  isCaughtUp = false;

  /** Number of the current line, from 1, its offset and that of the line after it. */
  number = 0;
  #offset = 0;
  nextOffset = 0;

  constructor(
    public source: OpenSource,
    {
      checkTimes,
      isOnly,
      ...view
    }: { skipJsonCheck: boolean; noteData: boolean; checkTimes: boolean; isOnly: boolean },
    onProblem: (problem: ReadProblem) => void,
  ) {
    this.line = new LineView(view);
    this.#problems = new ReadProblems(isOnly, onProblem);
    this.#begin(source);
    if (checkTimes) this.order = new TimeOrder(this.#problems);
  }

  /**
   * Moves {@link line} to the next line of the recording.
   *
   * @returns `false` when {@link fill} has to bring more bytes.
   * @throws {OpmasError} `DATA` when this is not a recording, or has a newer format.
   */
  next(): boolean {
    while (this.#at < this.#block.length) {
      const start = this.#at;
      const feed = this.#block.indexOf(LF, start);
      const end = feed < 0 ? this.#block.length : feed;
      this.#at = end + 1;
      if (feed < 0 && endOfZeros(this.#block, start, end) === end) {
        this.#hole += end - start;
        break;
      }
      this.number++;
      this.#offset = this.nextOffset;
      this.nextOffset += this.#hole + (feed < 0 ? end : end + 1) - start;
      if (this.#read(start, end, feed < 0)) return true;
    }
    return false;
  }

  /**
   * Brings more bytes; the current line becomes invalid.
   *
   * @returns `false` at the end of the source.
   * @throws {OpmasError} `DATA` when the source had no good line, or a line is too long.
   */
  async fill(): Promise<boolean> {
    const block = await this.#nextBlock();
    if (block === undefined) {
      if (this.#hole > 0) this.#reportHole(this.#nextPlace);
      const next = await this.source.next?.();
      if (next === undefined) {
        this.#problems.finish(this.#nextPlace);
        return false;
      }
      this.#begin(next);
      return this.fill();
    }
    this.isCaughtUp = block.length === 0;
    this.#block = block;
    this.#at = 0;
    // JSON is UTF-8 (RFC 8259, section 8.1). One check of a block costs next to nothing.
    this.#isUtf8 = isUtf8(block);
    return true;
  }

  #begin(source: OpenSource): void {
    const { name, blocks, start = 0, line } = source;
    this.source = source;
    this.#blocks = wholeLines(blocks, () => this.#refuseLongLine());
    this.nextOffset = start;
    this.number = line ?? 0;
    this.#problems.source = name;
    this.#problems.isPart = start > 0 && line === undefined;
  }

  async #nextBlock(): Promise<Buffer | undefined> {
    try {
      const { done, value } = await this.#blocks.next();
      return done ? undefined : value;
    } catch (error) {
      if (!(error instanceof GzipDamage)) throw error;
      const where = `line ${this.number + 1} (byte ${this.nextOffset} of the unpacked data)`;
      const what = `the gzip data is torn or damaged (${error.message}) at ${where}`;
      // The beginning of a line there is part of the same damage.
      this.#problems.report('torn gzip', what, this.#nextPlace);
      return undefined;
    }
  }

  /** @returns `true` when `block[from..to)` is a line of a recording. */
  #read(from: number, to: number, isTorn: boolean): boolean {
    const block = this.#block;
    const hasMark = this.number === 1 && isAt(BYTE_ORDER_MARK, block, from);
    let start = hasMark ? from + BYTE_ORDER_MARK.length : from;
    let end = to;
    if (block[start] === 0 || this.#hole > 0) {
      const afterHole = endOfZeros(block, start, end);
      this.#hole += afterHole - start;
      start = afterHole;
      this.#reportHole({ line: this.number, offset: this.#offset });
    }
    if (end > start && block[end - 1] === CR) end--;
    if (isBlank(block, start, end)) return false;
    const isText = this.#isUtf8 || isUtf8(block.subarray(start, end));
    const kind = isText ? this.line.read(block, start, end) : undefined;
    if (kind === undefined) {
      this.#reportBadLine(block.subarray(start, end), isTorn);
      return false;
    }
    if (kind === 'connection') this.#checkVersion();
    if (!this.#problems.isRecording) this.#problems.confirm();
    this.order?.check(this.line, this.number, this.#offset);
    return true;
  }

  #reportHole(place: Place): void {
    const what = `${this.#hole} zero bytes (from byte ${place.offset} on) in the place of text`;
    this.#problems.report('hole', what, place);
    this.#hole = 0;
  }

  #reportBadLine(line: Buffer, isTorn: boolean): void {
    const place = { line: this.number, offset: this.#offset };
    const length = `${line.length} bytes from byte ${this.#offset} on`;
    // The start of a line of ours, cut anywhere, is a torn tail even when there is no whole line before it.
    const looksOurs = RECEIVED_AT.startsWith(line.toString('latin1', 0, RECEIVED_AT.length));
    if (isTorn && (this.#problems.isRecording || looksOurs)) {
      this.#problems.report('torn tail', `the last line is torn (${length})`, place);
    } else {
      const what = isUtf8(line) ? 'not a JSON object' : 'not UTF-8';
      this.#problems.report('bad line', `${what} (${length})`, place);
    }
  }

  #refuseLongLine(): never {
    const where = `${this.source.name}:${this.number + 1}: the line (from byte ${this.nextOffset} on)`;
    throw new OpmasError('DATA', `${where} is longer than 64 MiB`);
  }

  #checkVersion(): void {
    const { connection } = this.line;
    if (connection?.state !== 'connecting') return;
    const { format, recorder } = connection;
    this.line.format = format;
    if (format <= FORMAT_VERSION) return;
    throw new OpmasError(
      'DATA',
      `${this.source.name}:${this.number}: format ${format}, written by ${recorder || 'an unknown program'}, ` +
        `is newer than format ${FORMAT_VERSION}, which this version reads`,
      { hint: 'Install a newer version of opmas-ws.' },
    );
  }

  /** Place of the line after the current one. */
  get #nextPlace(): Place {
    return { line: this.number + 1, offset: this.nextOffset };
  }
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at];
    if (byte !== SPACE && byte !== TAB && byte !== CR) return false;
  }
  return true;
}

/**
 * Cuts blocks where lines end. The blocks that it gives are whole lines, and what follows the last line feed of all;
 * zero bytes in the place of text, because a hole may have any length; and empty blocks, as they come. A block is valid
 * until the next one is requested.
 *
 * @param onLongLine Called when a line is longer than 64 MiB; throws.
 */
async function* wholeLines(blocks: AsyncIterable<Buffer>, onLongLine: () => never): AsyncGenerator<Buffer> {
  /** Copies of the beginning of a line whose end has not come yet, because its block will be overwritten. */
  let pieces: Buffer[] = [];
  let length = 0;
  for await (const block of blocks) {
    let start = 0;
    if (pieces.length > 0) {
      start = block.indexOf(LF) + 1;
      if (start > 0) {
        yield Buffer.concat([...pieces, block.subarray(0, start)]);
        pieces = [];
        length = 0;
      }
    }
    const end = Math.max(start, block.lastIndexOf(LF) + 1);
    if (end > start || block.length === 0) yield block.subarray(start, end);
    const text = pieces.length > 0 ? end : endOfZeros(block, end, block.length);
    if (text > end) yield block.subarray(end, text);
    if (text === block.length) continue;
    pieces.push(Buffer.from(block.subarray(text)));
    length += block.length - text;
    if (length > MAX_LINE_BYTES) onLongLine();
  }
  if (pieces.length > 0) yield Buffer.concat(pieces);
}

/** Returns the offset of the first byte of `bytes[start..end)` that is not 0. */
function endOfZeros(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] === 0) at++;
  return at;
}
