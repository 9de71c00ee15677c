const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const LOWER_E = 0x65;
/** So many digits survive a double. */
const MAX_DIGITS = 15;
/** With so many digits after the point, a number other than 0 is not so small that JavaScript writes an exponent. */
const MAX_FRACTION = 6;

export function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

/**
 * Reads the JSON number at `start`. The byte after it must be there.
 *
 * @returns The offset after it, if JavaScript surely writes it as it stands; else that offset's complement, which is
 *   negative; 0 when it is no number.
 */
export function endOfNumber(bytes: Uint8Array, start: number): number {
  const whole = bytes[start] === MINUS ? start + 1 : start;
  const isZero = bytes[whole] === ZERO;
  let at = endOfDigits(bytes, whole);
  if (at === whole || (isZero && at > whole + 1)) return 0;
  let digits = at - whole;
  let isTheSame = !isZero || whole === start;
  if (bytes[at] === POINT) {
    const fraction = at + 1;
    at = endOfDigits(bytes, fraction);
    if (at === fraction) return 0;
    digits += at - fraction;
    isTheSame = bytes[at - 1] !== ZERO && (!isZero || at - fraction <= MAX_FRACTION);
  }
  if (((bytes[at] as number) | 0x20) === LOWER_E) {
    at++;
    if (bytes[at] === PLUS || bytes[at] === MINUS) at++;
    const exponent = at;
    at = endOfDigits(bytes, exponent);
    if (at === exponent) return 0;
    isTheSame = false;
  }
  return isTheSame && digits <= MAX_DIGITS ? at : ~at;
}

function endOfDigits(bytes: Uint8Array, start: number): number {
  let at = start;
  while (isDigit(bytes[at] as number)) at++;
  return at;
}
