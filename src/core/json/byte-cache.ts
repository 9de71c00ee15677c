/** The longest key, and in how many slots in turn a key may stand. */
const SLOT_BYTES = 64;
const TRIES = 4;
/** This many bytes at the end of a key, and its length, select its first slot. */
const HASHED_BYTES = 8;
/** 2^32 divided by the golden ratio: spreads numbers that differ little over all slots. */
const SCATTER = 0x9e3779b1;

/**
 * Remembers values by the bytes of a text, in bounded memory: texts of events come again and again, and to decode one
 * takes longer than to find it here.
 */
export class ByteCache<Value> {
  readonly #shift: number;
  readonly #values: (Value | undefined)[];
  /** The keys, and how long they are. */
  readonly #bytes: Uint8Array;
  readonly #lengths: Uint8Array;
  /** The key that {@link get} did not find, and a slot for it; -1 when it is too long. */
  #missing = { slot: -1, bytes: new Uint8Array() as Uint8Array, start: 0, end: 0 };

  /** @param slots A power of two. */
  constructor(slots: number) {
    this.#shift = 32 - Math.log2(slots);
    this.#values = new Array(slots + TRIES).fill(undefined);
    this.#bytes = new Uint8Array((slots + TRIES) * SLOT_BYTES);
    this.#lengths = new Uint8Array(slots + TRIES);
  }

  get(bytes: Uint8Array, start: number, end: number): Value | undefined {
    const length = end - start;
    if (length > SLOT_BYTES) return this.#miss(-1, bytes, start, end);
    let hash = length;
    for (let at = Math.max(start, end - HASHED_BYTES); at < end; at++) {
      hash = Math.imul(hash, 31) + (bytes[at] as number);
    }
    const first = Math.imul(hash, SCATTER) >>> this.#shift;
    for (let slot = first; slot < first + TRIES; slot++) {
      const value = this.#values[slot];
      if (value === undefined) return this.#miss(slot, bytes, start, end);
      if (this.#lengths[slot] === length && this.#isAt(slot, bytes, start, length)) return value;
    }
    return this.#miss(first, bytes, start, end);
  }

  #miss(slot: number, bytes: Uint8Array, start: number, end: number): undefined {
    this.#missing = { slot, bytes, start, end };
  }

  #isAt(slot: number, bytes: Uint8Array, start: number, length: number): boolean {
    const offset = slot * SLOT_BYTES;
    // From the end, because the ends of subjects differ.
    for (let i = length - 1; i >= 0; i--) if (this.#bytes[offset + i] !== bytes[start + i]) return false;
    return true;
  }

  /** Remembers a value for the key that {@link get} did not find. Its bytes must be as they were. */
  add(value: Value): void {
    const { slot, bytes, start, end } = this.#missing;
    if (slot < 0) return;
    this.#values[slot] = value;
    this.#lengths[slot] = end - start;
    this.#bytes.set(bytes.subarray(start, end), slot * SLOT_BYTES);
  }

  clear(): void {
    this.#values.fill(undefined);
  }
}
