type Paint = (text: string) => string;

/** The colours that we use, for one stream. */
export interface Palette {
  /** Whether anything is coloured at all. */
  readonly enabled: boolean;
  readonly red: Paint;
  readonly yellow: Paint;
  readonly green: Paint;
  readonly cyan: Paint;
  readonly dim: Paint;
  readonly bold: Paint;
}

const plain: Paint = (text) => text;

/** Colours for a stream that shall have none. */
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
 * Whether a stream gets colours: the option wins, then `NO_COLOR` (not empty), `FORCE_COLOR`, `TERM=dumb`, then
 * whether it is a terminal.
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

/** The colours of a stream. chalk is loaded only when there are some. */
export async function paletteFor(
  stream: { isTTY?: boolean },
  when: 'auto' | 'always' | 'never',
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Palette> {
  if (!wantsColor(stream.isTTY === true, when, environment)) return noColors;
  const { Chalk } = await import('chalk');
  // The level is fixed because chalk's own guess knows neither NO_COLOR nor which stream is meant.
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
