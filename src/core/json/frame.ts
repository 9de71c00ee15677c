import { type JsonVerdict, scanJson } from './json-scanner.js';
import { endOfScalar, endOfString, JsonFindings, textOf } from './json-tokens.js';
import { parseSparsely } from './members.js';

/** Longer and deeper values are not built as a whole. */
const MAX_PARSED_LENGTH = 32 * 1024 * 1024;
const MAX_PARSED_DEPTH = 10_000;
const EVENT_MEMBERS: ReadonlySet<string> = new Set(['type', 'subject', 'data']);

const QUOTE = 0x22;
const OPENING_BRACKET = 0x5b;
const OPENING_BRACE = 0x7b;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;

/**
 * Reads frames, one after another: is the frame a JSON object, and what are its top-level `type` and `subject`?
 * It allocates nothing for a frame. Its properties describe the last frame that was an `object`, until the next
 * {@link read} and as long as the bytes stay unchanged.
 */
export class FrameReader extends JsonFindings {
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  /** The part of the frame's text that does not stand in `#bytes`: the brace of a frame that is read in its line. */
  #prefix: '' | '{' = '';
  #value: Record<string, unknown> | undefined;

  /**
   * Reads the frame in `bytes[start..end)`.
   *
   * @returns The verdict of `JSON.parse` on the decoded text; the two agree in every case.
   */
  read(bytes: Buffer, start = 0, end = bytes.length): JsonVerdict {
    this.#keep(bytes, start, end, '');
    return scanJson(bytes, start, end, false, this);
  }

  /**
   * Reads the frame of an event line where it stands, without a copy.
   *
   * @param end The byte after the line's last one, without the LF.
   * @param members The byte after the members that we put there, as in `EventLineShape`: a comma or the closing brace.
   * @returns `object`, or `not JSON` when the line is not JSON.
   */
  readLine(bytes: Buffer, end: number, members: number): JsonVerdict {
    this.#keep(bytes, bytes[members] === COMMA ? members + 1 : members, end, '{');
    return scanJson(bytes, members, end, true, this);
  }

  #keep(bytes: Buffer, start: number, end: number, prefix: '' | '{'): void {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#prefix = prefix;
    this.#value = undefined;
  }

  /** The top-level `type`, if it is a string. Of several members of that name the last counts, as in `JSON.parse`. */
  get type(): string | undefined {
    const { typeStart, typeEnd } = this;
    return typeStart < 0 ? undefined : internedText(this.#bytes, typeStart, typeEnd);
  }

  /** Compares the type with a text that is ASCII and not empty. Costs less than `type` when they differ. */
  typeIs(text: string): boolean {
    const { typeStart } = this;
    if (typeStart < 0) return false;
    const first = this.#bytes[typeStart];
    return (first === text.charCodeAt(0) || first === BACKSLASH) && this.type === text;
  }

  /** The top-level `subject`, if it is a string. */
  get subject(): string | undefined {
    const { subjectStart, subjectEnd } = this;
    return subjectStart < 0 ? undefined : internedText(this.#bytes, subjectStart, subjectEnd);
  }

  /**
   * Returns the value of a member of `data`, by its number in `DATA_MEMBERS`, without a parse of the event; `undefined`
   * for objects and arrays, and where there is none. Only for readers with `dataStarts`.
   */
  dataMember(number: number): string | number | boolean | null | undefined {
    if ((this.dataFound & (1 << number)) === 0) return undefined;
    const start = this.dataStarts![number] as number;
    const first = this.#bytes[start];
    if (first === OPENING_BRACE || first === OPENING_BRACKET) return undefined;
    if (first !== QUOTE) {
      return JSON.parse(
        this.#bytes.toString('latin1', start, endOfScalar(this.#bytes, start, this.#end, this)),
      );
    }
    return internedText(this.#bytes, start + 1, endOfString(this.#bytes, start + 1, this.#end, this) - 1);
  }

  /**
   * The object, parsed when it is first asked for. Of one that would take gigabytes, large parts are left out
   * ({@link parseSparsely}).
   */
  get value(): Record<string, unknown> {
    if (this.#value === undefined) {
      const text = this.#prefix + this.#bytes.toString('utf8', this.#start, this.#end);
      const isBoundless = text.length > MAX_PARSED_LENGTH || this.depth > MAX_PARSED_DEPTH;
      this.#value = isBoundless
        ? parseSparsely(text, EVENT_MEMBERS).value
        : (JSON.parse(text) as Record<string, unknown>);
    }
    return this.#value;
  }
}

/** The table of texts: 2^(32-20) slots, the longest text, and in how many slots in turn a text may stand. */
const SLOTS = 4096;
const SLOT_SHIFT = 20;
const SLOT_BYTES = 64;
const TRIES = 4;
/** So many bytes at the end of a text, and its length, select its first slot. */
const HASHED_BYTES = 8;
/** 2^32 divided by the golden ratio: spreads numbers that differ little over all slots. */
const SCATTER = 0x9e3779b1;

/** Texts of types and subjects, for all readers: the same ones come again and again, and to decode one takes long. */
const slotTexts: (string | undefined)[] = new Array(SLOTS + TRIES).fill(undefined);
/** The bytes that each text was decoded from, and how many. */
const slotBytes = new Uint8Array((SLOTS + TRIES) * SLOT_BYTES);
const slotLengths = new Uint8Array(SLOTS + TRIES);

/** Decodes a JSON string that has been checked; `bytes[start..end)` stands between its quotes. */
function internedText(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length > SLOT_BYTES) return textOf(bytes, start, end);
  let hash = length;
  for (let at = Math.max(start, end - HASHED_BYTES); at < end; at++) {
    hash = Math.imul(hash, 31) + (bytes[at] as number);
  }
  const first = Math.imul(hash, SCATTER) >>> SLOT_SHIFT;
  for (let slot = first; slot < first + TRIES; slot++) {
    const text = slotTexts[slot];
    if (text === undefined) return intern(bytes, start, end, slot);
    if (slotLengths[slot] === length && isInSlot(bytes, start, length, slot)) return text;
  }
  return intern(bytes, start, end, first);
}

function isInSlot(bytes: Buffer, start: number, length: number, slot: number): boolean {
  const offset = slot * SLOT_BYTES;
  // From the end, because the ends of subjects differ.
  for (let i = length - 1; i >= 0; i--) if (slotBytes[offset + i] !== bytes[start + i]) return false;
  return true;
}

function intern(bytes: Buffer, start: number, end: number, slot: number): string {
  const text = textOf(bytes, start, end);
  slotTexts[slot] = text;
  slotLengths[slot] = end - start;
  slotBytes.set(bytes.subarray(start, end), slot * SLOT_BYTES);
  return text;
}
