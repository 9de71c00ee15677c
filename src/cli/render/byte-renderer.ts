/**
 * Writes the lines of usual events byte by byte from where their parts stand, without a string in between: several
 * times as fast as the plain way, and the same to the last byte. The tests hold it against that.
 */
import { eventLineShape } from '../../index.js';
import { ESCAPED, EventSpans, NUMBER, OBJECT, RAW, WORD } from './event-spans.js';
import { type FieldName, FieldNames } from './field-names.js';
import { limitsOf } from './fields.js';
import type { GrowingBytes } from './growing-bytes.js';
import { HeadParts, MINUTE_LENGTH, SECONDS_LENGTH } from './head-parts.js';
import type { LineStyle } from './line-style.js';
import { type Part, partOf } from './part.js';
import { needsQuotes } from './text-bytes.js';
import { STATE_MEMBERS, type Tone, toneOfState } from './tone.js';
import { MAX_WORD_LENGTH, SUBJECT_WIDTH } from './words.js';

const LF = 0x0a;
const QUOTE = 0x22;
const POINT = 0x2e;
const LOWER_F = 0x66;
const ELLIPSIS = partOf('…');
const BLANKS = partOf(' '.repeat(SUBJECT_WIDTH));

/** `21:50:00.123` */
const CLOCK_LENGTH = 12;
/** What is written besides parts whose length is asked for, and room for a part's last four bytes. */
const HEAD_BYTES = 128;
/** More columns than a line can have. */
const UNLIMITED = 2 ** 30;

/** Writes lines one after another, all with one style. */
export class ByteRenderer {
  readonly #style: LineStyle;
  readonly #width: number;
  readonly #maxTextLength: number;
  readonly #head: HeadParts;
  readonly #spans: EventSpans;
  /** The codes around a field's name. */
  readonly #open: Part;
  readonly #close: Part;

  /** Of the line that is being written. */
  #bytes: Buffer = Buffer.alloc(0);
  #source: DataView = new DataView(new ArrayBuffer(0));
  #target: Buffer = Buffer.alloc(0);
  #targetView: DataView = new DataView(new ArrayBuffer(0));
  #used = 0;
  #columns = 0;
  /** How many fields are still to come. */
  #left = 0;

  constructor(style: LineStyle) {
    this.#style = style;
    this.#width = Math.min(style.width, UNLIMITED);
    this.#maxTextLength = Math.min(limitsOf(style.full).textLength, UNLIMITED);
    this.#head = new HeadParts(style);
    this.#open = partOf(style.colours.dim.open);
    this.#close = partOf(style.colours.dim.close);
    this.#spans = new EventSpans(new FieldNames(style.colours.dim), this.#maxTextLength);
  }

