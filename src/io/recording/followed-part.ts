import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { gunzip } from './gzip.js';
import { identityOf } from './recording-files.js';
import { countLines } from './segment.js';
import { isGzip, openingFailed, readingFailed } from './source.js';

/** A place in a recording: a part (in a file: its fingerprint), the offset of a line, and the number of lines before it. */
export interface Place<Part> {
  part: Part;
  /** In unpacked bytes. */
  offset: number;
  line: number;
}

/** Stands for the present end: more may come. */
export const NOTHING: Buffer = Buffer.alloc(0);
const BLOCK_BYTES = 256 * 1024;
/** This many bytes are read again at each look: if they have changed, the file was truncated, whatever its size. */
const TAIL_BYTES = 512;
/** Identical lines of ours stand close together. */
export const BEHIND_BYTES = 1024 * 1024;
const FINGERPRINT_BYTES = 4096;
const LF = 0x0a;

/** Reads a file while it may grow. */
interface Growth {
  /** Called when all was read: returns `false` when no more comes, and the rest is to be read. */
  goesOn(): Promise<boolean>;
  blockSize?: number;
  /** Called with the number of bytes read, as they are stored. */
  onRead?: ((bytes: number) => void) | undefined;
}

/** An open file of a recording, which may still be written to. It stays readable when it is renamed or deleted. */
export class FollowedPart {
  /** The bytes that were read last stand there no more. */
  wasTruncated = false;
  #fingerprint: string | undefined;
  /** The place up to which the lines were counted. */
  #counted = { offset: 0, line: 0 };

  private constructor(
    readonly path: string,
    readonly handle: FileHandle,
    readonly identity: string,
    private readonly isGzip: boolean,
  ) {}

  /** @returns `undefined` when there is no such file any more. @throws {OpmasError} `LOCAL` when it cannot be opened. */
  static async open(path: string): Promise<FollowedPart | undefined> {
    const handle = await open(path, 'r').catch((error) => {
      const failure = openingFailed(path, error);
      if (failure.code !== 'USAGE') throw failure;
    });
    if (handle === undefined) return undefined;
    const isPacked = path.endsWith('.gz') || (await isGzip(handle));
    return new FollowedPart(path, handle, identityOf(await handle.stat()), isPacked);
  }

  async isDeleted(): Promise<boolean> {
    return (await this.handle.stat()).nlink === 0;
  }

  /** Gives the unpacked bytes from an offset on; {@link NOTHING} while more may come. */
  async *blocks(offset: number, growth: Growth): AsyncGenerator<Buffer> {
    if (!this.isGzip) {
      yield* this.#bytes(offset, growth);
      return;
    }
    let passed = 0;
    for await (const block of gunzip(this.#bytes(0, growth), undefined)) {
      const skipped = Math.min(block.length, Math.max(0, offset - passed));
      passed += block.length;
      if (skipped < block.length || block.length === 0) yield block.subarray(skipped);
    }
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
   * Returns whether a place may be in this part. Parts that were begun by events that came together have the same
   * fingerprint: of several such parts the first is right, because no line is lost then.
   */
  async has({ part, offset }: Place<string>): Promise<boolean> {
    if ((await this.fingerprint()) !== part) return false;
    if (offset === 0) return true;
    for await (const block of this.#present(offset - 1)) return block[0] === LF;
    return false;
  }

  /** Counts the whole lines. Those that were counted before, or stand before a known place, are not read again. */
  async countLines(known = this.#counted): Promise<number> {
    let { offset, line } = known.line > this.#counted.line ? known : this.#counted;
    let position = offset;
    for await (const block of this.#present(offset)) {
      line += countLines(block);
      const end = block.lastIndexOf(LF) + 1;
      if (end > 0) offset = position + end;
      position += block.length;
    }
    this.#counted = { offset, line };
    return line;
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
      yield* this.blocks(offset, { goesOn: async () => false });
    } catch {}
  }

  /** Gives the bytes as they are stored: whole lines, because what follows the last one may be cut off again. */
  async *#bytes(offset: number, { goesOn, blockSize = BLOCK_BYTES, onRead }: Growth): AsyncGenerator<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(blockSize);
    let position = offset;
    let tail = NOTHING;
    for (let mayGrow = true; ; ) {
      const start = position - tail.length;
      const { bytesRead } = await this.handle.read(buffer, 0, buffer.length, start).catch((error) => {
        throw readingFailed(this.path, error);
      });
      if (bytesRead < tail.length || !tail.equals(buffer.subarray(0, tail.length))) {
        this.wasTruncated = true;
        return;
      }
      const isWhole = this.isGzip || !mayGrow || bytesRead === buffer.length;
      const lineEnd = this.isGzip ? 0 : buffer.subarray(0, bytesRead).lastIndexOf(LF) + 1;
      const nothing = isWhole ? bytesRead : tail.length;
      const end = lineEnd > tail.length ? lineEnd : nothing;
      if (end > tail.length) {
        const block = buffer.subarray(tail.length, end);
        position += block.length;
        tail = Buffer.from(buffer.subarray(Math.max(0, end - TAIL_BYTES), end));
        onRead?.(block.length);
        yield block;
      } else if (!mayGrow) return;
      else {
        // What was written before its writer went on elsewhere is read once more.
        mayGrow = await goesOn();
        if (mayGrow) yield NOTHING;
      }
    }
  }
}
