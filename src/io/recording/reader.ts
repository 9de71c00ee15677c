import type { LineBatch } from '../../core/recording/format.js';
import type { TimeWindow } from '../../core/recording/line-selection.js';
import type { LineView } from '../../core/recording/line-view.js';
import { systemClock } from '../clock.js';
import { asyncDispose } from '../dispose.js';
import { RecordingCursor } from './cursor.js';
import { FOLLOW_POLL_MS } from './followed-recording.js';
import { openSources, type ReaderOptions } from './open-sources.js';
import { problemHandler, problemOf, type ReadProblem } from './read-problems.js';
import type { OpenSource } from './source.js';

/**
 * Reads the lines of recordings: files of lines of any origin, gzip data included, in constant memory. Several sources
 * are merged by time: each keeps its own order, and a line without a time stays with the line before it.
 *
 * ```ts
 * do {
 *   for (let line = reader.next(); line !== undefined; line = reader.next()) use(line);
 * } while (await reader.fill());
 * ```
 *
 * Damage (a torn last line, a line that is not a JSON object, torn gzip data) is skipped and passed to `onProblem`.
 */
export class RecordingReader {
  readonly #onProblem: (problem: ReadProblem) => void;
  /** Sources that have not ended. */
  #tracks: Track[];
  /** The track of the line that was given last. */
  #current: Track | undefined;
  /** The track that needs more bytes before anything else can go on. */
  #wanting: Track | undefined;
  #failure: { error: unknown } | undefined;

  private constructor(
    private readonly sources: readonly OpenSource[],
    private readonly options: ReaderOptions,
  ) {
    const { skipJsonCheck = false, noteData = false, checkTimes = true } = options;
    this.#onProblem = problemHandler(options);
    const reading = { skipJsonCheck, noteData, checkTimes, isOnly: sources.length === 1 };
    this.#tracks = sources.map((source) => new Track(new RecordingCursor(source, reading, this.#onProblem)));
  }

  /**
   * Opens the sources.
   *
   * @param paths `-` is standard input.
   * @throws {OpmasError} `USAGE` when there is no such file, `LOCAL` when it cannot be opened.
   */
  static async open(paths: readonly string[], options: ReaderOptions = {}): Promise<RecordingReader> {
    return new RecordingReader(await openSources(paths, options), options);
  }

