import { createGunzip, type Gunzip } from 'node:zlib';

/** The gzip data ends too soon, is damaged or is followed by something else; all before that has been given. */
export class GzipDamage extends Error {
  override readonly name = 'GzipDamage';
}

/** Compressed bytes handed to the decompressor at a time; bounds what one step of a bomb can give (x1032). */
const PIECE = 16 * 1024;

/**
 * Unpacks gzip data of one or more members. Damage ends it with {@link GzipDamage}, after everything before it.
 *
 * @param open Gives the compressed bytes from their start. It is called a second time after damage if `canReopen`:
 *   the decompressor forgets what it had unpacked in the step that failed, so that step is done again byte by byte.
 */
export async function* gunzip(
  open: () => AsyncIterable<Buffer>,
  { canReopen }: { canReopen: boolean },
): AsyncGenerator<Buffer> {
  const unpacker = new Unpacker();
  let taken = 0;
  let given = 0;
  try {
    for await (const piece of inPieces(open())) {
      for (const block of await unpacker.take(piece)) {
        given += block.length;
        yield block;
      }
      if (unpacker.damage !== undefined) {
        if (canReopen) yield* unpackFinely(open(), taken, given);
        throw unpacker.damage;
      }
      if (unpacker.ended) return;
      taken += piece.length;
    }
    yield* await unpacker.end();
    if (unpacker.damage !== undefined) throw unpacker.damage;
  } finally {
    unpacker.close();
  }
}

async function* inPieces(blocks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const block of blocks) {
    for (let at = 0; at < block.length; at += PIECE) yield block.subarray(at, at + PIECE);
  }
}

/** What comes after the first `given` unpacked bytes; the compressed bytes from `taken` on go in one at a time. */
async function* unpackFinely(
  compressed: AsyncIterable<Buffer>,
  taken: number,
  given: number,
): AsyncGenerator<Buffer> {
  const unpacker = new Unpacker();
  let position = 0;
  let unpacked = 0;
  try {
    for await (const piece of inPieces(compressed)) {
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

/** A decompressor that is fed step by step and always says what each step gave. */
class Unpacker {
  readonly #gunzip: Gunzip = createGunzip({ chunkSize: 128 * 1024 });
  #blocks: Buffer[] = [];
  #done: () => void = () => undefined;
  /** Why it can't go on. */
  damage: GzipDamage | undefined;
  /** Whether the last member has ended and only zeros follow. */
  ended = false;

  constructor() {
    this.#gunzip.on('data', (block: Buffer) => this.#blocks.push(block));
    this.#gunzip.on('end', () => {
      this.ended = true;
      this.#done();
    });
    this.#gunzip.on('error', (error) => {
      this.damage = new GzipDamage(error.message);
      this.#done();
    });
  }

  /** Unpacks as much as these bytes give. */
  take(compressed: Buffer): Promise<Buffer[]> {
    return this.#step(() => this.#gunzip.write(compressed, () => this.#done()));
  }

  /** Says that nothing follows: a member that has not ended is damage now. */
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
