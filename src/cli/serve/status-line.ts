import type { Messages } from '../terminal.js';

const LIVE_EVERY_MS = 250;
const PLAIN_EVERY_MS = 10_000;
/** The spinner, a blank, and the last column, in which some terminals would wrap. */
const SPINNER_COLUMNS = 3;

/**
 * Says on stderr what a server is doing: on a terminal in one live line, elsewhere in a line every 10 s if anything
 * has changed.
 *
 * @param describe The state in a few words, in ASCII and without colours: it is cut to the width.
 * @returns What ends it.
 */
export async function showStatus(messages: Messages, describe: () => string): Promise<() => void> {
  if (messages.canShowLive) {
    const { default: ora } = await import('ora');
    const { palette, stream } = messages;
    const text = () => describe().slice(0, Math.max(stream.columns - SPINNER_COLUMNS, 0));
    const spinner = ora({
      stream,
      isEnabled: true,
      text: text(),
      color: palette.enabled ? 'cyan' : false,
      // Else it would put the terminal of stdin into another mode.
      discardStdin: false,
    }).start();
    const timer = setInterval(() => {
      spinner.text = text();
    }, LIVE_EVERY_MS);
    return () => {
      clearInterval(timer);
      spinner.stop();
    };
  }
  let last = describe();
  const timer = setInterval(() => {
    const text = describe();
    if (text !== last) messages.say(text);
    last = text;
  }, PLAIN_EVERY_MS);
  return () => clearInterval(timer);
}
