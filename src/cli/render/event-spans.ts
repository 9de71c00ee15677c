/**
 * Finds what a line shows of an event without parsing it: where its type, its subject and each member of its payload
 * stand in the bytes. It takes only what most events are made of, and checks that it is that; everything else
 * (escapes but `\"`, text beyond ASCII, arrays, names that come twice, …) is left to `JSON.parse`.
 */
import type { FieldName, FieldNames } from './field-names.js';
import { endOfNumber, isDigit } from './number-bytes.js';
import { CLASSES, END, ESCAPE, endOfText, IN_WORD } from './text-bytes.js';

/** How a value is written. */
export const RAW = 0;
/** A number that JavaScript spells in another way. */
export const NUMBER = 1;
/** Text that needs no quotes, text that does, and text that has quotes in it. */
export const WORD = 2;
export const QUOTED = 3;
export const ESCAPED = 4;
/** Its members follow; itself it is not written. */
export const OBJECT = 5;

/** Lines that have more members, deeper levels or longer names are left to others. */
const MAX_FIELDS = 256;
const MAX_DEPTH = 3;
const MAX_NAME_LENGTH = 64;

const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const COLON = 0x3a;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

const TRUE = Uint8Array.from(Buffer.from('true'));
const FALSE = Uint8Array.from(Buffer.from('false'));
const NULL = Uint8Array.from(Buffer.from('null'));

/** Reads one event after another. What the members say holds after a {@link read} that said yes. */
export class EventSpans {
  typeStart = 0;
  typeEnd = 0;
  subjectStart = 0;
  subjectEnd = 0;
  /** Fields: name, kind, and the value's place. */
  readonly names: FieldName[] = [];
  readonly kinds = new Uint8Array(MAX_FIELDS);
  readonly starts = new Int32Array(MAX_FIELDS);
  /** For an object the number of the field after its last. */
  readonly ends = new Int32Array(MAX_FIELDS);
  readonly numbers = new Float64Array(MAX_FIELDS);
  /** Which fields are the payload's own members, in the order in which they are shown. */
  readonly members = new Int32Array(MAX_FIELDS);
  memberCount = 0;
  /** Which are the members beside the payload. */
  readonly others = new Int32Array(MAX_FIELDS);
  otherCount = 0;
  /** How many fields are written. */
  shown = 0;
  /** How many bytes they take at most. */
  size = 0;
  /** Which fields tell how things are, by `FieldName.state`; -1: there is none. */
  readonly states = new Int32Array(5);

  readonly #names: FieldNames;
  readonly #maxTextLength: number;
  #bytes: Buffer = Buffer.alloc(0);
  #count = 0;
  #line = 0;

  /** @param maxTextLength Longer texts will be cut. */
  constructor(names: FieldNames, maxTextLength: number) {
    this.#names = names;
    this.#maxTextLength = maxTextLength;
  }

  /**
   * Reads the rest of an event line, from the comma after the members that we put there. The byte at `end` is a LF.
   *
   * @returns Whether the event is one of those that this can read. Then it is valid JSON.
   */
  read(bytes: Buffer, start: number, end: number): boolean {
    const names = this.#names;
    names.makeRoom();
    this.#begin(bytes);
    let name: FieldName | undefined;
    let at = start;
    // The LF after the line is nothing that may come anywhere, so that no loop leaves the line.
    while (bytes[at] === COMMA) {
      const key = this.#skip(at + 1);
      name = this.#name(key, names.event, name);
      if (name === undefined) return false;
      at = this.#afterColon(key + name.key.length + 2);
      if (at < 0) return false;
      at = this.#eventMember(name, at);
      if (at < 0) return false;
      at = this.#skip(at);
    }
    return bytes[at] === CLOSING_BRACE && at + 1 === end && this.typeStart > 0 && this.subjectStart > 0;
  }

