import { BytePattern } from './byte-pattern.js';
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
  /** The minute of the last one, and when that was. Zeros are no minute. */
  #minute = new BytePattern(new Uint8Array(MINUTE_LENGTH));
  #base = Number.NaN;

  /**
   * The timestamp that begins at `at`: microseconds since 1970, or `NaN` when there is none of the fixed shape. There
   * have to be as many bytes from there on.
   */
  read(view: DataView, at: number): number {
    if (!this.#minute.standsAt(view, at)) return this.#readAnew(view, at);
    const second = at + MINUTE_LENGTH;
    const seconds = twoDigits(view, second);
    const high = twoDigits(view, second + 3);
    const middle = twoDigits(view, second + 5);
    const low = twoDigits(view, second + 7);
    const isTime =
      (seconds | high | middle | low) >= 0 &&
      seconds < 60 &&
      view.getUint8(second + 2) === POINT &&
      view.getUint8(second + 9) === UPPER_Z;
    return isTime ? this.#base + seconds * 1_000_000 + high * 10_000 + middle * 100 + low : Number.NaN;
  }

  #readAnew(view: DataView, at: number): number {
    const bytes = Buffer.from(view.buffer, view.byteOffset + at, TIMESTAMP_LENGTH);
    if (bytes[TIMESTAMP_LENGTH - 1] !== UPPER_Z) return Number.NaN;
    const time = parseTimestamp(bytes.toString('latin1'));
    if (time === undefined) return Number.NaN;
    this.#minute = new BytePattern(bytes.subarray(0, MINUTE_LENGTH));
    this.#base = Math.floor(time / MICROSECONDS_PER_MINUTE) * MICROSECONDS_PER_MINUTE;
    return time;
  }
}

/** The number that two digits make; -1 when they are none. */
function twoDigits(view: DataView, at: number): number {
  const tens = view.getUint8(at) - ZERO;
  const ones = view.getUint8(at + 1) - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1;
}
