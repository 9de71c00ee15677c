/**
 * Times of the recording format: RFC 3339, UTC, always six decimals: `2026-11-22T21:50:00.123456Z`.
 * In code a time is a whole number of microseconds since 1970 (exact in a double until the year 2255).
 */

import { isAt } from '../json/json-tokens.js';

/** Characters of a timestamp. */
export const TIMESTAMP_LENGTH = 27;

/** Formats microseconds since 1970 as a timestamp of {@link TIMESTAMP_LENGTH} characters. */
export function formatTimestamp(micros: number): string {
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
/** The year 10000: its timestamps would be longer. */
const END_OF_TIMESTAMPS = 253_402_300_800_000_000;

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
  return micros < END_OF_TIMESTAMPS ? formatTimestamp(micros) : undefined;
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
  #minute: Buffer = Buffer.alloc(MINUTE_LENGTH);
  #minuteMicros = Number.NaN;

  /**
   * Reads the timestamp at offset `at`; there must be `TIMESTAMP_LENGTH` bytes.
   *
   * @returns Microseconds since 1970, or `NaN` when the bytes do not have the fixed shape.
   */
  read(bytes: Buffer, at: number): number {
    if (!isAt(this.#minute, bytes, at)) return this.#readMinute(bytes, at);
    const second = at + MINUTE_LENGTH;
    const seconds = twoDigits(bytes, second);
    const high = twoDigits(bytes, second + 3);
    const middle = twoDigits(bytes, second + 5);
    const low = twoDigits(bytes, second + 7);
    const isTime =
      (seconds | high | middle | low) >= 0 &&
      seconds < 60 &&
      bytes[second + 2] === POINT &&
      bytes[second + 9] === UPPER_Z;
    return isTime
      ? this.#minuteMicros + seconds * 1_000_000 + high * 10_000 + middle * 100 + low
      : Number.NaN;
  }

  #readMinute(bytes: Buffer, at: number): number {
    const text = bytes.toString('latin1', at, at + TIMESTAMP_LENGTH);
    const micros = text.endsWith('Z') ? parseTimestamp(text) : undefined;
    if (micros === undefined) return Number.NaN;
    this.#minute = Buffer.from(text.slice(0, MINUTE_LENGTH));
    this.#minuteMicros = Math.floor(micros / MICROS_PER_MINUTE) * MICROS_PER_MINUTE;
    return micros;
  }
}

/** Returns the number that two digits make, or -1 when they are not digits. */
function twoDigits(bytes: Buffer, at: number): number {
  const tens = (bytes[at] as number) - ZERO;
  const ones = (bytes[at + 1] as number) - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1;
}
