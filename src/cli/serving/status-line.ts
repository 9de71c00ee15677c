import { createLiveSpinner, spinnerTextWidth } from '../terminal/live-line.js';
import type { Messages } from '../terminal/terminal.js';

const LIVE_EVERY_MS = 250;
const PLAIN_EVERY_MS = 10_000;

/**
 * Says on stderr what a server is doing: on a terminal in one live line, elsewhere in a line every 10 s if anything
 * has changed.
 *
 * @param describe The state in a few words, in ASCII and without colours: it is cut to the width.
 * @returns What ends it.
 */
export async function showStatus(messages: Messages, describe: () => string): Promise<() => void> {
  if (messages.canShowLive) {
    const text = () => describe().slice(0, spinnerTextWidth(messages));
    const spinner = await createLiveSpinner(messages);
    spinner.start(text());
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
