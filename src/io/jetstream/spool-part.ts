import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { RecordingCursor } from '../recording/cursor.js';
import { gunzip } from '../recording/gzip.js';
import type { ReadProblem } from '../recording/read-problems.js';
import { countLines } from '../recording/segment.js';
import { isGzip, openingFailed } from '../recording/source.js';

const BLOCK_BYTES = 256 * 1024;
/** Identical lines of ours stand close together. */
export const BEHIND_BYTES = 1024 * 1024;
const FINGERPRINT_BYTES = 4096;
const LF = 0x0a;

/** A place in a part: the offset of a line, in unpacked bytes, and the number of lines before it. */
export interface PartPlace {
  offset: number;
  line: number;
}

/** An open file of a recording, which may still be written to. It stays readable when it is renamed or deleted. */
export class SpoolPart {
  #fingerprint: string | undefined;
  cursor!: RecordingCursor;

  private constructor(
    readonly handle: FileHandle,
    private readonly isGzip: boolean,
  ) {}

  /** @throws {OpmasError} `USAGE` when there is no such file, `LOCAL` when it cannot be opened. */
  static async open(path: string): Promise<SpoolPart> {
    const handle = await open(path, 'r').catch((error) => {
      throw openingFailed(path, error);
    });
    return new SpoolPart(handle, path.endsWith('.gz') || (await isGzip(handle)));
  }

  /**
   * Begins to read.
   *
   * @param waits Waits for more bytes at the end of the file. @returns `false` when none will come.
   */
  async begin(
    name: string,
    start: PartPlace,
    waits: () => Promise<boolean>,
    onProblem: (problem: ReadProblem) => void,
  ): Promise<void> {
    const blocks = this.#lines(start.offset, waits);
    const reading = { skipJsonCheck: false, noteData: false, checkTimes: false, isOnly: false };
    const source = { name, blocks, start: start.offset, close: () => this.close() };
    this.cursor = new RecordingCursor(source, reading, onProblem);
    this.cursor.number = start.line;
  }

  /** Tells the part from most others, whatever its name; `undefined` while it has no whole line. */
  async fingerprint(): Promise<string | undefined> {
    if (this.#fingerprint !== undefined) return this.#fingerprint;
    for await (const block of this.#present(0)) {
      const end = block.indexOf(LF);
      const isWhole = end >= 0 || block.length >= FINGERPRINT_BYTES;
      const start = block.subarray(0, Math.min(end < 0 ? block.length : end, FINGERPRINT_BYTES));
      if (isWhole) this.#fingerprint = createHash('sha256').update(start).digest('hex').slice(0, 32);
      break;
    }
    return this.#fingerprint;
  }

  /**
   * Returns whether this may be the part that had a fingerprint, and a line at an offset. Parts that were begun by events
   * that came together have the same fingerprint: of several such parts the first is right, because no line is lost then.
   */
  async has(fingerprint: string, offset: number): Promise<boolean> {
    if ((await this.fingerprint()) !== fingerprint) return false;
    if (offset === 0) return true;
    for await (const block of this.#present(offset - 1)) return block[0] === LF;
    return false;
  }

  /** Counts the whole lines behind a place, and returns the place behind them. */
  async countFrom({ offset, line }: PartPlace): Promise<PartPlace> {
    const place = { offset, line };
    let position = offset;
    for await (const block of this.#present(offset)) {
      place.line += countLines(block);
      const end = block.lastIndexOf(LF) + 1;
      if (end > 0) place.offset = position + end;
      position += block.length;
    }
    return place;
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  /** Returns the end of what stands before an offset, from the start of a line on: at most 1 MiB. */
  async before(offset = Number.POSITIVE_INFINITY): Promise<Buffer> {
    const end = this.isGzip ? offset : Math.min(offset, (await this.handle.stat()).size);
    let at = this.isGzip ? 0 : Math.max(0, end - BEHIND_BYTES);
    let bytes = Buffer.alloc(0);
    for await (const block of this.#present(at)) {
      const piece = block.subarray(0, end - at);
      at += piece.length;
      bytes = Buffer.concat([bytes, piece]).subarray(-BEHIND_BYTES);
      if (at === end) break;
    }
    return at === bytes.length ? bytes : bytes.subarray(bytes.indexOf(LF) + 1);
  }

  /** Gives what is there now, up to data that cannot be read or unpacked. */
  async *#present(offset: number): AsyncGenerator<Buffer> {
    try {
      yield* this.#lines(offset, async () => false);
    } catch {}
  }

  async *#lines(offset: number, waits: () => Promise<boolean>): AsyncGenerator<Buffer> {
    if (!this.isGzip) {
      yield* this.#bytes(offset, waits);
      return;
    }
    let passed = 0;
    for await (const block of gunzip(this.#bytes(0, waits), undefined)) {
      const skipped = Math.min(block.length, Math.max(0, offset - passed));
      passed += block.length;
      if (skipped < block.length) yield block.subarray(skipped);
    }
  }

  async *#bytes(offset: number, waits: () => Promise<boolean>): AsyncGenerator<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    let position = offset;
    let mayCome = true;
    for (;;) {
      const { bytesRead } = await this.handle.read(buffer, 0, buffer.length, position);
      position += bytesRead;
      if (bytesRead > 0) yield buffer.subarray(0, bytesRead);
      else if (!mayCome) return;
      // The lines written before the end are read once more.
      else mayCome = await waits();
    }
  }
}
