import { ByteCache } from './byte-cache.js';
import { type JsonVerdict, scanJson } from './json-scanner.js';
import { BACKSLASH, COMMA, endOfScalar, JsonFindings, QUOTE, textOf } from './json-tokens.js';
import { DATA_MEMBERS } from './member-names.js';
import { parseSparsely } from './members.js';

/** Longer and deeper values are not built as a whole. */
const MAX_PARSED_LENGTH = 32 * 1024 * 1024;
const MAX_PARSED_DEPTH = 10_000;
const EVENT_MEMBERS: ReadonlySet<string> = new Set(['type', 'subject', 'data']);

const OPENING_BRACKET = 0x5b;
const OPENING_BRACE = 0x7b;

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
   * The members of `data` that `severityOf` reads, of readers with `dataSpans` without a parse of the event; `undefined`
   * when there are none.
   */
  get severityMembers(): unknown {
    if (this.dataSpans === undefined) return this.value.data;
    if ((this.dataFound & ~(1 << DATA_MEMBERS.device_id)) === 0) return undefined;
    return {
      severity: this.#dataMember(DATA_MEMBERS.severity),
      level: this.#dataMember(DATA_MEMBERS.level),
      status: this.#dataMember(DATA_MEMBERS.status),
      state: this.#dataMember(DATA_MEMBERS.state),
      success: this.#dataMember(DATA_MEMBERS.success),
      previous_status: this.#dataMember(DATA_MEMBERS.previous_status),
      previous_state: this.#dataMember(DATA_MEMBERS.previous_state),
    };
  }

  /** The member of `data` that `deviceOf` reads, in the same way. */
  get deviceMember(): unknown {
    if (this.dataSpans === undefined) return this.value.data;
    return { device_id: this.#dataMember(DATA_MEMBERS.device_id) };
  }

  /** Objects and arrays are no values of these members. */
  #dataMember(number: number): string | number | boolean | null | undefined {
    if ((this.dataFound & (1 << number)) === 0) return undefined;
    const start = this.dataSpans![2 * number]!;
    const first = this.#bytes[start];
    if (first === OPENING_BRACE || first === OPENING_BRACKET) return undefined;
    if (first === QUOTE) return internedText(this.#bytes, start + 1, this.dataSpans![2 * number + 1]!);
    const end = endOfScalar(this.#bytes, start, this.#end, this);
    return JSON.parse(this.#bytes.toString('latin1', start, end));
  }

  /**
   * Returns what the cache has for the subject, or for the text of a member of `data`: `undefined` when it has nothing,
   * `null` when there is no such text.
   *
   * @param number Of the member; 0 for the subject.
   */
  recall<Value>(number: number, cache: ByteCache<Value>): Value | undefined | null {
    let { subjectStart: start, subjectEnd: end } = this;
    if (number > 0) {
      if ((this.dataFound & (1 << number)) === 0) return null;
      start = this.dataSpans![2 * number]! + 1;
      end = this.dataSpans![2 * number + 1]!;
      if (this.#bytes[start - 1] !== QUOTE) return null;
    }
    return start < 0 || start === end ? null : cache.get(this.#bytes, start, end);
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

/** Texts of types and subjects, for all readers. */
const texts = new ByteCache<string>(4096);

/** Decodes a JSON string that has been checked; `bytes[start..end)` stands between its quotes. */
function internedText(bytes: Buffer, start: number, end: number): string {
  const known = texts.get(bytes, start, end);
  if (known !== undefined) return known;
  const text = textOf(bytes, start, end);
  texts.add(text);
  return text;
}
