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

/** The 128 bits of an id, and its number. */
const ID = /^([\da-f]{32})(?:-(\d{1,16}))?$/;

/** Returns an id as a number, which takes half of the memory of its text; `undefined` for an id that is not ours. */
export function idKey(id: string): bigint | undefined {
  const [, bits, ordinal = 0] = ID.exec(id) ?? [];
  return bits === undefined ? undefined : BigInt(`0x${bits}`) + BigInt(ordinal);
}
