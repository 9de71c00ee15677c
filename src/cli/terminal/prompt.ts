import type { ReadStream } from 'node:tty';
import { escapeUnsafe, OpmasError } from '../../index.js';
import type { Session } from '../session.js';
import { inputIsTerminal } from './standard-streams.js';

export interface PromptOptions {
  input: ReadStream;
  output: NodeJS.WritableStream;
  /** Ends the prompt. */
  signal: AbortSignal;
}

const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const CTRL_U = '\u0015';
const BACKSPACE = /[\b\u007f]/;
const LINE_END = /[\r\n]/;
const CONTROL = /[\u0000-\u001f\u007f]/;

/**
 * Asks questions on a terminal. Turns the terminal's echo off until it is disposed of, so that text typed ahead of a
 * question is not shown either. The echo is restored however the process ends.
 */
export class Prompt implements Disposable {
  readonly #restore: () => void;
  readonly #take = (text: string) => this.#onText(text);
  /** Text that was typed ahead of the next question. */
  #ahead = '';
  #onText: (text: string) => void = (text) => {
    this.#ahead += text;
  };
  #onEnd: () => void = () => undefined;
  #ended = false;

  constructor(private readonly options: PromptOptions) {
    const { input, signal } = options;
    this.#restore = () => input.setRawMode(false);
    process.once('exit', this.#restore);
    input.setRawMode(true);
    input.setEncoding('utf8');
    const end = () => {
      this.#ended = true;
      this.#onEnd();
    };
    input.on('data', this.#take);
    // An earlier prompt has paused it.
    input.resume();
    input.once('end', end).once('error', end);
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
  }

  /** @returns The answer; `undefined` when stopped, or when the input ends before any text. */
  async ask(question: string, { hidden = false } = {}): Promise<string | undefined> {
    const { output } = this.options;
    if (this.#ended) return undefined;
    output.write(question);
    const answer = await this.#readLine(hidden);
    output.write('\n');
    return answer;
  }

  [Symbol.dispose](): void {
    this.#restore();
    process.off('exit', this.#restore);
    const { input } = this.options;
    input.off('data', this.#take);
    input.pause();
    // Kept for a later prompt.
    if (this.#ahead !== '' && !input.readableEnded) input.unshift(this.#ahead);
  }

  #readLine(hidden: boolean): Promise<string | undefined> {
    const { output } = this.options;
    return new Promise((resolve) => {
      let line = '';
      const finish = (answer: string | undefined, rest = '') => {
        this.#ahead = rest;
        this.#onText = (text) => {
          this.#ahead += text;
        };
        resolve(answer);
      };
      this.#onEnd = () => finish(undefined);
      this.#onText = (text) => {
        const characters = [...text];
        for (const [index, character] of characters.entries()) {
          if (LINE_END.test(character)) return finish(line, characters.slice(index + 1).join(''));
          if (character === CTRL_C) return interrupt(this.#onEnd);
          if (character === CTRL_D && line === '') return finish(undefined);
          const before = line;
          line = edit(line, character);
          if (!hidden) output.write(echo(before, line));
        }
      };
      this.#onText(this.#ahead);
    });
  }
}

/** Sends the signal to its handlers: in raw mode the terminal does not. */
function interrupt(onEnd: () => void): void {
  process.emit('SIGINT', 'SIGINT');
  onEnd();
}

function edit(line: string, character: string): string {
  if (BACKSPACE.test(character)) return [...line].slice(0, -1).join('');
  if (character === CTRL_U) return '';
  return CONTROL.test(character) ? line : line + character;
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
    using prompt = new Prompt({ input: process.stdin, output: messages.stream, signal: stop });
    const answer = await prompt.ask(escapeUnsafe(question), { hidden: true });
    if (answer === undefined && !stop.aborted) throw new OpmasError('USAGE', 'no passphrase was given');
    return answer;
  };
}
