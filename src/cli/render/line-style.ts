import type { Palette } from '../terminal/palette.js';
import { type Colours, coloursOf } from './colours.js';
import { Words } from './words.js';

/** What a user asks of lines for people. */
export interface RenderOptions {
  /** Columns that a line may take. */
  width: number;
  /** Lines are not cut to the width, nor long values in them. */
  full: boolean;
  /** Times in UTC instead of the machine's zone. */
  utc: boolean;
  palette: Palette;
}

/** The same, made ready for those who write lines. */
export interface LineStyle {
  /** Columns; `Infinity` for lines that are never cut. */
  readonly width: number;
  readonly full: boolean;
  readonly utc: boolean;
  /** Whether there is room for columns; else fields follow the subject at once. */
  readonly hasColumns: boolean;
  readonly colours: Colours;
  readonly words: Words;
}

const WIDTH_FOR_COLUMNS = 120;

export function lineStyleOf({ width, full, utc, palette }: RenderOptions): LineStyle {
  const columns = full ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(width) || 1);
  const colours = coloursOf(palette);
  return {
    width: columns,
    full,
    utc,
    hasColumns: columns >= WIDTH_FOR_COLUMNS,
    colours,
    words: new Words(full, colours),
  };
}