  /**
   * Moves to the next line that is in memory. The view is used again for the next line, but its bytes stay as they are
   * until {@link fill}.
   *
   * @returns `undefined` when {@link fill} has to bring more bytes.
   */
  next(): LineView | undefined {
    if (this.#failure !== undefined) return undefined;
    try {
      const { selection } = this.options;
      for (;;) {
        const line = this.#nextInTime();
        if (line === undefined || this.#current?.isSelected || selection?.takes(line) !== false) return line;
        if (selection.isOver) return undefined;
      }
    } catch (error) {
      // Lines before damage are as good as ever, so the consumer may handle them first.
      this.#failure = { error };
      return undefined;
    }
  }

  /**
   * Brings more bytes. Call it when {@link next} has returned `undefined`; earlier views become invalid.
   *
   * @returns `false` at the end, or when the signal was aborted.
   * @throws {OpmasError} `DATA`: a source is not a recording, has a newer format or a line over 64 MiB, or is damaged
   *   and `strict` is set. `LOCAL`: it cannot be read.
   */
  async fill(): Promise<boolean> {
    const { signal, follow, selection } = this.options;
    if (signal?.aborted) return false;
    try {
      if (this.#failure !== undefined) throw this.#failure.error;
      const track = this.#wanting;
      this.#wanting = undefined;
      if (track !== undefined) {
        if (!(await track.cursor.fill())) this.#tracks = this.#tracks.filter((other) => other !== track);
      } else if (follow && !selection?.isOver) {
        await this.#waitForLines();
      }
      if (selection?.isOver) this.#tracks = this.#tracks.filter(({ isSelected }) => isSelected);
      if (this.#tracks.length === 0) this.#giveRest();
      return this.#tracks.length > 0 && !(follow && signal?.aborted);
    } catch (error) {
      // Input that an abort has cut short looks torn or empty.
      if (signal?.aborted) return false;
      throw error;
    }
  }

  /** The part of the recording that is given, if it is chosen by time. */
  get window(): TimeWindow | undefined {
    return this.options.selection?.window;
  }

  /** Name of the source of the current line. */
  get source(): string {
    return this.#current?.cursor.source.name ?? '';
  }

  /** Number of the current line in its source, from 1. */
  get number(): number {
    return this.#current?.cursor.number ?? 0;
  }

  /** `true` when the lines of a source are in no order of time. */
  get isUnsorted(): boolean {
    return this.#tracks.some(({ cursor }) => cursor.order?.isUnsorted);
  }

  /** Calls `onLine` with each line up to the end. @throws {OpmasError} As {@link fill}. */
  async visit(onLine: (line: LineView) => void): Promise<void> {
    do {
      for (let line = this.next(); line !== undefined; line = this.next()) onLine(line);
    } while (await this.fill());
  }

  async close(): Promise<void> {
    for (const source of this.sources) await source.close();
    await this.options.onClose?.();
  }

  [asyncDispose](): Promise<void> {
    return this.close();
  }

  #nextInTime(): LineView | undefined {
    let earliest: Track | undefined;
    for (const track of this.#tracks) {
      if (track.hasLine || this.#advance(track)) {
        if (earliest === undefined || track.time < earliest.time) earliest = track;
      } else if (this.#wanting !== undefined) {
        return undefined;
      }
    }
    if (earliest === undefined) return undefined;
    earliest.hasLine = false;
    this.#current = earliest;
    return earliest.cursor.line;
  }

  /** At the end of all sources that are followed. */
  async #waitForLines(): Promise<void> {
    if (!this.#giveRest()) await systemClock.sleep(FOLLOW_POLL_MS, this.options.signal);
    for (const { cursor } of this.#tracks) cursor.isCaughtUp = false;
  }

  /** Adds the lines that the selection has kept back up to the end. @returns `false` when there are none. */
  #giveRest(): boolean {
    const { selection, noteData = false } = this.options;
    if (selection === undefined || selection.hasEnded) return false;
    const name = this.source;
    for (const message of selection.remarks()) this.#onProblem(problemOf('selection', name, message));
    const rest = selection.rest();
    if (rest.length === 0) return false;
    const source = { name, blocks: blocksOf(rest), close: async () => undefined };
    const reading = { skipJsonCheck: false, noteData, checkTimes: false, isOnly: false };
    const cursor = new RecordingCursor(source, reading, this.#onProblem);
    this.#tracks.unshift(new Track(cursor, true));
    return true;
  }

  #advance(track: Track): boolean {
    track.hasLine = track.cursor.next();
    if (!track.hasLine) {
      // Lines that are written later are not waited for.
      if (!track.cursor.isCaughtUp) this.#wanting = track;
      return false;
    }
    // The times of a single source do not matter here, and reading them costs.
    if (this.#tracks.length === 1) return true;
    const { receivedAt } = track.cursor.line;
    if (receivedAt > track.time) track.time = receivedAt;
    return true;
  }
}

/** One source of a {@link RecordingReader}. */
class Track {
  /** `true` while the cursor stands at a line that was not given yet. */
  hasLine = false;
  /** Place of that line in the merge: its own time, or that of a later line before it. */
  time = Number.NEGATIVE_INFINITY;

  /** @param isSelected The selection has taken its lines. */
  constructor(
    readonly cursor: RecordingCursor,
    readonly isSelected = false,
  ) {}
}

async function* blocksOf(batches: readonly LineBatch[]): AsyncGenerator<Buffer> {
  for (const { bytes } of batches) yield bytes;
}
