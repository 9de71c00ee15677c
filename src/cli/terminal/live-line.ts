import type { Ora } from 'ora';
import type { Messages } from './terminal.js';

/** Columns for the spinner, a space, and the last column, after which some terminals wrap. */
const SPINNER_COLUMNS = 3;
/** Time over which a rate is measured. */
const RATE_SPAN_MS = 2000;

/** Creates a line below the messages that is redrawn in place. Requires `messages.canShowLive`. */
export async function createLiveLine(
  { palette, stream }: Messages,
  color: 'cyan' | 'red' = 'cyan',
): Promise<Ora> {
  // Imported late, because ora takes longer to load than everything else.
  const { default: ora } = await import('ora');
  return ora({
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
}

/** Returns the number of columns for the text of a live line. */
export function liveTextWidth({ stream }: Messages): number {
  return Math.max(stream.columns - SPINNER_COLUMNS, 0);
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
