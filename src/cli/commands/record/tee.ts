import type { LineBatch } from '../../../index.js';
import { withoutLifecycleLines } from '../../../internal.js';
import { createLinePrinter } from '../../stream/line-printer.js';
import type { DataOutput, Messages } from '../../terminal/terminal.js';

/** Prints the recorded events as `tail` would. */
export interface Tee {
  /** Prints a copy of the batch; never waits. */
  print(batch: LineBatch): void;
  /** Names the lines that are not printed yet, or were skipped; `undefined` when there are none. */
  lossText(): string | undefined;
  /** Waits until all lines are printed. */
  end(): Promise<void>;
}

/** Buffer limit for a stopped terminal; more would only scroll by. */
const TERMINAL_BACKLOG_BYTES = 1024 * 1024;

/**
 * Creates a tee that prints at the reader's speed and never delays the recording: lines are buffered up to a limit,
 * and further lines are skipped and counted.
 *
 * @param maxBytes Buffer limit for pipes and files. @param utc Print times in UTC.
 */
export async function createTee(
  out: DataOutput,
  messages: Messages,
  maxBytes: number | undefined,
  utc = false,
): Promise<Tee> {
  const printLines = await createLinePrinter(out, { format: 'auto', utc });
  const limit = out.isTerminal ? TERMINAL_BACKLOG_BYTES : (maxBytes ?? Number.POSITIVE_INFINITY);
  const queue: LineBatch[] = [];
  let pending = 0;
  let skipped = 0;
  let waiting = 0;
  let printing: Promise<void> | undefined;

  const printQueue = async () => {
    for (let batch = queue.shift(); batch !== undefined; batch = queue.shift()) {
      await printLines(batch);
      pending -= batch.bytes.length;
      waiting -= batch.count;
      if (queue.length > 0 || skipped === 0) continue;
      messages.warn(`${skipped} lines were recorded but not printed: the output was not read`);
      skipped = 0;
    }
    printing = undefined;
  };

  return {
    print(batch) {
      const { bytes, count } = withoutLifecycleLines(batch);
      if (count === 0 || out.closed || out.failure !== undefined) return;
      if (pending > 0 && pending + bytes.length > limit) {
        skipped += count;
        return;
      }
      pending += bytes.length;
      waiting += count;
      queue.push({ bytes: Buffer.from(bytes), count });
      // The end of the session reports a failure of stdout.
      printing ??= printQueue().catch(() => undefined);
    },
    lossText() {
      const left = waiting + skipped;
      return left === 0 ? undefined : `${left} lines were recorded but not printed: stdout was not read`;
    },
    end: async () => printing,
  };
}
