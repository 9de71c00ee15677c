import type { LineBatch } from './line.js';
import { LineView } from './line-view.js';

/** What stands in each lifecycle line that we write; events may hold it too. */
const MARK = Buffer.from('"connection":{"state":"');
const LF = 0x0a;

/**
 * Finds the lifecycle lines among whole lines that we wrote. The search is native and finds little, so it costs next
 * to nothing for events.
 *
 * @param visit Gets each in turn; the line begins at `line.start` and its line feed stands at `line.end`.
 */
export function findLifecycleLines(bytes: Buffer, visit: (line: LineView) => void): void {
  let found = bytes.indexOf(MARK);
  if (found < 0) return;
  const line = new LineView();
  while (found >= 0) {
    const start = found === 0 ? 0 : bytes.lastIndexOf(LF, found - 1) + 1;
    const feed = bytes.indexOf(LF, found);
    const end = feed < 0 ? bytes.length : feed;
    if (line.read(bytes, start, end) === 'connection') visit(line);
    found = bytes.indexOf(MARK, end);
  }
}

/** The batch without its lifecycle lines; the same batch when it has none. */
export function withoutLifecycleLines(batch: LineBatch): LineBatch {
  if (batch.onlyEvents) return batch;
  const kept: Buffer[] = [];
  let count = batch.count;
  let at = 0;
  findLifecycleLines(batch.bytes, ({ start, end }) => {
    kept.push(batch.bytes.subarray(at, start));
    at = end + 1;
    count--;
  });
  if (count === batch.count) return batch;
  kept.push(batch.bytes.subarray(at));
  return { bytes: Buffer.concat(kept), count };
}
