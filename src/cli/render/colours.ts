import type { Palette } from '../terminal/palette.js';
import type { Tone } from './tone.js';
import { type Colour, NO_COLOUR } from './visual-line.js';

export type Colours = Readonly<Record<Tone | 'dim' | 'endpoint', Colour>>;

/** The codes of a palette's colours, taken once: a call for each field would cost more than the field. */
export function coloursOf(palette: Palette): Colours {
  return {
    bad: codesOf(palette.red),
    warning: codesOf(palette.yellow),
    good: codesOf(palette.green),
    neutral: NO_COLOUR,
    dim: codesOf(palette.dim),
    endpoint: codesOf(palette.cyan),
  };
}

function codesOf(paint: (text: string) => string): Colour {
  const [open = '', close = ''] = paint('\0').split('\0');
  return { open, close };
}
