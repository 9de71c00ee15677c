import type { Palette } from '../terminal/palette.js';
import type { Severity } from './severity.js';

/** The escape codes before and after a text that give it its color; both are empty when color is off. */
export interface Color {
  readonly open: string;
  readonly close: string;
}

export const NO_COLOR: Color = { open: '', close: '' };

/** The colors of a line: one for each severity, one for times and names, one for the endpoint. */
export type Colors = Readonly<Record<Severity | 'dim' | 'endpoint', Color>>;

/** Takes the escape codes out of a palette once: to call the palette for each field costs more than the field. */
export function colorsOf(palette: Palette): Colors {
  return {
    bad: codesOf(palette.red),
    warning: codesOf(palette.yellow),
    good: codesOf(palette.green),
    neutral: NO_COLOR,
    dim: codesOf(palette.dim),
    endpoint: codesOf(palette.cyan),
  };
}

function codesOf(paint: (text: string) => string): Color {
  const [open = '', close = ''] = paint('\0').split('\0');
  return { open, close };
}
