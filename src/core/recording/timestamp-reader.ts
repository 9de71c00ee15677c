import { parseTimestamp, TIMESTAMP_LENGTH } from './timestamp.js';

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
   * @returns Microseconds since 1970, or `NaN` when it has not the fixed shape.
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
