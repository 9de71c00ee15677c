const WORD_BYTES = 4;

/** Compares known bytes with the bytes at an offset, four in one step: each line begins with forty known bytes. */
export class BytePattern {
  readonly length: number;
  readonly #words: Int32Array;
  /** The bytes after the last whole word. */
  readonly #rest: Uint8Array;

  /** @param bytes They are copied. */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const words = Math.floor(bytes.length / WORD_BYTES);
    this.length = bytes.length;
    this.#words = Int32Array.from({ length: words }, (_, i) => view.getInt32(i * WORD_BYTES, true));
    this.#rest = Uint8Array.from(bytes.subarray(words * WORD_BYTES));
  }

  /** Returns `true` when all bytes stand there. The data must hold {@link length} bytes from `offset` on. */
  standsAt(data: DataView, offset: number): boolean {
    const words = this.#words;
    let at = offset;
    for (let i = 0; i < words.length; i++, at += WORD_BYTES) {
      if (data.getInt32(at, true) !== words[i]) return false;
    }
    const rest = this.#rest;
    for (let i = 0; i < rest.length; i++) if (data.getUint8(at + i) !== rest[i]) return false;
    return true;
  }
}
