import type { Readable } from 'node:stream';
import { OpmasError } from '../../core/errors.js';
import type { RecordedLine } from '../../core/recording/recorded-line.js';
import { RecordingCursor } from './cursor.js';
import type { ReadProblem } from './read-problems.js';
import { BatchBuilder, type RecordedBatch } from './recorded-batch.js';
import { type OpenSource, openSource } from './source.js';

/** What {@link readRecording} takes besides the sources; all of it optional. */
export interface ReadOptions {
  /**
   * Looks at each line as it is read and says whether it shall be in a batch. The line holds during the call only.
   * Default: all. Whoever wants no batches at all returns `false` always.
   */
  keep?: ((line: RecordedLine) => boolean) | undefined;
  /** Told of damage that was skipped. */
  onProblem?: ((problem: ReadProblem) => void) | undefined;
  /** Damage is an error. Default `false`. */
  strict?: boolean | undefined;
  /** Stops the reading; what was read is still given. */
  signal?: AbortSignal | undefined;
  /** What the source `-` means. Default: standard input. */
  stdin?: Readable | undefined;
  /** Told how many bytes were read from the files, as they are stored there. */
  onRead?: ((bytes: number) => void) | undefined;
}

/** What {@link collectRecording} takes besides. */
export interface CollectOptions extends ReadOptions {
  /**
   * Take event lines that we wrote by their ends: their JSON is not checked, and nothing can be asked of their
   * frames. Several times as fast. Torn lines are found all the same. Default `false`.
   */
  trusting?: boolean | undefined;
  /** What messages call a source, where that is not its path. */
  names?: ReadonlyMap<string, string> | undefined;
  /** Bytes to read at a time, at most; at least 16 KiB. Default 512 KiB. */
  maxBlockBytes?: number | undefined;
}

/** Memory for blocks of all sources together. */
const TOTAL_BLOCK_BYTES = 4 * 1024 * 1024;
const MAX_BLOCK_BYTES = 512 * 1024;
const MIN_BLOCK_BYTES = 16 * 1024;

/** Gathers lines, as they are read, into whatever is to be made of them. */
export interface LineCollector<Batch> {
  readonly isEmpty: boolean;
  /** Whether there is room for the line; what is empty takes any line. */
  hasRoomFor(line: RecordedLine): boolean;
  /** Adds the line. Its bytes stay as they are until {@link settle} or {@link take}. */
  add(line: RecordedLine): void;
  /** Copies what has been added, before its block is used again. */
  settle(): void;
  /** Gives what was gathered and begins anew. */
  take(): Batch;
}

/**
 * Reads recordings: files of lines of any origin, gzip data included, in constant memory. Several are merged by time:
 * each keeps its own order, and a line without a time stays with the one before it. Lines are given as they stand,
 * without byte order marks, blank lines and carriage returns at their ends.
 *
 * Damage (a torn last line, a line that is no JSON object, torn gzip data) is skipped and told to `onProblem`.
 *
 * @param sources Paths; `-` is standard input. Nothing is opened before the iteration begins; then all are.
 * @throws {OpmasError} From the iteration. `USAGE`: no such file. `LOCAL`: it can't be read. `DATA`: it is no
 *   recording, has a newer format or a line over 64 MiB, or, with `strict`, is damaged.
 */
export function readRecording(
  sources: string | readonly string[],
  options: ReadOptions = {},
): AsyncGenerator<RecordedBatch, void, undefined> {
  const paths = typeof sources === 'string' ? [sources] : sources;
  return collectRecording(paths, new BatchBuilder(), options);
}

