import { open } from 'node:fs/promises';
import { LineView } from '../../core/recording/line-view.js';
import { pointOf } from '../../core/replay/time-window.js';
import type { Programme } from './read-frames.js';
import type { Beginning } from './survey.js';

/** The last line of a recording is looked for in so many bytes at its end. */
const TAIL_BYTES = 64 * 1024;
const LF = 0x0a;

/**
 * How long a replay takes, at its own speed, without reading the recording: from the time of its last line.
 *
 * @returns Microseconds; `undefined` when that can't be told (compressed files, loops, a rate, cut gaps).
 */
export async function scheduleLength(
  programme: Programme,
  { firstLine, firstEvent }: Beginning,
): Promise<number | undefined> {
  const { sources, pace, passes, from, to } = programme;
  if (pace.rate !== undefined || pace.maxGap !== undefined || passes > 1) return undefined;
  const lastTimes = await Promise.all(sources.map(lastTime));
  // Without them, what happened to connections takes no time.
  const first = programme.lifecycle ? firstLine : firstEvent;
  const start = Math.max(first, pointOf(from, firstLine) ?? first);
  const length = Math.min(Math.max(...lastTimes), pointOf(to, firstLine) ?? Number.POSITIVE_INFINITY) - start;
  return length >= 0 ? length : undefined;
}

/** Time of the last whole line, or `NaN`. */
async function lastTime(path: string): Promise<number> {
  const handle = await open(path, 'r').catch(() => undefined);
  if (handle === undefined) return Number.NaN;
  try {
    const { size } = await handle.stat();
    const start = Math.max(0, size - TAIL_BYTES);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, start);
    return timeOfLastLine(buffer.subarray(0, bytesRead));
  } catch {
    // What is wrong with it is told by whoever reads it.
    return Number.NaN;
  } finally {
    await handle.close();
  }
}

function timeOfLastLine(tail: Buffer): number {
  const line = new LineView();
  for (let end = tail.lastIndexOf(LF); end >= 0; ) {
    const before = end === 0 ? -1 : tail.lastIndexOf(LF, end - 1);
    if (line.read(tail, before + 1, end) !== undefined) return line.receivedAt;
    end = before;
  }
  return Number.NaN;
}
