import type { Ora } from 'ora';
import type { Messages } from './terminal.js';

/** Columns for the spinner, a space, and the last column, after which some terminals wrap. */
const SPINNER_COLUMNS = 3;
const REDRAW_MS = 250;
/** Time over which a rate is measured. */
const RATE_SPAN_MS = 2000;

/** Line below the messages that is redrawn in place. */
export interface LiveLine {
  /** Draws the line as soon as it can, and four times a second from then on. */
  redraw(): void;
  /** Removes the line, until it is drawn again. */
  end(): void;
}

/**
 * Creates a live line. Requires `messages.canShowLive`.
 *
 * @param describe Formats the text; gets the number of columns for it.
 */
export function createLiveLine(
  { palette, stream }: Messages,
  describe: (columns: number) => string,
  color: 'cyan' | 'red' = 'cyan',
): LiveLine {
  let line: Ora | undefined;
  let timer: NodeJS.Timeout | undefined;
  // ora takes longer to load than everything else, so the command may connect first. No line is no fault.
  setTimeout(async () => {
    const ora = await import('ora').catch(() => undefined);
    line = ora?.default({
      stream,
      // `canShowLive` has decided this already.
      isEnabled: true,
      // Otherwise ora would change the mode of the terminal on stdin.
      discardStdin: false,
      // A stopped or killed program would leave the shell without a cursor.
      hideCursor: false,
      // ora knows neither NO_COLOR nor --color.
      color: palette.enabled ? color : false,
    });
  }, REDRAW_MS).unref();
  const redraw = () => {
    timer ??= setInterval(redraw, REDRAW_MS);
    if (line === undefined) return;
    line.text = describe(Math.max(stream.columns - SPINNER_COLUMNS, 0));
    if (!line.isSpinning) line.start();
  };
  const end = () => {
    clearInterval(timer);
    timer = undefined;
    line?.stop();
  };
  return { redraw, end };
}

/** Measures the rate of a growing count over the last two seconds. */
export class RateMeter {
  readonly #samples: { count: number; atMs: number }[] = [];

  /** @returns The rate per second, as a whole number; 0 at the first call. */
  update(count: number): number {
    const atMs = performance.now();
    this.#samples.push({ count, atMs });
    while (this.#samples.length > 2 && atMs - this.#samples[0]!.atMs > RATE_SPAN_MS) this.#samples.shift();
    const first = this.#samples[0]!;
    return atMs > first.atMs ? Math.round(((count - first.count) * 1000) / (atMs - first.atMs)) : 0;
  }
}