  #begin(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#line = (this.#line + 1) & 0x3fffffff;
    this.#count = 0;
    this.memberCount = 0;
    this.otherCount = 0;
    this.shown = 0;
    this.size = 0;
    this.typeStart = 0;
    this.subjectStart = 0;
    const { states } = this;
    for (let i = 0; i < states.length; i++) states[i] = -1;
  }

  /** Each method from here on returns the offset after what it has read; -1: leave the line to others. */
  #eventMember(name: FieldName, at: number): number {
    if (name.role === 'data') {
      if (this.#bytes[at] !== OPENING_BRACE) return -1;
      return this.#membersOf(this.#names.data, at + 1, 0);
    }
    if (name.role === 'field') {
      this.others[this.otherCount++] = this.#count;
      return this.#value(name, at, 0);
    }
    if (name.role === 'ours' || this.#bytes[at] !== QUOTE) return -1;
    const end = endOfText(this.#bytes, at + 1);
    if (end < 0) return -1;
    if (name.role === 'type') {
      this.typeStart = at + 1;
      this.typeEnd = end;
    } else {
      this.subjectStart = at + 1;
      this.subjectEnd = end;
    }
    return end + 1;
  }

  /** The members of an object, from after its brace. */
  #membersOf(owner: FieldName, start: number, depth: number): number {
    const bytes = this.#bytes;
    let at = this.#skip(start);
    if (bytes[at] === CLOSING_BRACE) return at + 1;
    let name: FieldName | undefined;
    for (;;) {
      name = this.#name(at, owner, name);
      if (name === undefined) return -1;
      at = this.#afterColon(at + name.key.length + 2);
      if (at < 0) return -1;
      if (depth === 0) this.#order(name, this.#count);
      at = this.#value(name, at, depth);
      if (at < 0) return -1;
      at = this.#skip(at);
      if (bytes[at] === CLOSING_BRACE) return at + 1;
      if (bytes[at] !== COMMA) return -1;
      at = this.#skip(at + 1);
    }
  }

  /** Puts a member of the payload where it is shown: few have a rank of their own, the others stay as they came. */
  #order(name: FieldName, field: number): void {
    const { members, names } = this;
    const { rank } = name;
    let at = this.memberCount++;
    while (at > 0 && (names[members[at - 1] as number] as FieldName).rank > rank) {
      members[at] = members[at - 1] as number;
      at--;
    }
    members[at] = field;
    if (name.state >= 0) this.states[name.state] = field;
  }

  #value(name: FieldName, start: number, depth: number): number {
    const field = this.#count++;
    if (field >= MAX_FIELDS - 1) return -1;
    this.names[field] = name;
    const byte = this.#bytes[start] as number;
    if (byte === QUOTE) return this.#text(field, name, start + 1);
    if (byte === OPENING_BRACE) return this.#object(field, name, start, depth);
    if (byte === MINUS || isDigit(byte)) return this.#number(field, name, start);
    const end = this.#word(start, byte);
    return end < 0 ? -1 : this.#note(field, name, RAW, start, end);
  }

  #note(field: number, name: FieldName, kind: number, start: number, end: number): number {
    this.kinds[field] = kind;
    this.starts[field] = start;
    this.ends[field] = end;
    this.shown++;
    this.size += name.painted.length + (end - start) + 32;
    return end;
  }

  #object(field: number, name: FieldName, start: number, depth: number): number {
    if (depth >= MAX_DEPTH) return -1;
    const end = this.#membersOf(name, start + 1, depth + 1);
    if (end < 0) return -1;
    if (this.#count === field + 1) {
      return end === start + 2 ? this.#note(field, name, RAW, start, end) : -1;
    }
    this.kinds[field] = OBJECT;
    this.ends[field] = this.#count;
    return end;
  }

  /** A string's text, from after its quote. */
  #text(field: number, name: FieldName, start: number): number {
    const bytes = this.#bytes;
    let all = 0;
    let at = start;
    for (;;) {
      const meaning = CLASSES[bytes[at] as number] as number;
      if (meaning >= END) {
        if (meaning === END) break;
        if (meaning !== ESCAPE || bytes[at + 1] !== QUOTE) return -1;
        at++;
      }
      all |= meaning;
      at++;
    }
    let kind = all === IN_WORD && at > start ? WORD : QUOTED;
    if (all >= ESCAPE) {
      if (at - start > this.#maxTextLength) return -1;
      kind = ESCAPED;
    }
    return this.#note(field, name, kind, start, at) + 1;
  }

  #number(field: number, name: FieldName, start: number): number {
    const bytes = this.#bytes;
    const read = endOfNumber(bytes, start);
    if (read > 0) return this.#note(field, name, RAW, start, read);
    if (read === 0) return -1;
    const end = ~read;
    const value = Number(bytes.toString('latin1', start, end));
    // Larger ones are shown as they stand in the text.
    if (Math.abs(value) >= 2 ** 53) return -1;
    this.numbers[field] = value;
    return this.#note(field, name, NUMBER, start, end);
  }

  #word(start: number, first: number): number {
    const word = first === TRUE[0] ? TRUE : first === FALSE[0] ? FALSE : NULL;
    for (let i = 0; i < word.length; i++) if (this.#bytes[start + i] !== word[i]) return -1;
    return start + word.length;
  }

  /** The name whose quote is at `quote`; `undefined`: leave the line to others. */
  #name(quote: number, owner: FieldName, before: FieldName | undefined): FieldName | undefined {
    const bytes = this.#bytes;
    if (bytes[quote] !== QUOTE) return undefined;
    // What came there last time most likely comes again.
    const guess = before === undefined ? owner.first : before.next;
    const name = guess !== undefined && this.#isAt(guess, quote + 1) ? guess : this.#lookUp(quote + 1, owner);
    if (name === undefined) return undefined;
    if (before === undefined) owner.first = name;
    else before.next = name;
    if (name.seen === this.#line) return undefined;
    name.seen = this.#line;
    return name;
  }

  #isAt(name: FieldName, start: number): boolean {
    const bytes = this.#bytes;
    const { key } = name;
    for (let i = 0; i < key.length; i++) if (key[i] !== bytes[start + i]) return false;
    return bytes[start + key.length] === QUOTE;
  }

  #lookUp(start: number, owner: FieldName): FieldName | undefined {
    const first = this.#bytes[start] as number;
    const end = endOfText(this.#bytes, start);
    // JSON.parse puts members whose name is a number before all others.
    if (end <= start || isDigit(first) || end - start > MAX_NAME_LENGTH) return undefined;
    if (owner.path.length + 1 + end - start > MAX_NAME_LENGTH) return undefined;
    return this.#names.get(this.#bytes, start, end, owner);
  }

  #afterColon(start: number): number {
    const at = this.#skip(start);
    return this.#bytes[at] === COLON ? this.#skip(at + 1) : -1;
  }

  #skip(start: number): number {
    let at = start;
    while (this.#bytes[at] === SPACE) at++;
    return at;
  }
}
