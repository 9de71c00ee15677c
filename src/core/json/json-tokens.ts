/** The tokens of JSON. Each function takes an offset where a token begins, and returns the offset after it. */

export const LF = 0x0a;
export const CR = 0x0d;
export const TAB = 0x09;
export const SPACE = 0x20;
export const QUOTE = 0x22;
const PLUS = 0x2b;
export const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const UPPER_E = 0x45;
export const BACKSLASH = 0x5c;
const LOWER_E = 0x65;
const LOWER_F = 0x66;
const LOWER_T = 0x74;
const LOWER_U = 0x75;
export const CLOSING_BRACE = 0x7d;

/** Stands for the end of the text. JSON allows this byte nowhere. */
export const NO_BYTE = 0;
/** Returned in place of an offset when the text is not JSON. */
export const WRONG = -1;

/** Marks each byte that a string cannot hold as it is, and each that is not ASCII. */
const ENDS_RUN = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(byte < SPACE || byte === QUOTE || byte === BACKSLASH || byte >= 0x80),
);
const IS_HEX_DIGIT = tableOf('0123456789abcdefABCDEF');
const IS_ESCAPE = tableOf('"\\/bfnrt');
const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');
const FOREIGN_NUMBERS = ['NaN', 'Infinity', '-Infinity'].map((word) => Buffer.from(word));

/** Findings of a scan. They are valid only after the verdict `object`. */
export class JsonFindings {
  /** True when there are line breaks between the tokens. */
  hasLineBreaks = false;
  /** True when a string has bytes that are not ASCII, so it may be invalid UTF-8. */
  hasNonAscii = false;
  /** The string value of the top-level `type`, between its quotes; -1 when there is none. */
  typeStart = -1;
  typeEnd = -1;
  /** The same for `subject`. */
  subjectStart = -1;
  subjectEnd = -1;
  /** The deepest level; an object without nested values has one. */
  depth = 0;
  /** True when there is a top-level `received_at`, `endpoint` or `event`, so the event may need nesting. */
  hasOurNames = false;
  /** Where the values of the `DATA_MEMBERS` begin, and where their texts end: two for each number. `undefined` when they are not needed. */
  dataSpans: Int32Array | undefined;
  /** A bit for each of these members that is there, by its number. */
  dataFound = 0;
  /** For the scan itself: a string had escapes. */
  hasEscapes = false;
  /** For the scan itself: numbers that JSON lacks are taken, and the first of them. */
  takesForeignNumbers = false;
  foreignNumber: string | undefined;
}

/** Skips white space, if there is any. */
export function endOfSpace(bytes: Buffer, start: number, end: number, findings: JsonFindings): number {
  let at = start;
  while (at < end) {
    const byte = bytes[at];
    if (byte === LF || byte === CR) findings.hasLineBreaks = true;
    else if (byte !== SPACE && byte !== TAB) break;
    at++;
  }
  return at;
}

/** Returns the offset after the closing quote of the string whose first byte is at `start`. */
export function endOfString(bytes: Buffer, start: number, end: number, findings: JsonFindings): number {
  const at = endOfRun(bytes, start, end);
  return at < end && bytes[at] === QUOTE ? at + 1 : endOfUnusualString(bytes, at, end, findings);
}

/** The same for a string with escapes or with bytes that are not ASCII, from the first of them. */
function endOfUnusualString(bytes: Buffer, start: number, end: number, findings: JsonFindings): number {
  let at = start;
  while (at < end) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) return at + 1;
    if (byte >= 0x80) {
      findings.hasNonAscii = true;
      at++;
    } else if (byte === BACKSLASH) {
      findings.hasEscapes = true;
      at = endOfEscape(bytes, at + 1, end);
      if (at === WRONG) return WRONG;
    } else {
      return WRONG;
    }
    at = endOfRun(bytes, at, end);
  }
  return WRONG;
}

