import { escapeUnsafe, type ReadProblem } from '../../index.js';
import type { Messages } from './terminal.js';

/** So many complaints are shown one by one; of more only the number. */
const MAX_SHOWN = 10;

/** Says what is wrong with a recording, without flooding the terminal. */
export class ProblemMessages {
  readonly #messages: Messages;
  #count = 0;

  constructor(messages: Messages) {
    this.#messages = messages;
  }

  /** For `onProblem` of `readRecording`. */
  readonly onProblem = ({ message }: ReadProblem): void => {
    this.#count++;
    if (this.#count <= MAX_SHOWN) this.#messages.warn(escapeUnsafe(message));
  };

  /** Says how many were not shown. */
  end(): void {
    const left = this.#count - MAX_SHOWN;
    if (left > 0) this.#messages.warn(`… and ${left} more ${left === 1 ? 'problem' : 'problems'}`);
  }
}
