import { parseTimestamp, TIMESTAMP_LENGTH } from './timestamp.js';

const MICROSECONDS_PER_MINUTE = 60_000_000;
/** `2026-11-22T21:50:`: what lines of the same minute have in common. */
const MINUTE_LENGTH = 17;
const ZERO = 0x30;
const POINT = 0x2e;
const UPPER_Z = 0x5a;

/**
 * Reads timestamps of the recording format out of bytes, one after another. Those of the minute of the one before,
 * which is nearly all of them, cost a few additions instead of a date parser.
 */
export class TimestampReader {
  readonly #minute = new Uint8Array(MINUTE_LENGTH);
  #base = 0;

  /** The timestamp that begins at `at`: microseconds since 1970, or `NaN` when there is none of the fixed shape. */
  read(bytes: Buffer, at: number): number {
    for (let i = 0; i < MINUTE_LENGTH; i++) {
      if (bytes[at + i] !== this.#minute[i]) return this.#readAnew(bytes, at);
    }
    const seconds = digits(bytes, at + MINUTE_LENGTH, 2);
    const fraction = digits(bytes, at + MINUTE_LENGTH + 3, 6);
    if (bytes[at + MINUTE_LENGTH + 2] !== POINT || bytes[at + TIMESTAMP_LENGTH - 1] !== UPPER_Z)
      return Number.NaN;
    return seconds < 60 ? this.#base + seconds * 1_000_000 + fraction : Number.NaN;
  }

  #readAnew(bytes: Buffer, at: number): number {
    const time = parseTimestamp(bytes.toString('latin1', at, at + TIMESTAMP_LENGTH));
    if (time === undefined) return Number.NaN;
    for (let i = 0; i < MINUTE_LENGTH; i++) this.#minute[i] = bytes[at + i] as number;
    this.#base = Math.floor(time / MICROSECONDS_PER_MINUTE) * MICROSECONDS_PER_MINUTE;
    return time;
  }
}

function digits(bytes: Buffer, at: number, count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) {
    const digit = (bytes[at + i] as number) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}
