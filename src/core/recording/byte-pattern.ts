const WORD_BYTES = 4;

/** Bytes that are looked for at a place, four in one step: each line of a recording begins with forty that are known. */
export class BytePattern {
  readonly length: number;
  readonly #words: Int32Array;
  /** What is left behind the last whole word. */
  readonly #rest: Uint8Array;

  /** @param bytes They are copied. */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const words = Math.floor(bytes.length / WORD_BYTES);
    this.length = bytes.length;
    this.#words = Int32Array.from({ length: words }, (_, i) => view.getInt32(i * WORD_BYTES, true));
    this.#rest = Uint8Array.from(bytes.subarray(words * WORD_BYTES));
  }

  /** Whether they stand there, all of them. There have to be as many bytes from `offset` on. */
  standsAt(view: DataView, offset: number): boolean {
    const words = this.#words;
    let at = offset;
    for (let i = 0; i < words.length; i++, at += WORD_BYTES) {
      if (view.getInt32(at, true) !== words[i]) return false;
    }
    const rest = this.#rest;
    for (let i = 0; i < rest.length; i++) if (view.getUint8(at + i) !== rest[i]) return false;
    return true;
  }
}
