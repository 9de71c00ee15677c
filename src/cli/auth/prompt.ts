import type { ReadStream } from 'node:tty';

export interface PromptOptions {
  input: ReadStream;
  output: NodeJS.WritableStream;
  /** Ends the question. */
  signal: AbortSignal;
}

const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const CTRL_U = '\u0015';
const BACKSPACE = /[\b\u007f]/;
const LINE_END = /[\r\n]/;
const CONTROL = /[\u0000-\u001f\u007f]/;

/**
 * Asks questions on a terminal. Echo is off only while a question waits for its answer; it comes back whatever ends the
 * question: the answer, Ctrl-C, a signal, an error.
 */
export class Prompt {
  readonly #options: PromptOptions;
  /** What was typed or pasted ahead of the next question. */
  #ahead = '';

  constructor(options: PromptOptions) {
    this.#options = options;
  }

  /** @returns The answer; `undefined` when it was stopped, or the input ended before anything was typed. */
  async ask(question: string, { hidden = false } = {}): Promise<string | undefined> {
    const { input, output, signal } = this.#options;
    if (signal.aborted) return undefined;
    output.write(question);
    const restore = () => {
      input.setRawMode(false);
      input.pause();
    };
    process.once('exit', restore);
    input.setRawMode(true);
    input.setEncoding('utf8');
    try {
      return await this.#readLine(hidden);
    } finally {
      restore();
      process.off('exit', restore);
      output.write('\n');
    }
  }

  #readLine(hidden: boolean): Promise<string | undefined> {
    const { input, output, signal } = this.#options;
    return new Promise((resolve) => {
      let line = '';
      const finish = (answer: string | undefined) => {
        input.off('data', onData).off('end', onEnd).off('error', onEnd);
        signal.removeEventListener('abort', onEnd);
        resolve(answer);
      };
      const onEnd = () => finish(undefined);
      const onData = (text: string) => {
        const characters = [...text];
        for (const [index, character] of characters.entries()) {
          if (LINE_END.test(character)) {
            this.#ahead = characters.slice(index + 1).join('');
            return finish(line);
          }
          if (character === CTRL_C) return interrupt(onEnd);
          if (character === CTRL_D && line === '') return finish(undefined);
          const before = line;
          line = edit(line, character);
          if (!hidden) output.write(echo(before, line));
        }
      };
      input.on('data', onData).once('end', onEnd).once('error', onEnd);
      signal.addEventListener('abort', onEnd, { once: true });
      const ahead = this.#ahead;
      this.#ahead = '';
      if (ahead !== '') onData(ahead);
      input.resume();
    });
  }
}

/** In raw mode the terminal sends no signal, so it is passed on to whoever handles it. */
function interrupt(onEnd: () => void): void {
  process.emit('SIGINT', 'SIGINT');
  onEnd();
}

function edit(line: string, character: string): string {
  if (BACKSPACE.test(character)) return [...line].slice(0, -1).join('');
  if (character === CTRL_U) return '';
  return CONTROL.test(character) ? line : line + character;
}

/** What makes the terminal show the line after an edit. */
function echo(before: string, after: string): string {
  if (after.length >= before.length) return after.slice(before.length);
  return '\b \b'.repeat([...before].length - [...after].length);
}
