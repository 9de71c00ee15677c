/** Connections that have more to read, in the order in which they came. */
const waiting: (() => void)[] = [];
let isScheduled = false;

/**
 * Lets a connection read on in a later turn of the event loop; of several, one in each turn. What one read of a fast
 * server brings is as much as the output takes in a turn, so that neither waits for the other. One queue for the
 * process, as there is one event loop.
 */
export function readInTurn(resume: () => void): void {
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
