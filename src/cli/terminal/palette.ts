import type { Severity } from '../../index.js';

type Paint = (text: string) => string;

const COLORS = [
  ...(['red', 'yellow', 'green', 'cyan', 'dim', 'bold'] as const),
  ...(['black', 'whiteBright', 'bgRed', 'bgYellow'] as const),
] as const;

/** The colors of one stream. */
export type Palette = Readonly<Record<(typeof COLORS)[number], Paint>> & {
  /** False when the stream has no colors. */
  readonly enabled: boolean;
};

function paletteOf(enabled: boolean, paintOf: (color: (typeof COLORS)[number]) => Paint): Palette {
  return { enabled, ...Object.fromEntries(COLORS.map((color) => [color, paintOf(color)])) } as Palette;
}

/** Palette of a stream without colors. */
export const noColors: Palette = paletteOf(false, () => (text) => text);

/**
 * Decides if a stream has colors: by the option, then `NO_COLOR` (not empty), `FORCE_COLOR`, `TERM=dumb`, and finally
 * by whether it is a terminal.
 */
export function wantsColor(
  isTerminal: boolean,
  when: 'auto' | 'always' | 'never',
  environment: NodeJS.ProcessEnv,
): boolean {
  if (when !== 'auto') return when === 'always';
  if (environment.NO_COLOR) return false;
  const forced = environment.FORCE_COLOR;
  if (forced !== undefined && forced !== '') return forced !== '0' && forced !== 'false';
  if (environment.TERM === 'dumb') return false;
  return isTerminal;
}

/** Creates the palette of a stream. chalk is loaded only for a stream with colors. */
export async function paletteFor(
  stream: { isTTY?: boolean },
  when: 'auto' | 'always' | 'never',
  environment: NodeJS.ProcessEnv,
): Promise<Palette> {
  if (!wantsColor(stream.isTTY === true, when, environment)) return noColors;
  const { Chalk } = await import('chalk');
  // The level is fixed: chalk's own detection knows neither NO_COLOR nor the stream.
  const chalk = new Chalk({ level: 1 });
  return paletteOf(true, (color) => chalk[color]);
}

/** A severity as a word of four columns, which shows without color, too. */
export const MARKS: Readonly<Record<Severity, string>> = {
  critical: 'CRIT',
  error: 'ERR ',
  warning: 'warn',
  recovered: 'ok  ',
  normal: '    ',
};

/** Returns the functions that color a mark. Yellow text cannot be read on white, so warnings have a yellow ground. */
export function markPaints(palette: Palette): Record<Severity, Paint> {
  const { red, green, bold, black, whiteBright, bgRed, bgYellow } = palette;
  return {
    critical: (text) => bgRed(whiteBright(bold(text))),
    error: (text) => bold(red(text)),
    warning: (text) => bgYellow(black(text)),
    recovered: green,
    normal: (text) => text,
  };
}
