/** Powers of two. */
const FIRST_SLOTS = 256;
const MAX_KEPT = 4096;
/** Longer ones are not kept. */
const MAX_LENGTH = 128;

interface Known<Value> {
  readonly hash: number;
  readonly owner: number;
  readonly span: Uint8Array;
  readonly value: Value;
}

/** Things by the bytes of their text, found without making a string of these. */
export class KnownSpans<Value> {
  /** A thing stands in the slot that its hash says, or in the next one that was free; half of them stay free. */
  #slots: (Known<Value> | undefined)[] = new Array(FIRST_SLOTS).fill(undefined);
  #count = 0;

  /** Whether it is time to {@link clear}: a server may send ever new texts. */
  get isFull(): boolean {
    return this.#count >= MAX_KEPT;
  }

  /** @param owner Tells apart things that have the same text. */
  get(bytes: Uint8Array, start: number, end: number, owner = 0): Value | undefined {
    const hash = hashOf(bytes, start, end, owner);
    const slots = this.#slots;
    const last = slots.length - 1;
    for (let slot = hash & last; ; slot = (slot + 1) & last) {
      const known = slots[slot];
      if (known === undefined) return undefined;
      if (known.hash === hash && known.owner === owner && stands(known.span, bytes, start, end)) {
        return known.value;
      }
    }
  }

  /** Keeps a thing that {@link get} did not find. */
  set(bytes: Uint8Array, start: number, end: number, value: Value, owner = 0): Value {
    if (end - start > MAX_LENGTH) return value;
    if (2 * ++this.#count > this.#slots.length) this.#grow();
    const span = Uint8Array.from(bytes.subarray(start, end));
    place(this.#slots, { hash: hashOf(bytes, start, end, owner), owner, span, value });
    return value;
  }

  clear(): void {
    this.#slots = new Array(FIRST_SLOTS).fill(undefined);
    this.#count = 0;
  }

  #grow(): void {
    const larger: (Known<Value> | undefined)[] = new Array(2 * this.#slots.length).fill(undefined);
    for (const known of this.#slots) if (known !== undefined) place(larger, known);
    this.#slots = larger;
  }
}

function place<Value>(slots: (Known<Value> | undefined)[], known: Known<Value>): void {
  const last = slots.length - 1;
  let slot = known.hash & last;
  while (slots[slot] !== undefined) slot = (slot + 1) & last;
  slots[slot] = known;
}

function hashOf(bytes: Uint8Array, start: number, end: number, owner: number): number {
  let sum = owner;
  for (let i = start; i < end; i++) sum = (Math.imul(sum, 31) + (bytes[i] as number)) | 0;
  return sum ^ (sum >>> 15);
}

/** Whether `bytes[start..end)` are these. */
export function stands(span: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (span.length !== end - start) return false;
  for (let i = 0; i < span.length; i++) if (span[i] !== bytes[start + i]) return false;
  return true;
}
