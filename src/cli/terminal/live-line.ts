import type { Ora } from 'ora';
import type { Messages } from './terminal.js';

/** Its sign, a blank, and the last column, in which some terminals would wrap. */
const SPINNER_COLUMNS = 3;

/** A line below the messages that is drawn again and again. Call it only where `messages.canShowLive`. */
export async function createLiveSpinner(
  { palette, stream }: Messages,
  color: 'cyan' | 'red' = 'cyan',
): Promise<Ora> {
  // Late, for ora takes longer to load than all the rest.
  const { default: ora } = await import('ora');
  return ora({
    stream,
    // Whether there can be a live line is decided already.
    isEnabled: true,
    // Else it would put the terminal of stdin into another mode.
    discardStdin: false,
    // Whoever stops or kills the program while it is hidden would have a shell without a cursor.
    hideCursor: false,
    // ora knows neither NO_COLOR nor our option.
    color: palette.enabled ? color : false,
  });
}

/** How many columns there are for its text. */
export function spinnerTextWidth({ stream }: Messages): number {
  return Math.max(stream.columns - SPINNER_COLUMNS, 0);
}
