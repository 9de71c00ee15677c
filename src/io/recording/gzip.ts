/** Compresses and unpacks gzip data (RFC 1952): one or more members, one after another. */
import { constants, createGunzip, createGzip, type Gunzip, type Gzip } from 'node:zlib';

/** Returns `true` for bytes that begin as gzip data does (RFC 1952, section 2.3.1). */
export function hasGzipMark(bytes: Buffer): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** A member that is being compressed. Each method returns the compressed bytes that have become ready. */
export class GzipMember {
  readonly #gzip: Gzip = createGzip({ level: 6, chunkSize: 64 * 1024 });
  #blocks: Buffer[] = [];
  /** Copies of the lines since the last flush. */
  #unflushed: Buffer[] = [];
  /** Bytes of lines in it, and those since the last flush. */
  length = 0;
  unflushedBytes = 0;

  constructor() {
    this.#gzip.on('data', (block: Buffer) => this.#blocks.push(block));
  }

  /** The lines since the last flush. */
  get unflushed(): Buffer {
    return Buffer.concat(this.#unflushed);
  }

  async take(lines: Buffer): Promise<Buffer> {
    this.length += lines.length;
    this.unflushedBytes += lines.length;
    this.#unflushed.push(Buffer.from(lines));
    await new Promise<void>((resolve, reject) => {
      this.#gzip.write(lines, (error) => (error ? reject(error) : resolve()));
    });
    return this.#ready();
  }

  async flush(): Promise<Buffer> {
    await new Promise<void>((resolve) => this.#gzip.flush(constants.Z_SYNC_FLUSH, resolve));
    this.#unflushed = [];
    this.unflushedBytes = 0;
    return this.#ready();
  }

  async end(): Promise<Buffer> {
    await new Promise<void>((resolve) => {
      this.#gzip.once('end', resolve);
      this.#gzip.end();
    });
    return this.#ready();
  }

  #ready(): Buffer {
    const blocks = this.#blocks;
    this.#blocks = [];
    return Buffer.concat(blocks);
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
 * @param open Returns the compressed bytes from their start. It is called a second time after damage if `canReopen`:
 *   the decompressor drops what it had unpacked in the step that failed, so that step is repeated byte by byte.
 */
export async function* gunzip(
  open: () => AsyncIterable<Buffer>,
  { canReopen }: { canReopen: boolean },
): AsyncGenerator<Buffer> {
  const unpacker = new Unpacker();
  let taken = 0;
  let given = 0;
  try {
    for await (const piece of inSteps(open())) {
      for (const block of await unpacker.take(piece)) {
        given += block.length;
        yield block;
      }
      if (unpacker.damage !== undefined) {
        if (canReopen) yield* unpackBytewise(open(), taken, given);
        throw unpacker.damage;
      }
      if (unpacker.hasEnded) return;
      taken += piece.length;
    }
    yield* await unpacker.end();
    if (unpacker.damage !== undefined) throw unpacker.damage;
  } finally {
    unpacker.close();
  }
}

async function* inSteps(blocks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const block of blocks) {
    for (let at = 0; at < block.length; at += STEP_BYTES) yield block.subarray(at, at + STEP_BYTES);
  }
}

/** Gives what follows the first `given` unpacked bytes; compressed bytes from `taken` on are unpacked one at a time. */
async function* unpackBytewise(
  compressed: AsyncIterable<Buffer>,
  taken: number,
  given: number,
): AsyncGenerator<Buffer> {
  const unpacker = new Unpacker();
  let position = 0;
  let unpacked = 0;
  try {
    for await (const piece of inSteps(compressed)) {
      const step = position < taken ? piece.length : 1;
      position += piece.length;
      for (let at = 0; at < piece.length; at += step) {
        for (const block of await unpacker.take(piece.subarray(at, at + step))) {
          const known = Math.max(0, given - unpacked);
          unpacked += block.length;
          if (known < block.length) yield block.subarray(known);
        }
        if (unpacker.damage !== undefined) return;
      }
    }
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
