import type { LifecycleEntry, LineBatch } from '../../core/recording/format.js';
import type { LineView } from '../../core/recording/line-view.js';
import { type ReaderOptions, type ReadOptions, RecordingReader } from './reader.js';

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
 * @throws {OpmasError} From the iteration, as `RecordingReader.open` and `fill` do: `USAGE`, `LOCAL` or `DATA`.
 */
export async function* readRecording(
  sources: string | readonly string[],
  options: ReadRecordingOptions = {},
): AsyncGenerator<LineBatch, void, undefined> {
  const paths = typeof sources === 'string' ? [sources] : sources;
  yield* collectRecording(paths, new BatchBuilder(), options);
}

/** Gathers lines into anything. Goes with the replay that uses it. */
export interface LineCollector<Batch> {
  readonly isEmpty: boolean;
  /** Whether there is room for the line; an empty collector takes any line. */
  hasRoomFor(line: LineView): boolean;
  /** Adds the line. Its bytes stay as they are until {@link take}. */
  add(line: LineView): void;
  /** Gives what was gathered and begins anew. */
  take(): Batch;
}

/** Reads recordings into batches of any kind. Goes with the replay that uses it. */
export async function* collectRecording<Batch>(
  sources: readonly string[],
  collector: LineCollector<Batch>,
  { keep, ...options }: ReadRecordingOptions & ReaderOptions = {},
): AsyncGenerator<Batch, void, undefined> {
  await using reader = await RecordingReader.open(sources, options);
  do {
    for (let line = reader.next(); line !== undefined; line = reader.next()) {
      try {
        if (keep !== undefined && !keep(line)) continue;
      } catch (error) {
        // A filter that fails at this line has judged the lines before.
        if (!collector.isEmpty) yield collector.take();
        throw error;
      }
      if (!collector.hasRoomFor(line)) {
        yield collector.take();
        if (options.signal?.aborted) return;
      }
      collector.add(line);
    }
    if (!collector.isEmpty) yield collector.take();
  } while (await reader.fill());
}

const BATCH_BYTES = 256 * 1024;
const LF = 0x0a;
const NOTHING = Buffer.alloc(0);

/** Copies lines into one block. Lines that follow each other in their own block are copied together. */
class BatchBuilder {
  #target: Buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #used = 0;
  #count = 0;
  #lifecycle: LifecycleEntry[] | undefined;
  /** Lines that have been added but not copied: `#run[#runStart..#runEnd)`, LFs included. */
  #run: Buffer = NOTHING;
  #runStart = 0;
  #runEnd = 0;
  /** Offset of their place in the target. */
  #runTarget = 0;
  /** A block that was given back. */
  #spare: Buffer | undefined;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Returns `true` when the line fits; an empty batch takes a line of any length. */
  hasRoomFor(line: LineView): boolean {
    return this.isEmpty || this.#used + line.end - line.start + 1 <= this.#target.length;
  }

  /** Adds the line. Its bytes must stay as they are until {@link take}. */
  add(line: LineView): void {
    const { bytes, start, end } = line;
    const length = end - start + 1;
    if (this.isEmpty && length > this.#target.length) this.#target = Buffer.allocUnsafeSlow(length);
    if (bytes !== this.#run || start !== this.#runEnd) {
      this.#copyRun();
      this.#run = bytes;
      this.#runStart = start;
      this.#runTarget = this.#used;
    }
    if (line.kind === 'connection') this.#addLifecycle(line, length);
    this.#runEnd = end + 1;
    this.#used += length;
    this.#count++;
    // The last line of a file and lines that end in CR LF have no LF of their own at this place.
    if (bytes[end] !== LF) {
      this.#runEnd = end;
      this.#copyRun();
      this.#target[this.#used - 1] = LF;
    }
  }

  take(): LineBatch {
    this.#copyRun();
    const target = this.#target;
    // A block is reused once per batch: two batches must never share one.
    let isHeld = target.length === BATCH_BYTES;
    const batch: LineBatch = {
      bytes: target.subarray(0, this.#used),
      count: this.#count,
      lifecycle: this.#lifecycle,
      release: () => {
        if (isHeld) this.#spare = target;
        isHeld = false;
      },
    };
    this.#target = this.#spare ?? Buffer.allocUnsafeSlow(BATCH_BYTES);
    this.#spare = undefined;
    this.#used = 0;
    this.#count = 0;
    this.#lifecycle = undefined;
    return batch;
  }

  #addLifecycle({ connection, endpoint = '' }: LineView, length: number): void {
    if (connection === undefined) return;
    this.#lifecycle ??= [];
    const start = this.#used;
    this.#lifecycle.push({ endpoint, connection, start, end: start + length });
  }

  #copyRun(): void {
    this.#run.copy(this.#target, this.#runTarget, this.#runStart, this.#runEnd);
    this.#run = NOTHING;
    this.#runStart = 0;
    this.#runEnd = 0;
  }
}
