import { escapeUnsafe, OpmasError } from '../../index.js';
import type { Session } from '../session.js';
import { takeKeys } from './raw-keys.js';
import { inputIsTerminal } from './standard-streams.js';

const CTRL_D = '\u0004';
const CTRL_U = '\u0015';
const BACKSPACE = /[\b\u007f]/;
const LINE_END = /[\r\n]/;
const CONTROL = /[\u0000-\u001f\u007f]/;

/**
 * Asks questions on the terminal. Turns its echo off until it is disposed of, so that text typed ahead of a question is
 * not shown either.
 */
export class Prompt implements Disposable {
  readonly #restore: () => void;
  /** Keys that were pressed ahead of the next question. */
  #ahead: string[] = [];
  #onKey: ((key: string) => void) | undefined;
  #onEnd: () => void = () => undefined;
  #ended = false;

  /** @param signal Ends the prompt. */
  constructor(
    private readonly output: NodeJS.WritableStream,
    signal: AbortSignal,
  ) {
    this.#restore = takeKeys(signal, (key) => this.#take(key));
    const end = () => {
      this.#ended = true;
      this.#onEnd();
    };
    process.stdin.once('end', end).once('error', end);
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
  }

  /** @returns The answer; `undefined` when stopped, or when the input ends before any text. */
  async ask(question: string, { hidden = false } = {}): Promise<string | undefined> {
    if (this.#ended) return undefined;
    this.output.write(question);
    const answer = await this.#readLine(hidden);
    // The terminal is restored later where it still takes a line: another prompt may have begun by then.
    await new Promise<void>((resolve) => this.output.write('\n', () => resolve()));
    return answer;
  }

  [Symbol.dispose](): void {
    this.#restore();
    const { stdin } = process;
    // Kept for a later prompt.
    if (this.#ahead.length > 0 && !stdin.readableEnded) stdin.unshift(this.#ahead.join(''));
  }

  #take(key: string): void {
    if (this.#onKey === undefined) this.#ahead.push(key);
    else this.#onKey(key);
  }

  #readLine(hidden: boolean): Promise<string | undefined> {
    return new Promise((resolve) => {
      let line = '';
      const finish = (answer: string | undefined) => {
        this.#onKey = undefined;
        resolve(answer);
      };
      this.#onEnd = () => finish(undefined);
      this.#onKey = (key) => {
        if (LINE_END.test(key)) return finish(line);
        if (key === CTRL_D && line === '') return finish(undefined);
        const before = line;
        line = edit(line, key);
        if (!hidden) this.output.write(echo(before, line));
      };
      for (const key of this.#ahead.splice(0)) this.#take(key);
    });
  }
}

function edit(line: string, key: string): string {
  if (BACKSPACE.test(key)) return [...line].slice(0, -1).join('');
  if (key === CTRL_U) return '';
  return CONTROL.test(key) ? line : line + key;
}

/** Returns the text that updates the terminal after an edit. */
function echo(before: string, after: string): string {
  if (after.length >= before.length) return after.slice(before.length);
  return '\b \b'.repeat([...before].length - [...after].length);
}

/** Returns a question for a passphrase, which is not shown. `undefined` without a terminal to ask on. */
export function passphrasePrompt({
  terminal: { messages },
  stop,
}: Session): ((question: string) => Promise<string | undefined>) | undefined {
  if (!inputIsTerminal() || !messages.isTerminal) return undefined;
  return async (question) => {
    using prompt = new Prompt(messages.stream, stop);
    const answer = await prompt.ask(escapeUnsafe(question), { hidden: true });
    if (answer === undefined && !stop.aborted) throw new OpmasError('USAGE', 'no passphrase was given');
    return answer;
  };
}
