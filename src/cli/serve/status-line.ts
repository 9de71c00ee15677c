import type { Messages } from '../terminal.js';

const LIVE_EVERY_MS = 250;
const PLAIN_EVERY_MS = 10_000;

/**
 * Says on stderr what a server is doing: on a terminal in one live line, elsewhere in a line every 10 s if anything
 * has changed.
 *
 * @param describe The state in a few words; nothing foreign in it that is not escaped.
 * @returns What ends it.
 */
export async function showStatus(messages: Messages, describe: () => string): Promise<() => void> {
  if (messages.canShowLive) {
    const { default: ora } = await import('ora');
    // Without discardStdin, ora would put the terminal of stdin into another mode.
    const spinner = ora({ stream: process.stderr, discardStdin: false, text: describe() }).start();
    const timer = setInterval(() => {
      spinner.text = describe();
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
