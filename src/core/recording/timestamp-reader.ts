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
    return isTime ? this.#base + seconds * 1_000_000 + high * 10_000 + middle * 100 + low : Number.NaN;
  }

  #readAnew(bytes: Buffer, at: number): number {
    const time = parseTimestamp(bytes.toString('latin1', at, at + TIMESTAMP_LENGTH));
    if (time === undefined) return Number.NaN;
    for (let i = 0; i < MINUTE_LENGTH; i++) this.#minute[i] = bytes[at + i] as number;
    this.#base = Math.floor(time / MICROSECONDS_PER_MINUTE) * MICROSECONDS_PER_MINUTE;
    return time;
  }
}

/** The number that two digits make; -1 when they are none. */
function twoDigits(bytes: Buffer, at: number): number {
  const tens = (bytes[at] as number) - ZERO;
  const ones = (bytes[at + 1] as number) - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1;
}
