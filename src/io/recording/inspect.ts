import { type RecordingReport, RecordingStatistics } from '../../core/statistics/recording-statistics.js';
import type { ReadProblem } from './read-problems.js';
import { type ReadOptions, RecordingReader } from './reader.js';

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
  options: ReadOptions = {},
): Promise<InspectedRecording> {
  const statistics = new RecordingStatistics();
  let badLines = 0;
  let tornTail = false;
  const onProblem = (problem: ReadProblem) => {
    if (problem.kind.startsWith('torn')) tornTail = true;
    else if (problem.kind !== 'empty') badLines++;
    options.onProblem?.(problem);
  };
  const paths = typeof sources === 'string' ? [sources] : sources;
  await using reader = await RecordingReader.open(paths, { ...options, onProblem });
  await reader.visit((line) => statistics.add(line));
  return { ...statistics.finish(), badLines, tornTail };
}
