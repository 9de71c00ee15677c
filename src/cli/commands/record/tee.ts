import type { LineBatch } from '../../../index.js';
import { withoutLifecycleLines } from '../../../internal.js';
import { createLinePrinter } from '../../stream/line-printer.js';
import type { DataOutput, Messages } from '../../terminal/terminal.js';

/** Prints beside the recording what `tail` would print. */
export interface SidePrinter {
  /** Takes a copy; never waits. */
  print(batch: LineBatch): void;
  /** Lines that were taken and are not printed yet, or were left out for being too many. */
  readonly waiting: number;
  /** Waits until all that was taken is printed. */
  end(): Promise<void>;
}

/** How much a stopped terminal is told when it goes on; more only scrolls by. */
const TERMINAL_BACKLOG_BYTES = 1024 * 1024;

/**
 * Prints at the reader's pace, so that a slow one never holds up the recording: what it does not take is kept up to a
 * limit, and above it is left out and counted.
 *
 * @param maxBytes The limit for readers that are no terminal.
 */
export async function createSidePrinter(
  out: DataOutput,
  messages: Messages,
  maxBytes: number | undefined,
): Promise<SidePrinter> {
  const printLines = await createLinePrinter(out, { format: 'auto' });
  const limit = out.isTerminal ? TERMINAL_BACKLOG_BYTES : (maxBytes ?? Number.POSITIVE_INFINITY);
  const queue: LineBatch[] = [];
  let pending = 0;
  let leftOut = 0;
  let waiting = 0;
  let printing: Promise<void> | undefined;

  const printQueue = async () => {
    for (let batch = queue.shift(); batch !== undefined; batch = queue.shift()) {
      await printLines(batch);
      pending -= batch.bytes.length;
      waiting -= batch.count;
      if (queue.length > 0 || leftOut === 0) continue;
      messages.warn(`${leftOut} lines were recorded but not printed: the output was not taken`);
      leftOut = 0;
    }
    printing = undefined;
  };

  return {
    print(batch) {
      const { bytes, count } = withoutLifecycleLines(batch);
      if (count === 0 || out.closed) return;
      if (pending > 0 && pending + bytes.length > limit) {
        leftOut += count;
        return;
      }
      pending += bytes.length;
      waiting += count;
      queue.push({ bytes: Buffer.from(bytes), count });
      // A failure of stdout is found by whoever ends the session.
      printing ??= printQueue().catch(() => undefined);
    },
    get waiting() {
      return waiting + leftOut;
    },
    end: async () => printing,
  };
}
