import type { Ora } from 'ora';
import type { Messages } from './terminal.js';

/** Columns for the spinner, a space, and the last column, after which some terminals wrap. */
const SPINNER_COLUMNS = 3;

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
