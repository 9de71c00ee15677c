import type { OpmasError } from '../../core/errors.js';
import { OpenConnections } from '../../core/recording/encoder.js';
import type { LineBatch } from '../../core/recording/format.js';
import { firstTime } from '../../core/recording/line-view.js';
import { formatTimestamp } from '../../core/recording/timestamp.js';
import { type Clock, systemClock } from '../clock.js';
import { openToAppend } from './append.js';
import { PlacedSegment } from './placed-segment.js';
import * as files from './recording-files.js';
import { countLines, DELETED, type WrittenLines } from './segment.js';
import { SegmentNames, type SegmentOptions } from './segment-names.js';

/**
 * Writes the files (segments) of one recording. The current segment has the name of the recording (unless someone else
 * takes that name); finished segments get numbers. Changes that someone else made to the current segment are handled
 * and reported. Await each call before the next.
 */
export class SegmentedWriter {
  /** The lines in all segments, also those that have been deleted. */
  readonly written: WrittenLines = { lines: 0, bytes: 0 };
  readonly #path: string;
  readonly #clock: Clock;
  readonly #connections = new OpenConnections();
  readonly #names: SegmentNames;
  #segment: PlacedSegment;
  /** Someone else moved a segment, another one is begun, and {@link reopen} was not called since. */
  #wasLeft = false;
  /** Set while no further file can be begun: tries again. The current segment then has no limits. */
  #retry: (() => Promise<unknown>) | undefined;
  #finishedSize = 0;

  /** After {@link close}: the name of the last segment; `undefined` when it has none any more. */
  lastName: string | undefined;
  /** Number of segments that were begun, and of those that have been deleted since, by us or others. */
  count = 1;
  deleted = 0;

  /** @param nextLines Returns the lines that wait to be written, if any: a further segment begins at their time. */
  constructor(
    opened: files.OpenedFile,
    private readonly options: SegmentOptions,
    private readonly nextLines: () => Buffer | undefined,
  ) {
    this.#path = opened.path;
    this.#clock = options.clock ?? systemClock;
    this.#names = new SegmentNames(opened.path, { continues: opened.size > 0, mode: options.mode });
    this.#segment = new PlacedSegment(opened, this.written, this.#clock.monotonicMs());
  }

  /** `true` when someone else may have renamed or deleted a segment since the last {@link reopen}: it is not there. */
  get wasMoved(): boolean {
    return this.#wasLeft || !(this.#segment.isProvisional || this.#segment.isThereNow());
  }

  /** Path at which the current segment was created; someone may have renamed it since. */
  get path(): string {
    return this.#segment.path;
  }

  /** Bytes of all segments that are not deleted. */
  get size(): number {
    return this.#finishedSize + (this.#segment.isClosed ? 0 : this.#segment.size);
  }

