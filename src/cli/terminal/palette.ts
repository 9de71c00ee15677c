type Paint = (text: string) => string;

/** The colors of one stream. */
export interface Palette {
  /** False when the stream has no colors. */
  readonly enabled: boolean;
  readonly red: Paint;
  readonly yellow: Paint;
  readonly green: Paint;
  readonly cyan: Paint;
  readonly dim: Paint;
  readonly bold: Paint;
}

const plain: Paint = (text) => text;

/** Palette of a stream without colors. */
export const noColors: Palette = {
  enabled: false,
  red: plain,
  yellow: plain,
  green: plain,
  cyan: plain,
  dim: plain,
  bold: plain,
};

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
  return {
    enabled: true,
    red: chalk.red,
    yellow: chalk.yellow,
    green: chalk.green,
    cyan: chalk.cyan,
    dim: chalk.dim,
    bold: chalk.bold,
  };
}
