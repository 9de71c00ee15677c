/** Compresses and unpacks gzip data (RFC 1952): one or more members, one after another. */
import { constants, crc32, createGunzip, createGzip, type Gunzip, type Gzip } from 'node:zlib';

/** Returns `true` for bytes that begin as gzip data does (RFC 1952, section 2.3.1). */
export function hasGzipMark(bytes: Buffer): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** A member that is being compressed. Whatever it has returned so far unpacks to whole lines. */
export class GzipMember {
  readonly #gzip: Gzip = createGzip({ level: 6, chunkSize: 64 * 1024 });
  #blocks: Buffer[] = [];
  /** Of the lines that are in the file. */
  #checksum = 0;
  length = 0;

  constructor() {
    this.#gzip.on('data', (block: Buffer) => this.#blocks.push(block));
  }

  /** Compresses further lines. */
  async compress(lines: Buffer): Promise<Buffer> {
    this.#gzip.write(lines);
    await new Promise<void>((resolve) => this.#gzip.flush(constants.Z_SYNC_FLUSH, resolve));
    return Buffer.concat(this.#blocks.splice(0));
  }

  /** Notes that the lines compressed last are in the file. */
  settle(lines: Buffer): void {
    this.#checksum = crc32(lines, this.#checksum);
    this.length += lines.length;
  }

  /** The end of the member after the lines that are in the file; empty when there are none. */
  get end(): Buffer {
    if (this.length === 0) return Buffer.alloc(0);
    // An empty last block, then the checksum and the length of the lines.
    const end = Buffer.of(0x03, 0, ...Buffer.alloc(8));
    end.writeUInt32LE(this.#checksum, 2);
    end.writeUInt32LE(this.length % 2 ** 32, 6);
    return end;
  }
}

/** The gzip data ends too early, is damaged or is followed by something else. All data before that was given. */
export class GzipDamage extends Error {
  override readonly name = 'GzipDamage';
}

/** Compressed bytes per step; limits what one step of a decompression bomb can give (x1032). */
const STEP_BYTES = 16 * 1024;

/**
 * Unpacks gzip data. Damage ends the iteration with {@link GzipDamage}, after everything before it.
 *
 * @param compressed The compressed bytes.
 * @param reopen Returns them again. The decompressor drops what it had unpacked in the step that failed, so that step is
 *   repeated byte by byte.
 */
export async function* gunzip(
  compressed: AsyncIterable<Buffer>,
  reopen: (() => AsyncIterable<Buffer>) | undefined,
): AsyncGenerator<Buffer> {
  const end = yield* unpack(compressed, Number.POSITIVE_INFINITY, 0);
  if (end.damage === undefined) return;
  if (reopen !== undefined && !end.isTorn) yield* unpack(reopen(), end.position, end.unpacked);
  throw end.damage;
}

/** The end of unpacking: why, and the compressed and unpacked bytes before the last step. */
interface UnpackEnd {
  damage: GzipDamage | undefined;
  /** The data ends too early. */
  isTorn: boolean;
  position: number;
  unpacked: number;
}

/** Gives the bytes after the first `known` unpacked ones; compressed bytes from `single` on are unpacked one at a time. */
async function* unpack(
  compressed: AsyncIterable<Buffer>,
  single: number,
  known: number,
): AsyncGenerator<Buffer, UnpackEnd> {
  const unpacker = new Unpacker();
  let position = 0;
  let unpacked = 0;
  const endOf = (isTorn: boolean) => ({ damage: unpacker.damage, isTorn, position, unpacked });
  try {
    for await (const block of compressed) {
      // All that is there now has been read.
      if (block.length === 0) yield block;
      for (let at = 0; at < block.length; ) {
        const step = position < single ? Math.min(STEP_BYTES, single - position) : 1;
        const piece = block.subarray(at, at + step);
        for (const text of await unpacker.take(piece)) {
          const skipped = Math.max(0, known - unpacked);
          unpacked += text.length;
          if (skipped < text.length) yield text.subarray(skipped);
        }
        if (unpacker.damage !== undefined || unpacker.hasEnded) return endOf(false);
        at += piece.length;
        position += piece.length;
      }
    }
    yield* await unpacker.end();
    return endOf(true);
  } finally {
    unpacker.close();
  }
}

/** A decompressor that is fed step by step and returns what each step gave. */
class Unpacker {
  readonly #gunzip: Gunzip = createGunzip({ chunkSize: 128 * 1024 });
  #blocks: Buffer[] = [];
  #done: () => void = () => undefined;
  /** The reason why it cannot go on. */
  damage: GzipDamage | undefined;
  /** `true` when the last member has ended and only zeros follow. */
  hasEnded = false;

  constructor() {
    this.#gunzip.on('data', (block: Buffer) => this.#blocks.push(block));
    this.#gunzip.on('end', () => {
      this.hasEnded = true;
      this.#done();
    });
    this.#gunzip.on('error', (error) => {
      this.damage = new GzipDamage(error.message);
      this.#done();
    });
  }

  take(compressed: Buffer): Promise<Buffer[]> {
    return this.#step(() => this.#gunzip.write(compressed, () => this.#done()));
  }

  /** Unpacks the rest: nothing follows, so a member that has not ended is damaged. */
  end(): Promise<Buffer[]> {
    return this.#step(() => this.#gunzip.end());
  }

  close(): void {
    this.#gunzip.destroy();
  }

  async #step(act: () => void): Promise<Buffer[]> {
    await new Promise<void>((resolve) => {
      this.#done = resolve;
      act();
    });
    const blocks = this.#blocks;
    this.#blocks = [];
    return blocks;
  }
}

/** Returns the most bytes that compressed lines take: blocks that cannot be compressed are stored as they are. */
export function mostCompressed(bytes: number): number {
  return bytes + Math.ceil(bytes / 1000) + 64;
}
