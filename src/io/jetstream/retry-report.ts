import type { OpmasError } from '../../core/errors.js';
import { monotonicMs } from '../clock.js';

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 5000;
/** A failure that comes back sooner is not told again. */
const TELL_AGAIN_MS = 60_000;

/** Returns the wait before another attempt. @param failures Number of failures in a row before. */
export function retryDelayMs(failures: number): number {
  return Math.min(FIRST_DELAY_MS * 2 ** failures, LONGEST_DELAY_MS);
}

/** Chooses the failures to tell of those that are tried again: each once, while it holds on. */
export class RetryReport {
  #what = '';
  #toldMs = Number.NEGATIVE_INFINITY;
  #holdsOn = false;

  /** Returns the sentence for a failure, if it is to be told. @param renews The login is read from its file again. */
  sentenceFor({ code, message }: OpmasError, renews: boolean): string | undefined {
    // A server words a refusal in several ways.
    const what = code === 'AUTH' ? code : message;
    const nowMs = monotonicMs();
    // A stream that is full has room for single lines from time to time.
    if (what === this.#what && (this.#holdsOn || nowMs - this.#toldMs < TELL_AGAIN_MS)) return undefined;
    this.#what = what;
    this.#toldMs = nowMs;
    this.#holdsOn = true;
    return `${message}; ${code === 'AUTH' && renews ? 'reading the file and ' : ''}trying again`;
  }

  /** Call when all works. @returns Whether a failure that was told is over with that. */
  isOver(): boolean {
    const wasTold = this.#holdsOn;
    this.#holdsOn = false;
    return wasTold;
  }
}