  /**
   * Adds the line for `bytes[start..end)`, which a LF follows.
   *
   * @returns Whether it could: `false` leaves `target` as it was, for the plain way.
   */
  write(target: GrowingBytes, bytes: Buffer, start: number, end: number): boolean {
    const shape = eventLineShape(bytes, start, end);
    const head = this.#head;
    if (shape === undefined || !head.knowsTime(bytes, shape.timestamp)) return false;
    const spans = this.#spans;
    if (!spans.read(bytes, shape.members, end)) return false;
    const { typeStart, typeEnd, subjectStart, subjectEnd } = spans;
    const place = head.endpoint(bytes, shape.endpoint, shape.endpointEnd);
    const type = head.type(bytes, typeStart, typeEnd);
    const subjectLength = subjectEnd - subjectStart;
    const padding = this.#style.hasColumns ? Math.max(0, SUBJECT_WIDTH - subjectLength) : 0;
    this.#used = CLOCK_LENGTH + place.columns + type.columns + subjectLength + padding;
    if (this.#used >= this.#width || subjectLength > MAX_WORD_LENGTH) return false;
    const painted = type.painted[toneOfState(type.meaning, this.#stateOf(bytes))];
    target.reserve(HEAD_BYTES + place.painted.length + painted.length + subjectLength + spans.size);
    this.#bytes = bytes;
    if (this.#source.buffer !== bytes.buffer) this.#source = new DataView(bytes.buffer);
    this.#target = target.bytes;
    this.#targetView = target.view;
    let at = this.#copyTime(target.length, shape.timestamp);
    at = this.#copy(at, place.painted);
    at = this.#copy(at, painted);
    at = this.#copySpan(at, subjectStart, subjectEnd);
    if (padding > 0) at = this.#copy(at, BLANKS) - SUBJECT_WIDTH + padding;
    at = this.#fields(at);
    if (at < 0) return false;
    target.bytes[at] = LF;
    target.length = at + 1;
    return true;
  }

  #copyTime(start: number, timestamp: number): number {
    const seconds = timestamp + MINUTE_LENGTH;
    return this.#copySpan(this.#copy(start, this.#head.clockMinute), seconds, seconds + SECONDS_LENGTH);
  }

  /** What the payload's own members say. */
  #stateOf(bytes: Buffer): Tone {
    const { states, kinds, starts, ends } = this.#spans;
    for (let i = 0; i < STATE_MEMBERS.length; i++) {
      const field = states[i] as number;
      if (field < 0 || kinds[field] !== WORD) continue;
      const start = starts[field] as number;
      const end = ends[field] as number;
      const tone = this.#head.toneOf(bytes, start, end);
      if (tone !== undefined) return tone;
    }
    const success = states[STATE_MEMBERS.length] as number;
    return success >= 0 && kinds[success] === RAW && bytes[starts[success] as number] === LOWER_F
      ? 'bad'
      : 'neutral';
  }

  /**
   * All fields, or those that find room: from here on, each method returns the offset after what it wrote, or -1 when
   * the line has to be written the plain way.
   */
  #fields(start: number): number {
    const { members, memberCount, others, otherCount, shown } = this.#spans;
    this.#left = shown;
    let repeated = -1;
    let at = start;
    for (let i = 0; i < memberCount && at >= 0; i++) {
      const field = members[i] as number;
      // A member that only repeats the end of the subject comes last.
      if (repeated < 0 && this.#repeatsSubject(field)) repeated = field;
      else at = this.#field(at, field);
    }
    if (repeated >= 0 && at >= 0) at = this.#field(at, repeated);
    for (let i = 0; i < otherCount && at >= 0; i++) at = this.#field(at, others[i] as number);
    return at;
  }

  #repeatsSubject(field: number): boolean {
    const { kinds, starts, ends, subjectStart, subjectEnd } = this.#spans;
    const kind = kinds[field] as number;
    if (kind < WORD || kind >= ESCAPED) return false;
    const bytes = this.#bytes;
    const start = starts[field] as number;
    let last = subjectEnd;
    while (last > subjectStart && bytes[last - 1] !== POINT) last--;
    const length = subjectEnd - last;
    if (length === 0 || (ends[field] as number) - start !== length) return false;
    for (let i = 0; i < length; i++) if (bytes[start + i] !== bytes[last + i]) return false;
    return true;
  }

  #field(start: number, field: number): number {
    const { kinds, ends } = this.#spans;
    if (this.#used >= this.#width) return start;
    if (kinds[field] !== OBJECT) return this.#leaf(start, field);
    const end = ends[field] as number;
    let at = start;
    for (let inner = field + 1; inner < end && at >= 0; inner++) {
      if (kinds[inner] !== OBJECT && this.#used < this.#width) at = this.#leaf(at, inner);
    }
    return at;
  }

  #leaf(start: number, field: number): number {
    const name = this.#spans.names[field] as FieldName;
    const nameEnd = this.#copy(start, name.painted);
    const valueEnd = this.#value(nameEnd, field);
    this.#left--;
    const used = this.#used + 1 + name.width + this.#columns;
    if (used > this.#width || (used === this.#width && this.#left > 0))
      return this.#cut(start, nameEnd, name);
    this.#used = used;
    return valueEnd;
  }

  /** Writes a value; `#columns` says afterwards how many it takes. */
  #value(start: number, field: number): number {
    const { kinds, starts, ends, numbers } = this.#spans;
    const kind = kinds[field] as number;
    if (kind === NUMBER) {
      const text = String(numbers[field]);
      this.#columns = text.length;
      return start + this.#target.write(text, start, 'latin1');
    }
    const from = starts[field] as number;
    const to = ends[field] as number;
    if (kind !== RAW && to - from > this.#maxTextLength) return this.#longText(start, from, kind);
    this.#columns = to - from;
    if (kind <= WORD) return this.#copySpan(start, from, to);
    this.#columns += 2;
    this.#target[start] = QUOTE;
    const end = this.#copySpan(start + 1, from, to);
    this.#target[end] = QUOTE;
    return end + 1;
  }

  #longText(start: number, from: number, kind: number): number {
    const to = from + this.#maxTextLength;
    const isQuoted = kind !== WORD && needsQuotes(this.#bytes, from, to);
    let at = start;
    if (isQuoted) this.#target[at++] = QUOTE;
    at = this.#copy(this.#copySpan(at, from, to), ELLIPSIS);
    if (isQuoted) this.#target[at++] = QUOTE;
    this.#columns = to - from + (isQuoted ? 3 : 1);
    return at;
  }

  /** Cuts the field that has been written, for it or what follows it does not fit. */
  #cut(start: number, nameEnd: number, name: FieldName): number {
    const room = this.#width - this.#used - 1;
    this.#used = this.#width;
    // The blank is a part of its own: it stays only if something fits after it.
    if (room === 0) return this.#copy(start, ELLIPSIS);
    if (room <= name.width) {
      const kept = start + 1 + this.#open.length + room - 1;
      return this.#copy(this.#copy(kept, ELLIPSIS), this.#close);
    }
    const kept = room - name.width - 1;
    // A long text has an ellipsis of its own, from where on bytes are not columns.
    return kept > this.#maxTextLength ? -1 : this.#copy(nameEnd + kept, ELLIPSIS);
  }

  /** Writes up to three bytes more than the part has; what comes next is written over them. */
  #copy(at: number, { fours, length }: Part): number {
    const view = this.#targetView;
    for (let i = 0; i < fours.length; i++) view.setInt32(at + 4 * i, fours[i] as number, true);
    return at + length;
  }

  #copySpan(at: number, start: number, end: number): number {
    const bytes = this.#bytes;
    const source = this.#source;
    const origin = bytes.byteOffset;
    const target = this.#target;
    const view = this.#targetView;
    const shift = at - start;
    let from = start;
    for (; from + 4 <= end; from += 4)
      view.setInt32(from + shift, source.getInt32(origin + from, true), true);
    for (; from < end; from++) target[from + shift] = bytes[from] as number;
    return end + shift;
  }
}
