import { checkOptions } from '../../core/options.js';
import type { LifecycleEntry, LineBatch } from '../../core/recording/format.js';
import type { LineView } from '../../core/recording/line-view.js';
import { type RecordingReport, RecordingStatistics } from '../../core/statistics/recording-statistics.js';
import type { ReadProblem } from './read-problems.js';
import { isDamage, READ_RULES, type ReadOptions, RecordingReader } from './reader.js';

/** Options of {@link readRecording}, all optional. */
export interface ReadRecordingOptions extends ReadOptions {
  /** Decides for each line whether the batches contain it. The view is valid during the call only. Default: all. */
  keep?: ((line: LineView) => boolean) | undefined;
}

/**
 * Reads recordings in batches of whole lines, in constant memory; several sources are merged by time. Lines are given
 * as they stand, without byte order marks, blank lines and carriage returns at their ends.
 *
 * @param sources Paths; `-` is standard input. Nothing is opened before the iteration begins; then all are.
 * @throws {OpmasError} `USAGE`, at once, for unknown options. From the iteration, as `RecordingReader.open` and `fill` do: `USAGE`, `LOCAL` or `DATA`.
 */
export function readRecording(
  sources: string | readonly string[],
  options: ReadRecordingOptions = {},
): AsyncGenerator<LineBatch, void, undefined> {
  checkOptions('readRecording', options, { ...READ_RULES, keep: true });
  return readBatches(sources, options);
}

async function* readBatches(
  sources: string | readonly string[],
  { keep, ...options }: ReadRecordingOptions,
): AsyncGenerator<LineBatch, void, undefined> {
  const paths = typeof sources === 'string' ? [sources] : sources;
  const batch = new BatchBuilder();
  await using reader = await RecordingReader.open(paths, options);
  do {
    for (let line = reader.next(); line !== undefined; line = reader.next()) {
      try {
        if (keep !== undefined && !keep(line)) continue;
      } catch (error) {
        // A filter that fails at this line has judged the lines before.
        if (!batch.isEmpty) yield batch.take();
        throw error;
      }
      if (!batch.hasRoomFor(line)) {
        yield batch.take();
        if (options.signal?.aborted) return;
      }
      batch.add(line);
    }
    if (!batch.isEmpty) yield batch.take();
  } while (await reader.fill());
}

const BATCH_BYTES = 256 * 1024;
const LF = 0x0a;

/** Copies lines into one block. */
class BatchBuilder {
  #block: Buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #used = 0;
  #count = 0;
  #lifecycle: LifecycleEntry[] | undefined;
  /** A block that was given back. */
  #spare: Buffer | undefined;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Returns `true` when the line fits; an empty batch takes a line of any length. */
  hasRoomFor({ start, end }: LineView): boolean {
    return this.isEmpty || this.#used + end - start + 1 <= this.#block.length;
  }

  add({ bytes, start, end, kind, connection, endpoint = '' }: LineView): void {
    const length = end - start + 1;
    if (length > this.#block.length) this.#block = Buffer.allocUnsafeSlow(length);
    const at = this.#used;
    this.#used += length;
    this.#count++;
    bytes.copy(this.#block, at, start, end);
    // The last line of a file and lines that end in CR LF have no LF of their own at this place.
    this.#block[this.#used - 1] = LF;
    if (kind !== 'connection' || connection === undefined) return;
    this.#lifecycle ??= [];
    this.#lifecycle.push({ endpoint, connection, start: at, end: this.#used });
  }

  take(): LineBatch {
    const block = this.#block;
    // A block is reused once per batch: two batches must never share one.
    let isHeld = block.length === BATCH_BYTES;
    const batch: LineBatch = {
      bytes: block.subarray(0, this.#used),
      count: this.#count,
      lifecycle: this.#lifecycle,
      release: () => {
        if (isHeld) this.#spare = block;
        isHeld = false;
      },
    };
    this.#block = this.#spare ?? Buffer.allocUnsafeSlow(BATCH_BYTES);
    this.#spare = undefined;
    this.#used = 0;
    this.#count = 0;
    this.#lifecycle = undefined;
    return batch;
  }
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
  options: ReadOptions = {},
): Promise<InspectedRecording> {
  checkOptions('inspectRecording', options, READ_RULES);
  const statistics = new RecordingStatistics();
  let badLines = 0;
  let tornTail = false;
  const onProblem = (problem: ReadProblem) => {
    if (problem.kind.startsWith('torn')) tornTail = true;
    else if (problem.kind !== 'empty' && isDamage(problem)) badLines++;
    options.onProblem?.(problem);
  };
  const paths = typeof sources === 'string' ? [sources] : sources;
  await using reader = await RecordingReader.open(paths, { ...options, onProblem });
  await reader.visit((line) => statistics.add(line));
  return { ...statistics.finish(), badLines, tornTail };
}
