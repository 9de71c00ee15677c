/** Longer texts are decoded each time: what repeats in a stream, types and subjects, is short. */
const MAX_LENGTH = 96;
/** A power of two. */
const SLOTS = 2048;
const HASHED_LENGTH = 10;
/** In how many slots, one after another, a text may stand; else two that share a slot would oust each other. */
const TRIES = 4;

/**
 * The texts of JSON strings that come again and again. A text that was asked for lately is given out without
 * decoding its bytes and without a new string. Holds at most 2048 texts of at most 96 bytes.
 */
export class SpanTexts {
  readonly #spans: (Uint8Array | undefined)[] = [];
  readonly #texts: string[] = [];

  /** The text of a JSON string that has been checked; `bytes[start..end)` is what stands between its quotes. */
  textOf(bytes: Buffer, start: number, end: number): string {
    if (end - start > MAX_LENGTH) return decodeString(bytes, start, end);
    if (this.#spans.length === 0) this.#allocate();
    const first = hash(bytes, start, end);
    for (let i = 0; i < TRIES; i++) {
      const slot = (first + i) & (SLOTS - 1);
      const known = this.#spans[slot];
      if (known === undefined) return this.#remember(slot, bytes, start, end);
      if (equals(known, bytes, start, end)) return this.#texts[slot] as string;
    }
    return this.#remember(first & (SLOTS - 1), bytes, start, end);
  }

  #remember(slot: number, bytes: Buffer, start: number, end: number): string {
    const text = decodeString(bytes, start, end);
    this.#spans[slot] = Uint8Array.prototype.slice.call(bytes, start, end);
    this.#texts[slot] = text;
    return text;
  }

  #allocate(): void {
    for (let i = 0; i < SLOTS; i++) {
      this.#spans.push(undefined);
      this.#texts.push('');
    }
  }
}

/** Of the end alone: types and subjects differ there, and each byte of a hash waits for the one before. */
function hash(bytes: Uint8Array, start: number, end: number): number {
  let sum = end - start;
  for (let i = Math.max(start, end - HASHED_LENGTH); i < end; i++)
    sum = (Math.imul(sum, 31) + (bytes[i] as number)) | 0;
  return Math.imul(sum, 0x9e3779b1) >>> 16;
}

function equals(known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (known.length !== end - start) return false;
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return false;
  return true;
}

function decodeString(bytes: Buffer, start: number, end: number): string {
  const raw = bytes.toString('utf8', start, end);
  return raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw;
}
