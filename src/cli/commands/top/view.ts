import { escapeUnsafe } from '../../../index.js';
import type { DeviceRow } from '../../../internal.js';
import { cut } from '../../render/visual-line.js';
import { prettyJson, wrapped } from './event-text.js';
import { agoText, type TableStyle, tableLines } from './table-text.js';

const ESCAPE = '\x1b';
const ENTER = '\r';
const BACKSPACES = ['\x7f', '\b'];
const CLEAR_INPUT = '\x15';
const END_OF_INPUT = '\x04';
const UP = ['\x1b[A', '\x1bOA'];
const DOWN = ['\x1b[B', '\x1bOB'];
const PAGE_UP = '\x1b[5~';
const PAGE_DOWN = '\x1b[6~';
const HOME = ['\x1b[H', '\x1bOH', '\x1b[1~'];
const END = ['\x1b[F', '\x1bOF', '\x1b[4~'];
const LONGEST_FILTER = 100;
const HINTS = 'q quits  / filters  up and down select  Enter shows the event';

/** The surroundings of the table in the picture. */
interface Picture {
  columns: number;
  rows: number;
  /** The line above the table. */
  status: string;
  /** The line below it, when nothing else stands there. */
  notice: string | undefined;
}

/** An event that fills the screen. */
interface ShownEvent {
  id: string;
  type: string;
  at: number;
  text: readonly string[];
  /** The text, broken for so many columns. */
  lines: readonly string[];
  columns: number;
  /** The first line on the screen. */
  first: number;
}

/** The part of a table that the user has chosen to see: a filter, the selected row, one event. */
export class TopView {
  #filter = '';
  #isTyping = false;
  #selected: string | undefined;
  /** The first row that is shown, or the first line of the event. */
  #first = 0;
  #event: ShownEvent | undefined;
  /** Rows that the filter keeps, as last drawn, and how many of them there was room for. */
  #rows: readonly DeviceRow[] = [];
  #height = 1;

  constructor(private readonly eventOf: (row: DeviceRow) => string | undefined) {}

  /** Handles a key. @returns True when the user quits. */
  onKey(key: string): boolean {
    if (this.#event !== undefined) {
      const { lines, first } = this.#event;
      const step = this.#stepOf(key, lines.length);
      if (step === 0) this.#event = undefined;
      else this.#event.first = clamp(first + step, lines.length - this.#height);
    } else if (this.#isTyping) {
      this.#type(key);
    } else if (key === 'q' || key === END_OF_INPUT) {
      return true;
    } else if (key === '/') {
      this.#isTyping = true;
    } else if (key === ESCAPE) {
      this.#filter = '';
      this.#selected = undefined;
    } else if (key === ENTER) {
      this.#open();
    } else {
      this.#select(this.#stepOf(key, this.#rows.length));
    }
    return false;
  }

  #type(key: string): void {
    if (key === ENTER) this.#isTyping = false;
    else if (key === ESCAPE) {
      this.#isTyping = false;
      this.#filter = '';
    } else if (BACKSPACES.includes(key)) this.#filter = [...this.#filter].slice(0, -1).join('');
    else if (key === CLEAR_INPUT) this.#filter = '';
    else if (key >= ' ' && this.#filter.length < LONGEST_FILTER) this.#filter += key;
    else this.#select(this.#stepOf(key, this.#rows.length));
  }

  /** Returns how far a key moves in so many lines; 0 for a key that moves nothing. */
  #stepOf(key: string, lines: number): number {
    if (UP.includes(key)) return -1;
    if (DOWN.includes(key)) return 1;
    if (key === PAGE_UP) return -this.#height;
    if (key === PAGE_DOWN) return this.#height;
    if (HOME.includes(key)) return -lines;
    return END.includes(key) ? lines : 0;
  }

  #select(step: number): void {
    if (step === 0 || this.#rows.length === 0) return;
    const at = this.#rows.findIndex(({ id }) => id === this.#selected);
    // The first step down selects the first row.
    const next = at < 0 ? (step > 0 ? step - 1 : 0) : at + step;
    this.#selected = this.#rows[clamp(next, this.#rows.length - 1)]!.id;
  }

  /** Shows the event of the selected row, or of the first one. */
  #open(): void {
    const row = this.#rows.find(({ id }) => id === this.#selected) ?? this.#rows[0];
    if (row === undefined) return;
    const text = this.eventOf(row);
    const lines = text === undefined ? ['(the event is too large to be kept)'] : prettyJson(text);
    const { id, type, at } = row;
    this.#event = { id, type, at, text: lines, lines, columns: 0, first: 0 };
  }

  /** Returns the lines of the picture. */
  lines(all: readonly DeviceRow[], picture: Picture, style: TableStyle): string[] {
    const { columns, rows, status, notice } = picture;
    this.#height = Math.max(1, rows - 3);
    if (this.#event !== undefined) return this.#eventLines(columns, rows, style);
    const wanted = this.#filter.toLowerCase();
    this.#rows = wanted === '' ? all : all.filter((row) => matches(row, wanted));
    const selected = this.#rows.findIndex(({ id }) => id === this.#selected);
    if (selected < 0) this.#first = 0;
    else if (selected < this.#first) this.#first = selected;
    else if (selected >= this.#first + this.#height) this.#first = selected - this.#height + 1;
    this.#first = clamp(this.#first, this.#rows.length - this.#height);
    const shown = this.#rows.slice(this.#first, this.#first + this.#height);
    const table = tableLines(shown, { ...style, selected: this.#selected });
    while (table.length < this.#height + 1) table.push('');
    return [status, ...table, cut(this.#footer(notice, all.length), columns)];
  }

  #footer(notice: string | undefined, all: number): string {
    if (this.#isTyping) return `/${escapeUnsafe(this.#filter)}_`;
    const place = `${this.#first + 1}-${Math.min(this.#first + this.#height, this.#rows.length)}`;
    const position = this.#rows.length > this.#height ? `rows ${place} of ${this.#rows.length}  ` : '';
    const filter =
      this.#filter === ''
        ? ''
        : `/${escapeUnsafe(this.#filter)}: ${this.#rows.length} of ${all} rows, Esc shows all  `;
    return filter + position + (notice ?? HINTS);
  }

  #eventLines(columns: number, rows: number, { palette, now }: TableStyle): string[] {
    const event = this.#event!;
    if (event.columns !== columns) {
      event.lines = wrapped(event.text, columns);
      event.columns = columns;
    }
    const { lines, id, type, at } = event;
    this.#height = Math.max(1, rows - 2);
    event.first = clamp(event.first, lines.length - this.#height);
    const shown = lines.slice(event.first, event.first + this.#height);
    const title = `${escapeUnsafe(id)}  ${escapeUnsafe(type)}  ${agoText(at, now)} ago`;
    while (shown.length < this.#height) shown.push('');
    const last = Math.min(event.first + this.#height, lines.length);
    const footer = `lines ${event.first + 1}-${last} of ${lines.length}  up and down scroll, any other key goes back`;
    return [palette.bold(cut(title, columns)), ...shown, palette.dim(cut(footer, columns))];
  }
}

/** Returns the nearest number from 0 to `most`. */
const clamp = (value: number, most: number) => Math.max(0, Math.min(value, most));

function matches({ id, type, message = '', severity }: DeviceRow, wanted: string): boolean {
  return [id, type, message, severity].some((text) => text.toLowerCase().includes(wanted));
}
