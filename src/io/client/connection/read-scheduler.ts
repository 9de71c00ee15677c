import { setImmediate } from 'node:timers';

/** The most that one read brings; after such a read there is mostly more. */
const FULL_READ_BYTES = 64 * 1024;

/** Connections that have more to read, in the order in which they came. One queue, as there is one event loop. */
const waiting: (() => void)[] = [];
let isScheduled = false;

/** Calls back in a later turn of the event loop; of several callers, one in each turn. */
export function scheduleRead(resume: () => void): void {
  waiting.push(resume);
  schedule();
}

function schedule(): void {
  if (isScheduled || waiting.length === 0) return;
  isScheduled = true;
  setImmediate(() => {
    isScheduled = false;
    const resume = waiting.shift();
    schedule();
    resume?.();
  });
}

/**
 * Pauses and resumes a socket: for its owner, and after each full read, so that the rest of what has come waits for a
 * later turn of the event loop. Otherwise a fast server would keep a turn for megabytes, and output, timers and other
 * connections would stand still meanwhile.
 */
export class ReadControl {
  isPaused = false;
  #waitsForTurn = false;

  constructor(private readonly socket: { pause(): void; resume(): void }) {}

  pause(): void {
    this.isPaused = true;
    this.socket.pause();
  }

  resume(): void {
    this.isPaused = false;
    // A connection that waits for its turn keeps its place in the queue; another would be at the cost of the others.
    if (!this.#waitsForTurn) this.socket.resume();
  }

  /** Takes note of a read of so many bytes. */
  afterRead(bytes: number): void {
    if (bytes < FULL_READ_BYTES || this.isPaused) return;
    this.socket.pause();
    this.#waitsForTurn = true;
    scheduleRead(() => {
      this.#waitsForTurn = false;
      if (!this.isPaused) this.socket.resume();
    });
  }
}
