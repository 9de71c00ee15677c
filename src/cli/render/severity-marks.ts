import type { Severity } from '../../index.js';
import type { Palette } from '../terminal/palette.js';

/** A severity as a word of four columns, which shows without color, too. */
export const MARKS: Readonly<Record<Severity, string>> = {
  critical: 'CRIT',
  error: 'ERR ',
  warning: 'warn',
  recovered: 'ok  ',
  normal: '    ',
};

/** Returns the functions that color a mark. Yellow text cannot be read on white, so warnings have a yellow ground. */
export function markPaints({
  red,
  green,
  bold,
  black,
  whiteBright,
  bgRed,
  bgYellow,
}: Palette): Record<Severity, Palette['red']> {
  return {
    critical: (text) => bgRed(whiteBright(bold(text))),
    error: (text) => bold(red(text)),
    warning: (text) => bgYellow(black(text)),
    recovered: green,
    normal: (text) => text,
  };
}
