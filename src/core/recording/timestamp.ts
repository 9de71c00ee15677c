/**
 * Times of the recording format: RFC 3339, UTC, always six decimals: `2026-11-22T21:50:00.123456Z`.
 * In code a time is a whole number of microseconds since 1970 (exact in a double until the year 2255).
 */

/** Characters of a timestamp. */
export const TIMESTAMP_LENGTH = 27;

/** The last time of the year 9999 that a double holds: those after it are rounded up to the year 10000. */
const LATEST_MICROS = 253_402_300_800_000_000 - 32;

/** Formats microseconds since 1970 as a timestamp of {@link TIMESTAMP_LENGTH} characters. */
export function formatTimestamp(time: number): string {
  const micros = Math.min(time, LATEST_MICROS);
  const millis = Math.floor(micros / 1000);
  const rest = micros - millis * 1000;
  return `${new Date(millis).toISOString().slice(0, -1)}${String(rest).padStart(3, '0')}Z`;
}

const rfc3339 = /^(\d{4}-\d\d-(\d\d)[Tt ](?:[01]\d|2[0-3]):\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/;

/**
 * Parses an RFC 3339 time with up to nine decimals; digits below a microsecond are cut off.
 *
 * @returns Microseconds since 1970, or `undefined` for anything else, including times without a zone.
 */
export function parseTimestamp(text: string): number | undefined {
  const match = rfc3339.exec(text);
  if (match === null) return undefined;
  const [, written = '', day = '', fraction = '', zone = ''] = match;
  const seconds = written.replace(/[t ]/, 'T');
  // Date would read February 30 as March 2.
  if (day > '28' && new Date(`${seconds.slice(0, 10)}T00:00:00Z`).getUTCDate() !== Number(day))
    return undefined;
  const millis = Date.parse(seconds + zone.toUpperCase());
  if (Number.isNaN(millis)) return undefined;
  return millis * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6));
}

/** The largest value in each unit of a number of seconds, milliseconds or microseconds; the next unit takes over. */
const UNITS = [
  { below: 1e11, micros: 1e6 },
  { below: 1e14, micros: 1e3 },
  { below: 1e17, micros: 1 },
];
/**
 * Reads the time of a line that others have written. A text stays as it is. A number counts seconds, milliseconds or
 * microseconds since 1970: its size tells which, because all times from March 1973 to 5138 differ by it.
 *
 * @returns `undefined` for values that are no time.
 */
export function timestampOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value !== 'number' || !(value >= 0)) return undefined;
  const unit = UNITS.find(({ below }) => value < below);
  const micros = unit === undefined ? Number.NaN : Math.round(value * unit.micros);
  return micros <= LATEST_MICROS ? formatTimestamp(micros) : undefined;
}

const MICROS_PER_MINUTE = 60_000_000;
/** Length of `2026-11-22T21:50:`, which lines of the same minute share. */
const MINUTE_LENGTH = 17;
const ZERO = 0x30;
const POINT = 0x2e;
const UPPER_Z = 0x5a;

/**
 * Reads timestamps of the recording format from bytes. A timestamp of the same minute as the one before, as nearly all
 * are, costs a few additions instead of a date parser.
 */
export class TimestampReader {
  /** The minute of the last timestamp and its time. Zeros match no minute. */
  #minute = new BytePattern(new Uint8Array(MINUTE_LENGTH));
  #minuteMicros = Number.NaN;

  /**
   * Reads the timestamp at offset `at`; the data must hold `TIMESTAMP_LENGTH` bytes from there.
   *
   * @returns Microseconds since 1970, or `NaN` when the bytes do not have the fixed shape.
   */
  read(data: DataView, at: number): number {
    if (!this.#minute.standsAt(data, at)) return this.#readMinute(data, at);
    const second = at + MINUTE_LENGTH;
    const seconds = twoDigits(data, second);
    const high = twoDigits(data, second + 3);
    const middle = twoDigits(data, second + 5);
    const low = twoDigits(data, second + 7);
    const isTime =
      (seconds | high | middle | low) >= 0 &&
      seconds < 60 &&
      data.getUint8(second + 2) === POINT &&
      data.getUint8(second + 9) === UPPER_Z;
    return isTime
      ? this.#minuteMicros + seconds * 1_000_000 + high * 10_000 + middle * 100 + low
      : Number.NaN;
  }

  #readMinute(data: DataView, at: number): number {
    const bytes = Buffer.from(data.buffer, data.byteOffset + at, TIMESTAMP_LENGTH);
    if (bytes[TIMESTAMP_LENGTH - 1] !== UPPER_Z) return Number.NaN;
    const micros = parseTimestamp(bytes.toString('latin1'));
    if (micros === undefined) return Number.NaN;
    this.#minute = new BytePattern(bytes.subarray(0, MINUTE_LENGTH));
    this.#minuteMicros = Math.floor(micros / MICROS_PER_MINUTE) * MICROS_PER_MINUTE;
    return micros;
  }
}

/** Returns the number that two digits make, or -1 when they are not digits. */
function twoDigits(data: DataView, at: number): number {
  const tens = data.getUint8(at) - ZERO;
  const ones = data.getUint8(at + 1) - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1;
}

const WORD_BYTES = 4;

/** Compares known bytes with the bytes at an offset, four in one step: each line begins with forty known bytes. */
export class BytePattern {
  readonly length: number;
  readonly #words: Int32Array;
  /** The bytes after the last whole word. */
  readonly #rest: Uint8Array;

  /** @param bytes They are copied. */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const words = Math.floor(bytes.length / WORD_BYTES);
    this.length = bytes.length;
    this.#words = Int32Array.from({ length: words }, (_, i) => view.getInt32(i * WORD_BYTES, true));
    this.#rest = Uint8Array.from(bytes.subarray(words * WORD_BYTES));
  }

  /** Returns `true` when all bytes stand there. The data must hold {@link length} bytes from `offset` on. */
  standsAt(data: DataView, offset: number): boolean {
    const words = this.#words;
    let at = offset;
    for (let i = 0; i < words.length; i++, at += WORD_BYTES) {
      if (data.getInt32(at, true) !== words[i]) return false;
    }
    const rest = this.#rest;
    for (let i = 0; i < rest.length; i++) if (data.getUint8(at + i) !== rest[i]) return false;
    return true;
  }
}
