import type { LineView } from '../recording/line-view.js';

/**
 * The rule by which two lines are the same message. `line`: they are the same line of the same recording. `event`: the server sent
 * the same text at the same endpoint, whichever recorder wrote it.
 */
export type IdKind = 'line' | 'event';

/** Identical lines of ours have the same time of receipt, so few lines stand between them. */
const REMEMBERED_LINES = 16_384;

/**
 * Computes the ids of messages. Of identical lines the first has the hash as its id, the others a number behind it:
 * what is sent again has the same ids, while repeats in a recording stay.
 */
export class MessageIds {
  /** Numbers of the identical lines so far: of the last lines, and of those before. */
  #recent = new Map<string, number>();
  #earlier = new Map<string, number>();

  /** @param hash Returns 128 bits in hexadecimal. */
  constructor(
    private readonly kind: IdKind,
    private readonly hash: (bytes: Buffer) => string,
  ) {}

  /** @param number Number of the line in its file: it tells identical lines apart that have no time of receipt. */
  next(line: LineView, number: number): string {
    if (this.kind === 'event' && line.kind !== 'connection') {
      return this.hash(Buffer.concat([Buffer.from(`${line.endpoint ?? ''}\0`), line.payload()!]));
    }
    const hash = this.hash(line.bytes.subarray(line.start, line.end));
    if (Number.isNaN(line.receivedAt)) return `${hash}-${number}`;
    const ordinal = (this.#recent.get(hash) ?? this.#earlier.get(hash) ?? -1) + 1;
    this.#recent.set(hash, ordinal);
    if (this.#recent.size >= REMEMBERED_LINES) {
      this.#earlier = this.#recent;
      this.#recent = new Map();
    }
    return ordinal === 0 ? hash : `${hash}-${ordinal}`;
  }
}

/** An id: 128 bits in hexadecimal, and a number. */
const ID = /^([\da-f]{8})([\da-f]{8})[\da-f]{16}(?:-(\d+))?$/;
const WORDS = 2;

/** A set of ids that takes at most 32 bytes for each: it keeps 64 bits of them. */
export class IdSet {
  size = 0;
  #slots = 1024;
  #words = new Uint32Array(this.#slots * WORDS);

  /** Adds an id of ours; others are left out. */
  add(id: string): void {
    const words = wordsOf(id);
    if (words === undefined) return;
    if (this.size * 2 >= this.#slots) this.#grow();
    this.#put(...words);
  }

  has(id: string): boolean {
    const words = wordsOf(id);
    return words !== undefined && this.#words[this.#find(...words)] !== 0;
  }

  #put(high: number, low: number): void {
    const at = this.#find(high, low);
    if (this.#words[at] === 0) this.size++;
    this.#words[at] = high;
    this.#words[at + 1] = low;
  }

  /** Finds the slot of the id, or the free one where it would stand. */
  #find(high: number, low: number): number {
    const words = this.#words;
    for (let slot = low; ; slot++) {
      const at = (slot & (this.#slots - 1)) * WORDS;
      if (words[at] === 0 || (words[at] === high && words[at + 1] === low)) return at;
    }
  }

  #grow(): void {
    const old = this.#words;
    this.#slots *= 2;
    this.#words = new Uint32Array(this.#slots * WORDS);
    this.size = 0;
    for (let at = 0; at < old.length; at += WORDS) if (old[at] !== 0) this.#put(old[at]!, old[at + 1]!);
  }
}

/** The first one is never 0, which marks a free slot. */
function wordsOf(id: string): [high: number, low: number] | undefined {
  const [, high, low, ordinal = '0'] = ID.exec(id) ?? [];
  if (high === undefined || low === undefined) return undefined;
  const spread = Math.imul(Number(ordinal) | 0, 0x9e3779b1);
  return [Number.parseInt(high, 16) || 1, (Number.parseInt(low, 16) ^ spread) >>> 0];
}
