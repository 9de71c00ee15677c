import { fitting } from './text-width.js';

/** Codes around a text that colour it; both empty when there are no colours. */
export interface Colour {
  readonly open: string;
  readonly close: string;
}

export const NO_COLOUR: Colour = { open: '', close: '' };

const ELLIPSIS = '…';

/**
 * One line on its way to a terminal, put together from left to right. What does not fit into the width is cut, and a
 * `…` in the last column says so.
 */
export class VisualLine {
  readonly #width: number;
  #text = '';
  #used = 0;
  #isFull = false;
  /** The part that reaches into the last column: it can stay only when nothing comes after it. */
  #last = '';
  #lastColour = NO_COLOUR;
  #lastWidth = 0;
  #hasLast = false;

  /** @param width In columns; `Infinity` for a line that is never cut. */
  constructor(width: number) {
    this.#width = width;
  }

  /** Whether nothing more can be added, so that there is no use in making it. */
  get isFull(): boolean {
    return this.#isFull;
  }

  start(): void {
    this.#text = '';
    this.#used = 0;
    this.#isFull = false;
    this.#hasLast = false;
  }

  /** @param text Safe to show. @param width Its columns. */
  add(text: string, width: number, colour: Colour = NO_COLOUR): void {
    if (this.#isFull || width === 0) return;
    if (this.#hasLast) {
      this.#cutLast();
    } else if (this.#used + width < this.#width) {
      this.#text += colour.open + text + colour.close;
      this.#used += width;
    } else {
      this.#last = text;
      this.#lastWidth = width;
      this.#lastColour = colour;
      this.#hasLast = true;
      if (this.#used + width > this.#width) this.#cutLast();
    }
  }

  /**
   * Adds a run of parts at once, if all of it fits and leaves room for more; else the caller adds them one by one.
   *
   * @param text May hold colour codes. @param width Its columns, without them.
   */
  addWhole(text: string, width: number): boolean {
    if (this.#hasLast || this.#used + width >= this.#width) return false;
    this.#text += text;
    this.#used += width;
    return true;
  }

  /** The line, LF included. */
  end(): string {
    if (this.#hasLast && !this.#isFull) {
      this.#text += this.#lastColour.open + this.#last + this.#lastColour.close;
    }
    return `${this.#text}\n`;
  }

  #cutLast(): void {
    const kept = fitting(this.#last, this.#width - this.#used - 1);
    this.#text += this.#lastColour.open + kept + ELLIPSIS + this.#lastColour.close;
    this.#used += this.#lastWidth;
    this.#isFull = true;
  }
}
