import { createRequire } from 'node:module';
import type StringWidth from 'string-width';
import type { Palette } from '../terminal/palette.js';

/** The escape codes before and after a text that give it its color; both are empty when color is off. */
export interface Color {
  readonly open: string;
  readonly close: string;
}

export const NO_COLOR: Color = { open: '', close: '' };

/** Takes the escape codes out of a palette once: to call the palette for each field costs more than the field. */
export function codesOf(paint: Palette['red']): Color {
  const [open = '', close = ''] = paint('\0').split('\0');
  return { open, close };
}

/** A wider line is seen on no terminal, and is cut at a number of characters. */
const WIDEST_TERMINAL = 10_000;

/** Builds one terminal line from left to right. A line that is too wide is cut and ends with `…`. */
export class VisualLine {
  #text = '';
  #used = 0;
  /** The line as it is if more follows, once it reaches into the last column. */
  #cutText: string | undefined;
  #isFull = false;

  /** @param width In columns. */
  constructor(private readonly width: number) {}

  /** True once the line is cut: parts that are added now are ignored. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** @param text Safe to print. */
  add(text: string, { open, close }: Color = NO_COLOR): void {
    if (this.#isFull) return;
    // Measuring takes as long as all the rest, and no terminal is that wide.
    const width = this.width > WIDEST_TERMINAL ? text.length : widthOf(text);
    const left = this.width - this.#used;
    if (width >= left) this.#cutText ??= `${this.#text}${open}${fitting(text, left - 1)}…${close}`;
    this.#isFull = width > left;
    this.#text = this.#isFull ? this.#cutText! : this.#text + open + text + close;
    this.#used += width;
  }

  /** Ends the line here, with `…`, though more would fit. */
  cut(): void {
    this.add(' …');
    this.#isFull = true;
  }

  /** Returns the line, with its LF, and begins a new one. */
  end(): string {
    const text = this.#text;
    this.#text = '';
    this.#used = 0;
    this.#cutText = undefined;
    this.#isFull = false;
    return `${text}\n`;
  }
}

/** Printable ASCII, European and Cyrillic letters, and `…`: one column each, and none combines with its neighbor. */
const narrow = /^[\x20-\x7e\xa1-\xac\xae-\u024f\u0400-\u0482\u048a-\u04ff…]*$/;

let stringWidth: typeof StringWidth | undefined;

/** Counts the columns that a text takes on a terminal. The text must hold no control characters. */
export function widthOf(text: string): number {
  // Measuring is slow, and to load the library takes 25 ms. Common text needs neither.
  if (narrow.test(text)) return text.length;
  try {
    stringWidth ??= createRequire(import.meta.url)('string-width').default as typeof StringWidth;
  } catch {
    // Node before 22.12 cannot require it, and an installation may have been removed meanwhile.
    stringWidth = (unmeasured) => unmeasured.replace(/[\u2e80-\ud7ff\uff00-\uff60]/g, '  ').length;
  }
  return stringWidth(text);
}

let segmenter: Intl.Segmenter | undefined;

/** Splits text into characters as people see them: a letter with its marks, an emoji of several parts. */
function charactersOf(text: string): Intl.Segments {
  // The first one takes 8 ms.
  segmenter ??= new Intl.Segmenter(undefined, { granularity: 'grapheme' });
  return segmenter.segment(text);
}

/** Returns the longest beginning of a text that fits into so many columns, and never cuts a character in two. */
export function fitting(text: string, columns: number): string {
  if (columns <= 0) return '';
  // Some characters take no column, so this can cut too much. It bounds the work on a text of megabytes.
  const head = text.length > columns * 8 ? headOf(text, columns * 8) : text;
  if (columns > WIDEST_TERMINAL || narrow.test(head)) return headOf(head, columns);
  let width = 0;
  let end = 0;
  for (const { segment } of charactersOf(head)) {
    width += widthOf(segment);
    if (width > columns) break;
    end += segment.length;
  }
  return head.slice(0, end);
}

/** Cuts a text to so many columns, with `…` in the last one. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  return columns > 0 ? `${fitting(text, columns - 1)}…` : '';
}

/** Cuts a text at its start, with `…`: names of devices differ at their ends. For texts of a few lines at most. */
export function cutStart(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let width = 1;
  let start = text.length;
  for (const { segment, index } of [...charactersOf(text)].reverse()) {
    width += widthOf(segment);
    if (width > columns) break;
    start = index;
  }
  return `…${text.slice(start)}`;
}

/** Fills a text up to so many columns. @param isRight It ends in the last one. */
export function padded(text: string, columns: number, isRight = false): string {
  const space = ' '.repeat(Math.max(0, columns - widthOf(text)));
  return isRight ? space + text : text + space;
}

/** Returns the beginning of a text, and never cuts a surrogate pair in two. */
export function headOf(text: string, length: number): string {
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length);
}
