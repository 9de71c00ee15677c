import { open, stat } from 'node:fs/promises';
import { OpmasError } from '../../core/errors.js';
import { isStreamAddress } from '../../core/jetstream/address.js';
import { LineView } from '../../core/recording/line-view.js';
import type { StreamOptions } from '../jetstream/target.js';
import { RecordingReader } from './reader.js';
import { isGzip } from './source.js';

/** Bytes that are read at a time from the end of a file. */
const BACK_BYTES = 64 * 1024;
/** A longer line is no line of a recording. */
const MOST_LINE_BYTES = 64 * 1024 ** 2;
const LF = 0x0a;

/** Time of the last line of recordings, in microseconds since 1970; `NaN` when none has a time. */
export async function endOf(
  paths: readonly string[],
  signal?: AbortSignal,
  nats?: StreamOptions,
): Promise<number> {
  let end = Number.NaN;
  for (const path of paths) {
    const last = isStreamAddress(path)
      ? await lastTimeStored(path, nats)
      : ((await lastTime(path)) ?? (await lastTimeRead(path, signal)));
    // NaN compares as false.
    if (!(last <= end)) end = Number.isNaN(last) ? end : last;
  }
  return end;
}

/**
 * Time of the last line of a plain file that has one, found from its end.
 *
 * @returns Microseconds since 1970; `undefined` when only reading the whole file can tell.
 */
export async function lastTime(path: string): Promise<number | undefined> {
  let time = Number.NaN;
  const found = await searchBack(path, ({ receivedAt }) => {
    time = receivedAt;
    return !Number.isNaN(time);
  });
  return found === undefined ? undefined : time;
}

async function lastTimeStored(address: string, nats: StreamOptions | undefined): Promise<number> {
  const { lastLineOf } = await import('../jetstream/stream-source.js');
  const bytes = await lastLineOf(address, nats);
  const line = new LineView();
  if (bytes === undefined || line.read(bytes, 0, bytes.length) === undefined) return Number.NaN;
  return line.receivedAt;
}

async function lastTimeRead(path: string, signal: AbortSignal | undefined): Promise<number> {
  let last = Number.NaN;
  await using reader = await RecordingReader.open([path], { skipJsonCheck: true, checkTimes: false, signal });
  try {
    await reader.visit(({ receivedAt }) => {
      if (!Number.isNaN(receivedAt)) last = receivedAt;
    });
  } catch (error) {
    // Damage of the data is reported when its lines are read.
    if (!(error instanceof OpmasError && error.code === 'DATA')) throw error;
  }
  return last;
}

/** Finds the offsets in plain files, and the numbers of messages in streams, from which on there are so many events. */
export async function startsOf(
  paths: readonly string[],
  events: number,
  nats?: StreamOptions,
): Promise<ReadonlyMap<string, number>> {
  const starts = new Map<string, number>();
  for (const path of paths) {
    let left = events;
    const start = isStreamAddress(path)
      ? await (await import('../jetstream/stream-source.js')).startOf(path, events, nats)
      : await searchBack(path, ({ kind }) => kind === 'event' && --left === 0);
    if (start !== undefined) starts.set(path, start);
  }
  return starts;
}

/**
 * Goes through the lines of a plain file from its end.
 *
 * @returns The offset of the first line for which `isFound` returns true, else 0; `undefined` when the file cannot be
 *   read in this way.
 */
async function searchBack(path: string, isFound: (line: LineView) => boolean): Promise<number | undefined> {
  try {
    // Opening a named pipe would wait for its writer.
    if (!(await stat(path)).isFile()) return undefined;
    await using handle = await open(path, 'r');
    if (await isGzip(handle)) return undefined;
    const line = new LineView();
    /** Bytes that were not searched yet, and the end of the line that goes over their end. */
    let left = (await handle.stat()).size;
    let rest: Buffer = Buffer.alloc(0);
    while (left > 0) {
      const length = Math.min(Math.max(BACK_BYTES, rest.length), left);
      left -= length;
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafeSlow(length), 0, length, left);
      // Someone else has cut the file meanwhile.
      if (bytesRead < length) return undefined;
      const block = Buffer.concat([buffer, rest]);
      let end = block.length;
      for (;;) {
        const feed = end === 0 ? -1 : block.lastIndexOf(LF, end - 1);
        if (feed < 0 && left > 0) break;
        if (line.read(block, feed + 1, end) !== undefined && isFound(line)) return left + feed + 1;
        if (feed < 0) return 0;
        end = feed;
      }
      rest = block.subarray(0, end);
      if (rest.length > MOST_LINE_BYTES) return undefined;
    }
    return 0;
  } catch {
    // The reader tells of a file that cannot be read.
    return undefined;
  }
}