  /** Appends lines, to as many segments as they need. @throws {OpmasError} `LOCAL` */
  async write({ bytes, count, lifecycle = [] }: LineBatch): Promise<void> {
    for (let start = 0, end = 0; start < bytes.length; start = end) {
      end = start + (await this.#lengthForSegment(bytes.subarray(start)));
      if (this.#segment.isCompressed) await this.#goOnAfterCut();
      this.#segment.hasLines = true;
      const lines = bytes.subarray(start, end);
      await this.#segment.append(lines, lines.length === bytes.length ? count : countLines(lines));
      const entries = lifecycle.filter((entry) => entry.start >= start && entry.start < end);
      for (const entry of entries) this.#connections.observe(entry);
      await this.#segment.install();
    }
  }

  /** Writes the lines that wait to be compressed. @throws {OpmasError} `LOCAL` */
  async flush(): Promise<void> {
    await this.#goOnAfterCut();
    await this.#segment.flush();
  }

  /** Puts the lines on the disk. It may be called while other calls are under way. @throws {OpmasError} `LOCAL` */
  sync(): Promise<void> {
    return this.#segment.sync();
  }

  /**
   * Closes the last segment; it is removed when it is new and has nothing.
   *
   * @param examines Examine first whether someone else has changed it. @throws {OpmasError} `LOCAL`
   */
  async close(examines: boolean): Promise<void> {
    const segment = this.#segment;
    if (segment.isProvisional) {
      // No line came, or the first could not be written: the old file stays, and nothing of the new one.
      this.lastName = this.path;
      Object.assign(this.written, { lines: 0, bytes: 0 });
      return segment.discard();
    }
    if (examines && segment.isCompressed) await this.#goOnAfterCut().catch(() => undefined);
    this.lastName = await segment.currentName().catch(() => this.path);
    const change = examines ? (await segment.examinePlace().catch(() => undefined))?.change : undefined;
    try {
      await this.#finish(change);
    } finally {
      if (change !== undefined) this.options.onNotice?.(`${this.path} was ${change}`);
      const isLeft = segment.isNew && (this.count > 1 || !segment.hasLines) && this.lastName === this.path;
      if (isLeft && (await files.removeEmptyFile(this.path)) && this.count > 1) {
        this.count--;
        this.lastName = this.#names.last;
      }
    }
  }

  /** Handles changes that someone else made to the current segment. @throws {OpmasError} `LOCAL` */
  async handleChanges(): Promise<void> {
    // Nothing is lost with a provisional file: the one before is still there.
    if (this.#segment.isProvisional || (await this.#goOnAfterCut())) return;
    const isThere = await this.#segment.isThere();
    if ((await this.#segment.examine()) === DELETED) await this.#leave(DELETED);
    else if (isThere && this.path === this.#path) this.#retry = undefined;
    else if (this.#retry !== undefined) await this.#retry();
    else if (!isThere && !this.#segment.wasRenamed) {
      this.#segment.wasRenamed = true;
      this.options.onNotice?.(`${this.path} was renamed; new lines still go to it`);
    }
  }

  /**
   * Goes on in the file at the recording's path when someone else has moved the current segment: creates it, or adds to
   * the one that is there.
   *
   * @returns Why that is not possible; lines then go to the current segment, and {@link handleChanges} tries again.
   * @throws {OpmasError} `LOCAL` when the current segment cannot be finished.
   */
  async reopen(): Promise<OpmasError | undefined> {
    const isThere = this.path === this.#path && (await this.#segment.isThere());
    let error: OpmasError | undefined;
    if (!isThere && !this.#segment.isProvisional) {
      // A request that comes meanwhile is the same one.
      this.#wasLeft = true;
      await this.flush();
      const change = await this.#segment.examine();
      error = await this.#goOnIn(change, undefined, () => openToAppend(this.#path, this.options));
    }
    const tell = () => this.#tell(this.#path, 'renamed');
    this.#retry = error && (async () => (await this.reopen()) ?? tell());
    this.#wasLeft = error !== undefined;
    return error;
  }

  /** Returns how many bytes of the lines belong into the current segment, and begins a new one if they need one. */
  async #lengthForSegment(lines: Buffer): Promise<number> {
    if (this.#retry !== undefined) return lines.length;
    const length = await this.#segment.lengthThatFits(lines, this.options, this.#clock.monotonicMs());
    if (length === 0) await this.#rotate(lines);
    return length || this.#lengthForSegment(lines);
  }

  /** Finishes the current segment and begins the next. @param lines Lines that the next segment begins with. */
  async #rotate(lines: Buffer): Promise<void> {
    const segment = this.#segment;
    const { path } = segment;
    const { change, isThere } = await segment.examinePlace();
    if (!isThere) return this.#leave(change, lines);
    await this.#finish(change);
    if (path !== this.#path) await this.#names.add(path);
    else {
      segment.path = await this.#names.moveToNext(path).catch((error) => {
        if (error.code !== 'ENOENT') throw files.localError(`${path} cannot be renamed`, error);
        this.#wasLeft = true;
        return path;
      });
    }
    const error = await this.#goOnIn(undefined, lines);
    if (error !== undefined) throw error;
    const pruned = await this.#names.prune(this.options);
    for (const size of pruned) this.#finishedSize -= size;
    this.deleted += pruned.length;
    if (change !== undefined) this.#tell(path, change);
  }

  /** Begins another segment after someone else has moved the current one, which goes on when that is not possible. */
  async #leave(change = 'renamed', lines?: Buffer): Promise<void> {
    const { path } = this;
    const wasTold = this.#retry !== undefined;
    this.#wasLeft = true;
    const error = await this.#goOnIn(change, lines);
    this.#retry = error && (() => this.#leave(change));
    if (error === undefined || !wasTold) this.#tell(path, change, error);
  }

  #tell(path: string, change: string, error?: OpmasError): void {
    const where = error === undefined ? `go to a new ${this.path}` : `still go to it: ${error.message}`;
    this.options.onNotice?.(`${path} was ${change}; new lines ${where}`);
  }

  /** Closes a segment, unless it is closed. @param change Made by someone else. */
  async #finish(change: string | undefined, segment = this.#segment): Promise<undefined> {
    if (segment.isClosed) return;
    try {
      await segment.close();
    } finally {
      if (change === DELETED) this.deleted++;
      else this.#finishedSize += segment.size;
    }
  }

  /** Makes the current segment whole again when someone has cut it. @returns `true` when it was cut. */
  async #goOnAfterCut(): Promise<boolean> {
    const change = await this.#segment.goOnAfterCut(() => this.#firstLines());
    if (change !== undefined) this.options.onNotice?.(`${this.path} was ${change}; new lines go to its end`);
    return change !== undefined;
  }

  /**
   * Makes another file the current segment, and finishes the one before.
   *
   * @param lines The lines that it is to take first, if they do not wait. @param open Opens it.
   * @returns Why it cannot be opened or written; nothing has changed then.
   * @throws {OpmasError} `LOCAL` when the one before cannot be finished.
   */
  async #goOnIn(change?: string, lines?: Buffer, open = () => this.#names.createNext()) {
    const last = this.#segment;
    try {
      const segment = new PlacedSegment(await open(), this.written, this.#clock.monotonicMs());
      await segment.begin(this.#firstLines(lines));
      this.#segment = segment;
    } catch (error) {
      return error as OpmasError;
    }
    this.count++;
    return this.#finish(change, last);
  }

  /** Formats the lines that make a segment readable by itself. Their time is that of the next line, or now. */
  #firstLines(next = this.nextLines()): Buffer {
    const atMicros = firstTime(next) ?? Math.floor(this.#clock.nowMicros());
    return this.#connections.continuation(formatTimestamp(atMicros));
  }
}