/** The same as {@link readRecording}, with batches made by somebody else. */
export async function* collectRecording<Batch>(
  sources: readonly string[],
  collector: LineCollector<Batch>,
  options: CollectOptions = {},
): AsyncGenerator<Batch, void, undefined> {
  if (sources.filter((path) => path === '-').length > 1) {
    throw new OpmasError('USAGE', 'stdin (-) can be read only once');
  }
  const { maxBlockBytes = MAX_BLOCK_BYTES, trusting = false, keep, names, signal } = options;
  const opened: OpenSource[] = [];
  try {
    const perSource = Math.floor(TOTAL_BLOCK_BYTES / (2 * sources.length));
    const blockSize = Math.max(MIN_BLOCK_BYTES, Math.min(maxBlockBytes, perSource));
    for (const path of sources) {
      const source = await openSource(path, { ...options, blockSize, scanned: !trusting });
      opened.push({ ...source, name: names?.get(path) ?? source.name });
    }
    const onProblem = problemHandler(options);
    const reading = { trusting, isOnly: sources.length === 1 };
    const cursors = opened.map((source) => new RecordingCursor(source, reading, onProblem));
    const merge = new Merge(cursors, collector, keep);
    while (!signal?.aborted && !merge.isDone) {
      let failure: { error: unknown } | undefined;
      try {
        merge.drain();
      } catch (error) {
        failure = { error };
      }
      // What stands before damage is as good as ever.
      if (!collector.isEmpty) yield collector.take();
      if (failure !== undefined) throw failure.error;
      await merge.fill();
    }
  } catch (error) {
    // What was cut short by the caller looks torn or empty, but is not.
    if (!signal?.aborted) throw error;
  } finally {
    for (const source of opened) await source.close();
  }
}

function problemHandler({ strict, onProblem }: ReadOptions): (problem: ReadProblem) => void {
  if (!strict) return onProblem ?? (() => undefined);
  return (problem) => {
    onProblem?.(problem);
    throw new OpmasError('DATA', problem.message, { hint: 'Without --strict, damage is skipped.' });
  };
}

/** One of the sources of a {@link Merge}. */
interface Track {
  readonly cursor: RecordingCursor;
  /** Whether the cursor stands at a line that has not been taken. */
  hasLine: boolean;
  /** When it is the turn of that line: its own time, or that of a later line before it. */
  time: number;
}

/** Takes lines from several cursors in the order of their times. */
class Merge {
  readonly #collector: LineCollector<unknown>;
  #tracks: Track[];
  readonly #keep: ((line: RecordedLine) => boolean) | undefined;
  /** The track that needs more bytes before anything else can go on. */
  #wanting: Track | undefined;

  constructor(
    cursors: readonly RecordingCursor[],
    collector: LineCollector<unknown>,
    keep: ((line: RecordedLine) => boolean) | undefined,
  ) {
    this.#collector = collector;
    this.#tracks = cursors.map((cursor) => ({ cursor, hasLine: false, time: Number.NEGATIVE_INFINITY }));
    this.#keep = keep;
  }

  get isDone(): boolean {
    return this.#tracks.length === 0;
  }

  /** Takes lines until the batch is full or a source needs more bytes. */
  drain(): void {
    for (const track of this.#tracks) if (!track.hasLine && !this.#advance(track)) return;
    for (;;) {
      const track = this.#earliest();
      const limit = this.#limitFor(track);
      do {
        if (!this.#take(track.cursor.line)) return;
        track.hasLine = false;
        if (!this.#advance(track)) return;
      } while (track.time < limit);
    }
  }

  /** Brings the bytes that {@link drain} stopped for. */
  async fill(): Promise<void> {
    const track = this.#wanting;
    if (track === undefined) return;
    this.#wanting = undefined;
    if (!(await track.cursor.fill())) this.#tracks = this.#tracks.filter((other) => other !== track);
  }

  #take(line: RecordedLine): boolean {
    if (!this.#collector.hasRoomFor(line)) return false;
    if (this.#keep === undefined || this.#keep(line)) this.#collector.add(line);
    return true;
  }

  #advance(track: Track): boolean {
    if (!track.cursor.next()) {
      this.#collector.settle();
      this.#wanting = track;
      return false;
    }
    track.hasLine = true;
    // The times of a single source do not matter here, and reading them costs.
    if (this.#tracks.length === 1) return true;
    const { receivedAt } = track.cursor.line;
    if (receivedAt > track.time) track.time = receivedAt;
    return true;
  }

  /** The track whose turn it is; of several the first. */
  #earliest(): Track {
    let earliest = this.#tracks[0] as Track;
    for (const track of this.#tracks) if (track.time < earliest.time) earliest = track;
    return earliest;
  }

  /** Up to when the lines of this track can be taken without looking at the others. */
  #limitFor(track: Track): number {
    let limit = Number.POSITIVE_INFINITY;
    for (const other of this.#tracks) if (other !== track && other.time < limit) limit = other.time;
    return limit;
  }
}
