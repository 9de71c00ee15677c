import stringWidth from 'string-width';
import { type Color, NO_COLOR } from './severity.js';

const ELLIPSIS = '…';

/** Builds one terminal line from left to right. A line that is too wide is cut and ends with `…`. */
export class VisualLine {
  readonly #width: number;
  #text = '';
  #used = 0;
  #isFull = false;
  /** The part that reaches into the last column. It stays whole only when no other part follows. */
  #last = '';
  #lastColor = NO_COLOR;
  #lastWidth = 0;
  #hasLast = false;

  /** @param width In columns; `Infinity` for a line that is never cut. */
  constructor(width: number) {
    this.#width = width;
  }

  /** True once the line is cut: parts that are added now are ignored. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Begins a new line. */
  start(): void {
    this.#text = '';
    this.#used = 0;
    this.#isFull = false;
    this.#hasLast = false;
  }

  /** @param text Safe to print. @param width Its columns. */
  add(text: string, width: number, color: Color = NO_COLOR): void {
    if (this.#isFull || width === 0) return;
    if (this.#hasLast) {
      this.#cutLast();
    } else if (this.#used + width < this.#width) {
      this.#text += color.open + text + color.close;
      this.#used += width;
    } else {
      this.#last = text;
      this.#lastWidth = width;
      this.#lastColor = color;
      this.#hasLast = true;
      if (this.#used + width > this.#width) this.#cutLast();
    }
  }

  /**
   * Adds several parts at once if all of them fit and leave room for more.
   *
   * @param text May hold color codes. @param width Its columns, without the codes.
   * @returns `false` when the parts do not fit; the caller then adds them one by one.
   */
  addWhole(text: string, width: number): boolean {
    if (this.#hasLast || this.#used + width >= this.#width) return false;
    this.#text += text;
    this.#used += width;
    return true;
  }

  /** Ends the line here, with `…`, though more would fit. */
  cut(): void {
    if (this.#hasLast) this.#cutLast();
    else if (!this.#isFull) this.#text += ' …';
    this.#isFull = true;
  }

  /** Returns the line, with its LF. */
  end(): string {
    if (this.#hasLast && !this.#isFull) {
      this.#text += this.#lastColor.open + this.#last + this.#lastColor.close;
    }
    return `${this.#text}\n`;
  }

  #cutLast(): void {
    const kept = fitting(this.#last, this.#width - this.#used - 1);
    this.#text += this.#lastColor.open + kept + ELLIPSIS + this.#lastColor.close;
    this.#used += this.#lastWidth;
    this.#isFull = true;
  }
}

/** Printable ASCII, European and Cyrillic letters, and `…`: one column each, and none combines with its neighbor. */
const narrow = /^[\x20-\x7e\xa1-\xac\xae-\u024f\u0400-\u0482\u048a-\u04ff…]*$/;

/** Counts the columns that a text takes on a terminal. The text must hold no control characters. */
export function widthOf(text: string): number {
  // To measure takes long, so common text is not measured.
  return narrow.test(text) ? text.length : stringWidth(text);
}

/** Splits text into characters as people see them: a letter with its marks, an emoji of several parts. */
const characters = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

const WIDEST_TERMINAL = 10_000;

/** Returns the longest beginning of a text that fits into so many columns, and never cuts a character in two. */
export function fitting(text: string, columns: number): string {
  if (columns <= 0) return '';
  // Some characters take no column, so this can cut too much. It bounds the work on a text of megabytes.
  const head = text.length > columns * 8 ? headOf(text, columns * 8) : text;
  // The end of a line that is wider than any terminal is never seen.
  if (columns > WIDEST_TERMINAL || narrow.test(head)) return headOf(head, columns);
  let width = 0;
  let end = 0;
  for (const { segment } of characters.segment(head)) {
    width += widthOf(segment);
    if (width > columns) break;
    end += segment.length;
  }
  return head.slice(0, end);
}

/** Returns the beginning of a text, and never cuts a surrogate pair in two. */
export function headOf(text: string, length: number): string {
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length);
}
