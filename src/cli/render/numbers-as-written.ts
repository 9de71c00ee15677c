import { endOfString } from '../../internal.js';

/** Limit of the memory that the numbers of one line take. */
const MAX_NUMBERS = 100_000;
/** More digits are cut. */
const MAX_DIGITS = 40;
const QUOTE = 0x22;
const COLON = 0x3a;

/** Returns whether a number is so large that a double has lost its last digits. */
export function isInexact(value: number): boolean {
  return !Number.isSafeInteger(value) && Math.abs(value) >= 2 ** 53;
}

/** The large numbers of a JSON text as they are written there, by name and value. One pass through the text finds all. */
export class NumbersAsWritten {
  readonly #numbers = new Map<string, string>();

  /** @param text JSON that `JSON.parse` accepts. */
  constructor(text: string) {
    const token = /["\d-]/g;
    const digits = /-?\d[\d.eE+-]*/y;
    const space = /[ \t\r\n]*/y;
    let key = '';
    for (let match = token.exec(text); match !== null; match = token.exec(text)) {
      const start = match.index;
      if (text.charCodeAt(start) === QUOTE) {
        const end = endOfString(text, start);
        space.lastIndex = end;
        space.test(text);
        if (text.charCodeAt(space.lastIndex) === COLON) key = text.slice(start, end);
        token.lastIndex = end;
        continue;
      }
      digits.lastIndex = start;
      const [written = ''] = digits.exec(text) ?? [];
      token.lastIndex = start + Math.max(1, written.length);
      const value = Number(written);
      if (!isInexact(value)) continue;
      const place = placeOf(key, value);
      if (this.#numbers.size < MAX_NUMBERS && !this.#numbers.has(place)) this.#numbers.set(place, written);
    }
  }

  /** @param key The name of the member, or of the list that holds the number. */
  find(key: string, value: number): string {
    const written = this.#numbers.get(placeOf(JSON.stringify(key), value)) ?? String(value);
    return written.length > MAX_DIGITS ? `${written.slice(0, MAX_DIGITS)}…` : written;
  }
}

/** @param key As JSON text. A long one counts by its beginning. */
function placeOf(key: string, value: number): string {
  return `${value} ${key.slice(0, 64)}`;
}
