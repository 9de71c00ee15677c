import { OpmasError } from '../../core/errors.js';
import { checkOptions, each } from '../../core/options.js';
import { BatchBuilder } from '../../core/recording/encoder.js';
import { CONTEXT_RULE, type ContextOptions, checkContext } from '../../core/recording/event-context.js';
import type { LineBatch } from '../../core/recording/format.js';
import type { LineView } from '../../core/recording/line-view.js';
import { type RecordingReport, RecordingStatistics } from '../../core/statistics/recording-statistics.js';
import { READ_RULES, type ReadOptions } from './open-sources.js';
import { openPart, PART_RULES, type PartOptions, partOf } from './part.js';
import { readAround } from './read-context.js';
import { isDamage, type ReadProblem } from './read-problems.js';

const BATCH_BYTES = 256 * 1024;

/** Options of {@link readRecording}, all optional. */
export interface ReadRecordingOptions extends ReadOptions, PartOptions, ContextOptions {
  /** Labels of the endpoints whose lines are wanted: `devices`, or a path. Default: all. */
  endpoints?: readonly string[] | undefined;
  /** Wait for further lines at the end of the files until `signal` is aborted, across rotation and truncation. */
  follow?: boolean | undefined;
  /** End after so many events that the filter keeps, and the context after the last. Default: no limit. */
  count?: number | undefined;
  /** Memory for the events of `last` and `before`. Default 64 MiB. */
  maxBufferBytes?: number | undefined;
  /** Decides for each line that the filter keeps whether the batches contain it. The view is valid during the call only. Default: all. */
  keep?: ((line: LineView) => boolean) | undefined;
  /** Called with each line before `from`, and each lifecycle line before those that `last` leaves, of any endpoint. The view is valid during the call only. */
  onBefore?: ((line: LineView) => void) | undefined;
}

/**
 * Reads recordings in batches of whole lines, in constant memory; several sources are merged by time. Lines are given
 * as they stand, without byte order marks, blank lines and carriage returns at their ends.
 *
 * @param sources Paths; `-` is standard input. Nothing is opened before the iteration begins; then all are.
 * @throws {OpmasError} `USAGE`, at once, for wrong options. From the iteration, as `RecordingReader.open` and `fill` do: `USAGE`, `LOCAL` or `DATA`.
 */
export function readRecording(
  sources: string | readonly string[],
  options: ReadRecordingOptions = {},
): AsyncGenerator<LineBatch, void, undefined> {
  checkOptions('readRecording', options, {
    ...READ_RULES,
    ...PART_RULES,
    ...each(true, 'keep', 'onBefore', 'endpoints', 'follow', 'maxBufferBytes'),
    ...each(CONTEXT_RULE, 'before', 'after'),
    count: [(count) => count > 0, 'must be a number above 0'],
  });
  partOf(options);
  if (checkContext(options)) {
    if (options.last === undefined) return readBatchesAround(sources, options);
    throw new OpmasError('USAGE', '`last` goes with neither `before` nor `after`', {
      hint: 'Choose the part by its time, with `from`.',
    });
  }
  return readBatches(sources, options);
}

async function* readBatchesAround(
  sources: string | readonly string[],
  options: ReadRecordingOptions,
): AsyncGenerator<LineBatch, void, undefined> {
  const paths = typeof sources === 'string' ? [sources] : sources;
  await using reader = await openPart(paths, { ...options, filter: undefined });
  yield* readAround(reader, BATCH_BYTES, options);
}

async function* readBatches(
  sources: string | readonly string[],
  { keep, count = Number.POSITIVE_INFINITY, ...options }: ReadRecordingOptions,
): AsyncGenerator<LineBatch, void, undefined> {
  const paths = typeof sources === 'string' ? [sources] : sources;
  const batch = new BatchBuilder(BATCH_BYTES);
  let left = count;
  await using reader = await openPart(paths, options);
  do {
    for (let line = reader.next(); line !== undefined && left > 0; line = reader.next()) {
      if (line.kind === 'event') left--;
      try {
        if (keep !== undefined && !keep(line)) continue;
      } catch (error) {
        // A filter that fails at this line has judged the lines before.
        if (batch.count > 0) yield batch.take();
        throw error;
      }
      const { bytes, start, end, kind, connection, endpoint = '' } = line;
      if (!batch.hasRoomFor(end - start + 1)) {
        yield batch.take();
        if (options.signal?.aborted) return;
      }
      const isLifecycle = kind === 'connection' && connection !== undefined;
      batch.addLine(bytes, start, end, isLifecycle ? { endpoint, connection } : undefined);
    }
    if (batch.count > 0) yield batch.take();
  } while (left > 0 && (await reader.fill()));
}

/** Statistics of a recording, and its damage. */
export interface InspectedRecording extends RecordingReport {
  /** Number of skipped lines that are not JSON objects, and of holes of zero bytes. */
  badLines: number;
  /** `true` when the last line or the gzip data is torn. */
  tornTail: boolean;
}

/**
 * Computes the statistics of recordings in one pass and in constant memory.
 *
 * @param sources Paths; `-` is standard input. Several are merged by time.
 * @throws {OpmasError} As {@link RecordingReader}.
 */
export async function inspectRecording(
  sources: string | readonly string[],
  options: ReadOptions & PartOptions = {},
): Promise<InspectedRecording> {
  checkOptions('inspectRecording', options, { ...READ_RULES, ...PART_RULES });
  const statistics = new RecordingStatistics();
  let badLines = 0;
  let tornTail = false;
  const onProblem = (problem: ReadProblem) => {
    if (problem.kind.startsWith('torn')) tornTail = true;
    else if (problem.kind !== 'empty' && isDamage(problem)) badLines++;
    options.onProblem?.(problem);
  };
  const paths = typeof sources === 'string' ? [sources] : sources;
  /** A line of the part has come; those before it only tell how the endpoints stand. */
  let hasBegun = false;
  const onBefore = (line: LineView) => {
    if (!hasBegun) statistics.addBefore(line);
  };
  await using reader = await openPart(paths, { ...options, onProblem, onBefore, noteData: true });
  const { window } = reader;
  const begin = (at: number) => {
    hasBegun = true;
    const start = options.last === undefined ? window?.start : Math.max(window?.start ?? at, at);
    if (start !== undefined && start > Number.NEGATIVE_INFINITY) statistics.beginAt(start);
  };
  await reader.visit((line) => {
    if (!hasBegun) begin(line.receivedAt);
    statistics.add(line);
  });
  if (!hasBegun) begin(Number.NEGATIVE_INFINITY);
  const goesOn = window?.last !== undefined && window.last > window.end;
  return { ...statistics.finish(goesOn ? window.end : undefined), badLines, tornTail };
}