/** Skips plain ASCII in a string. Most bytes of events stand there, and eight in a turn take half the time of one. */
function endOfRun(bytes: Buffer, start: number, end: number): number {
  let at = start;
  for (const last = end - 8; at <= last; at += 8) {
    if (ENDS_RUN[bytes[at] as number] !== 0) return at;
    if (ENDS_RUN[bytes[at + 1] as number] !== 0) return at + 1;
    if (ENDS_RUN[bytes[at + 2] as number] !== 0) return at + 2;
    if (ENDS_RUN[bytes[at + 3] as number] !== 0) return at + 3;
    if (ENDS_RUN[bytes[at + 4] as number] !== 0) return at + 4;
    if (ENDS_RUN[bytes[at + 5] as number] !== 0) return at + 5;
    if (ENDS_RUN[bytes[at + 6] as number] !== 0) return at + 6;
    if (ENDS_RUN[bytes[at + 7] as number] !== 0) return at + 7;
  }
  while (at < end && ENDS_RUN[bytes[at] as number] === 0) at++;
  return at;
}

/** Returns the offset after an escape whose backslash stands before `start`. */
function endOfEscape(bytes: Buffer, start: number, end: number): number {
  if (start >= end) return WRONG;
  const byte = bytes[start] as number;
  if (byte !== LOWER_U) return IS_ESCAPE[byte] === 1 ? start + 1 : WRONG;
  if (start + 5 > end) return WRONG;
  for (let at = start + 1; at < start + 5; at++) if (IS_HEX_DIGIT[bytes[at] as number] !== 1) return WRONG;
  return start + 5;
}

/** Returns the offset after the number or word that begins at `start`. */
export function endOfScalar(bytes: Buffer, start: number, end: number, findings: JsonFindings): number {
  const byte = start < end ? (bytes[start] as number) : NO_BYTE;
  if (byte === MINUS || isDigit(byte)) {
    const at = endOfNumber(bytes, start, end);
    return at === WRONG ? endOfForeignNumber(bytes, start, end, findings) : at;
  }
  const word = byte === LOWER_T ? TRUE : byte === LOWER_F ? FALSE : NULL;
  const wordEnd = start + word.length;
  if (wordEnd <= end && isAt(word, bytes, start)) return wordEnd;
  return endOfForeignNumber(bytes, start, end, findings);
}

function endOfForeignNumber(bytes: Buffer, start: number, end: number, findings: JsonFindings): number {
  if (!findings.takesForeignNumbers) return WRONG;
  const word = FOREIGN_NUMBERS.find((one) => start + one.length <= end && isAt(one, bytes, start));
  if (word === undefined) return WRONG;
  findings.foreignNumber ??= word.toString();
  return start + word.length;
}

function endOfNumber(bytes: Buffer, start: number, end: number): number {
  let at = bytes[start] === MINUS ? start + 1 : start;
  const whole = at;
  let byte = at < end ? (bytes[at] as number) : NO_BYTE;
  while (isDigit(byte)) byte = ++at < end ? (bytes[at] as number) : NO_BYTE;
  if (at === whole || (at > whole + 1 && bytes[whole] === ZERO)) return WRONG;
  if (byte === POINT) {
    const point = at;
    do byte = ++at < end ? (bytes[at] as number) : NO_BYTE;
    while (isDigit(byte));
    if (at === point + 1) return WRONG;
  }
  return byte === LOWER_E || byte === UPPER_E ? endOfExponent(bytes, at + 1, end) : at;
}

function endOfExponent(bytes: Buffer, start: number, end: number): number {
  const digits = start < end && (bytes[start] === PLUS || bytes[start] === MINUS) ? start + 1 : start;
  let at = digits;
  while (at < end && isDigit(bytes[at] as number)) at++;
  return at === digits ? WRONG : at;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= ZERO + 9;
}

/** Returns whether the word stands at `start`. There must be as many bytes. */
export function isAt(word: Buffer, bytes: Buffer, start: number): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[start + i] !== word[i]) return false;
  return true;
}

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const byte of Buffer.from(characters)) table[byte] = 1;
  return table;
}

/** Decodes a JSON string that has been checked; `bytes[start..end)` stands between its quotes. */
export function textOf(bytes: Buffer, start: number, end: number): string {
  const raw = bytes.toString('utf8', start, end);
  return raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw;
}

/** Parses the text of a JSON object; `undefined` when it is anything else. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Returns whether a value is a JSON object: no array, and not `null`. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
