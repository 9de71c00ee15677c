import { readFileSync } from 'node:fs';
import { isWriting } from './blocking-write-stream.js';
import { inputIsTerminal } from './standard-streams.js';

/** In raw mode the terminal turns no keys into signals. */
const SIGNALS: Readonly<Record<string, NodeJS.Signals>> = {
  '\x03': 'SIGINT',
  '\x1c': 'SIGQUIT',
  '\x1a': 'SIGTSTP',
};
const RETRY_MS = 50;
const keyPattern = /\x1b(?:\[[\d;]*[~A-Za-z]|O[A-Z])|./gsu;

/**
 * Reads single keys with {@link takeKeys}.
 *
 * @returns A function that restores the terminal; `undefined` when stdin is not a terminal or belongs to another job.
 */
export function readKeys(stop: AbortSignal, onKey: (key: string) => void): (() => void) | undefined {
  return inputIsTerminal() && isForeground() ? takeKeys(stop, onKey) : undefined;
}

/**
 * Reads single keys from the terminal on stdin, which shows none of them. Ctrl-C, Ctrl-\ and Ctrl-Z work as always.
 *
 * @param stop Restores the terminal, because a second signal ends the process at once.
 * @param onKey Gets a character, or the escape sequence of a key that has none: `\x1b[A`.
 * @returns A function that restores the terminal, as the end of the process does.
 */
export function takeKeys(stop: AbortSignal, onKey: (key: string) => void): () => void {
  const { stdin } = process;
  const setRaw = (raw: boolean) => {
    stdin.setRawMode(raw);
    if (raw) stdin.resume();
    else stdin.pause();
  };
  const onKeys = (keys: string) => {
    for (const [key] of keys.matchAll(keyPattern)) {
      const signal = SIGNALS[key];
      if (signal === undefined) {
        onKey(key);
        continue;
      }
      if (signal === 'SIGINT') {
        // On Windows, a signal would end the process without its handlers.
        process.emit(signal, signal);
        return;
      }
      setRaw(false);
      process.kill(process.pid, signal);
      // It has gone on by now, or cannot be stopped, as in a container; a handler may stop it later.
      if (process.listenerCount(signal) === 0) onContinue();
    }
  };
  let isOver = false;
  const onContinue = () => {
    if (isOver) return;
    // A shell does not say when it brings a job that runs to the foreground.
    if (isForeground()) setRaw(true);
    else setTimeout(onContinue, RETRY_MS);
  };
  const restore = () => {
    isOver = true;
    stdin.off('data', onKeys).pause();
    process.off('SIGCONT', onContinue);
    stop.removeEventListener('abort', restore);
    // The system lets this wait for a write to the terminal, and a terminal that is not read takes none.
    if (isWriting()) {
      setTimeout(restore, RETRY_MS).unref();
      return;
    }
    process.off('exit', restore);
    setRaw(false);
  };
  stdin.setEncoding('utf8').on('data', onKeys);
  process.on('SIGCONT', onContinue);
  process.on('exit', restore);
  stop.addEventListener('abort', restore);
  setRaw(true);
  return restore;
}

/**
 * Returns true for a foreground job: the system stops a background job that changes the terminal or reads from it.
 * Only Linux can tell; elsewhere the answer is always true.
 */
export function isForeground(): boolean {
  try {
    // After the name in parentheses: state, parent, process group, session, terminal, the terminal's process group.
    const [, , group, , , owner] = readFileSync('/proc/self/stat', 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    return group === owner;
  } catch {
    return true;
  }
}
