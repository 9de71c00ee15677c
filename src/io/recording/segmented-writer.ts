import type { FileHandle } from 'node:fs/promises';
import { OpenConnections } from '../../core/recording/encoder.js';
import type { LineBatch } from '../../core/recording/format.js';
import { LineView } from '../../core/recording/line-view.js';
import { formatTimestamp } from '../../core/recording/timestamp.js';
import { type Clock, systemClock } from '../clock.js';
import { cutTornTail } from './append.js';
import * as files from './recording-files.js';
import { countLines, DELETED, Segment, type WrittenLines } from './segment.js';
import { currentName, SegmentNames, type SegmentOptions } from './segment-names.js';

const LF = 0x0a;

/**
 * Writes the files (segments) of one recording. The current segment has the name of the recording (unless someone else
 * takes that name); finished segments get numbers. Changes that someone else made to the current segment are handled
 * and reported. Await each call before the next.
 */
export class SegmentedWriter {
  /** The lines in all segments, also those that have been deleted. */
  readonly written: WrittenLines = { lines: 0, bytes: 0 };
  readonly #path: string;
  readonly #options: SegmentOptions;
  readonly #clock: Clock;
  readonly #connections = new OpenConnections();
  readonly #names: SegmentNames;
  #provisionalPath: string | undefined;
  /** A new file to which nothing was to be written so far. */
  #isUnused: boolean;

  #handle: FileHandle;
  #segment: Segment;
  #identity: string | undefined;
  #wasRenamed = false;
  #startMs: number;
  /** `true` when the current segment has lines besides those that every further segment begins with. */
  #hasLines: boolean;
  #finishedSize = 0;
  #isFinished = false;

  /** After {@link close}: the name of the last segment; `undefined` when it has none any more. */
  lastName: string | undefined;
  /** Number of segments that were begun, and of those that have been deleted since, by us or others. */
  count = 1;
  deleted = 0;

  constructor({ path, handle, size, isNew, provisionalPath }: files.OpenedFile, options: SegmentOptions) {
    this.#path = path;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#names = new SegmentNames(path, { continues: size > 0 });
    this.#provisionalPath = provisionalPath;
    this.#isUnused = isNew;
    this.#startMs = this.#clock.monotonicMs();
    this.#handle = handle;
    this.#segment = new Segment(path, handle, size, this.written);
    this.#hasLines = size > 0;
  }

  /** Path at which the current segment was created; someone may have renamed it since. */
  get path(): string {
    return this.#segment.path;
  }

  /** Bytes of all segments that are not deleted. */
  get size(): number {
    return this.#finishedSize + (this.#isFinished ? 0 : this.#segment.size);
  }

  /** Appends lines, to as many segments as they need. @throws {OpmasError} `LOCAL` */
  async write({ bytes, count, lifecycle = [] }: LineBatch): Promise<void> {
    if (bytes.length > 0) this.#isUnused = false;
    for (let start = 0, end = 0; start < bytes.length; start = end) {
      end = start + (await this.#lengthForSegment(bytes.subarray(start)));
      if (this.#segment.isCompressed) await this.#goOnAfterCut();
      this.#hasLines = true;
      const lines = bytes.subarray(start, end);
      await this.#segment.append(lines, lines.length === bytes.length ? count : countLines(lines));
      const entries = lifecycle.filter((entry) => entry.start >= start && entry.start < end);
      for (const entry of entries) this.#connections.observe(entry);
      if (this.#provisionalPath === undefined) continue;
      // The first lines are written, so the old file can go.
      await this.#segment.flush();
      await files.replaceFile(this.path, this.#provisionalPath);
      this.#provisionalPath = undefined;
    }
  }

  /** Writes the lines that are still in the compressor. @throws {OpmasError} `LOCAL` */
  async flush(): Promise<void> {
    await this.#goOnAfterCut();
    await this.#segment.flush();
  }

  /**
   * Closes the last segment; it is removed when it is new and has nothing.
   *
   * @param examines Examine first whether someone else has changed it. @throws {OpmasError} `LOCAL`
   */
  async close(examines: boolean): Promise<void> {
    if (this.#provisionalPath !== undefined) {
      // No line came, or the first could not be written: the old file stays, and nothing of the new one.
      this.lastName = this.path;
      Object.assign(this.written, { lines: 0, bytes: 0 });
      await this.#segment.close().catch(() => undefined);
      return files.removeFile(this.#provisionalPath);
    }
    if (examines && this.#segment.isCompressed) await this.#goOnAfterCut().catch(() => undefined);
    if (!this.#isFinished) this.lastName = await currentName(this.path, this.#handle).catch(() => this.path);
    const change = examines ? (await this.#examine().catch(() => undefined))?.change : undefined;
    try {
      await this.#finish(change);
    } finally {
      if (change !== undefined) this.#options.onNotice?.(`${this.path} was ${change}`);
      const removes = (this.#isUnused || this.count > 1) && this.lastName === this.path;
      if (removes && (await files.removeEmptyFile(this.path)) && this.count > 1) {
        this.count--;
        this.lastName = undefined;
      }
    }
  }

  /** Handles changes that someone else made to the current segment. @throws {OpmasError} `LOCAL` */
  async handleChanges(): Promise<void> {
    if (this.#provisionalPath !== undefined || (await this.#goOnAfterCut())) return;
    if ((await this.#segment.examine()) === DELETED) {
      const finishedPath = this.path;
      this.lastName = undefined;
      await this.#finish(DELETED);
      await this.#begin();
      this.#options.onNotice?.(`${finishedPath} was ${DELETED}; new lines go to a new ${this.path}`);
    } else if (!this.#wasRenamed && !(await this.#isAtItsPath())) {
      this.#wasRenamed = true;
      this.#options.onNotice?.(`${this.path} was renamed; new lines still go to it`);
    }
  }

  /** Returns how many bytes of the lines belong into the current segment, and begins a new one if they need one. */
  async #lengthForSegment(lines: Buffer): Promise<number> {
    const { rotateMs = Number.POSITIVE_INFINITY } = this.#options;
    const isOld = this.#hasLines && this.#clock.monotonicMs() - this.#startMs >= rotateMs;
    const length = isOld ? 0 : await this.#lengthThatFits(lines);
    if (length === 0) await this.#rotate(lines);
    return length || this.#lengthThatFits(lines);
  }

  /** Returns how many bytes of the lines fit into the current segment; 0 when it is full. It takes at least one line. */
  async #lengthThatFits(lines: Buffer): Promise<number> {
    const limit = this.#options.rotateBytes ?? Number.POSITIVE_INFINITY;
    if (this.#segment.mostSize + lines.length <= limit) return lines.length;
    // Only a flush tells the compressed size of the lines so far.
    await this.#segment.flush();
    const room = limit - this.#segment.mostSize;
    if (lines.length <= room) return lines.length;
    const end = room > 0 ? lines.lastIndexOf(LF, room - 1) + 1 : 0;
    return end > 0 || this.#hasLines ? end : lines.indexOf(LF) + 1 || lines.length;
  }

  /** Finishes the current segment and begins the next. @param lines Lines that the next segment begins with. */
  async #rotate(lines: Buffer): Promise<void> {
    const finishedPath = this.path;
    const { change, isThere } = await this.#examine();
    this.lastName = await currentName(finishedPath, this.#handle).catch(() => finishedPath);
    await this.#finish(change);
    if (isThere && finishedPath === this.#path) {
      this.lastName = await this.#names.moveToNext(this.#path).catch((error) => {
        throw files.localError(`${this.#path} cannot be renamed`, error);
      });
    } else if (isThere) await this.#names.add(finishedPath);
    const line = new LineView();
    const isKnown = line.read(lines, 0, lines.indexOf(LF)) !== undefined && !Number.isNaN(line.receivedAt);
    await this.#begin(isKnown ? formatTimestamp(line.receivedAt) : this.#now());
    const pruned = await this.#names.prune(this.#options.keep);
    for (const size of pruned) this.#finishedSize -= size;
    this.deleted += pruned.length;
    if (change !== undefined)
      this.#options.onNotice?.(`${finishedPath} was ${change}; new lines go to a new ${this.path}`);
  }

  /** Finds out what someone else has done to the current segment since the last examination. */
  async #examine(): Promise<{ change: string | undefined; isThere: boolean }> {
    const change = await this.#segment.examine();
    const isThere = await this.#isAtItsPath();
    return { change: change ?? (isThere || this.#wasRenamed ? undefined : 'renamed'), isThere };
  }

  /** Finishes the current segment, unless no next one could be begun. @param change Made by someone else. */
  async #finish(change: string | undefined): Promise<void> {
    if (this.#isFinished) return;
    await this.#segment.close();
    this.#isFinished = true;
    if (change === DELETED) this.deleted++;
    else this.#finishedSize += this.#segment.size;
  }

  /**
   * Makes the current segment whole again when someone has cut it. Compressed data begins anew: what follows the cut
   * could not be unpacked. Lines that are still in the compressor are compressed again.
   *
   * @returns `true` when it was cut.
   */
  async #goOnAfterCut(): Promise<boolean> {
    const change = await this.#segment.examine();
    if (change === undefined || change === DELETED) return false;
    await cutTornTail(this.path, this.#handle, this.#segment.isCompressed);
    const { size } = await this.#handle.stat();
    const lines = this.#segment.restartAt(size);
    if (size === 0) await this.#continue();
    if (lines.length > 0) await this.#segment.append(lines, 0);
    this.#options.onNotice?.(`${this.path} was ${change}; new lines go to its end`);
    return true;
  }

  async #begin(receivedAt = this.#now()): Promise<void> {
    const isFree = (await files.targetKind(this.#path)) === 'nothing';
    const path = isFree ? this.#path : await this.#names.next();
    this.#handle = await files.createFile(path, this.#options.mode);
    this.#segment = new Segment(path, this.#handle, 0, this.written);
    this.#identity = undefined;
    this.#isFinished = false;
    this.#wasRenamed = false;
    this.#hasLines = false;
    this.#startMs = this.#clock.monotonicMs();
    this.count++;
    await this.#continue(receivedAt);
  }

  /** Makes the segment readable by itself: its first lines say which connections are open, at the time of the next. */
  async #continue(receivedAt = this.#now()): Promise<void> {
    const lines = this.#connections.continuation(receivedAt);
    if (lines.length > 0) await this.#segment.append(lines, 0);
  }

  #now(): string {
    return formatTimestamp(Math.floor(this.#clock.nowMicros()));
  }

  async #isAtItsPath(): Promise<boolean> {
    this.#identity ??= files.identityOf(await this.#handle.stat());
    return (await files.identityAt(this.path)) === this.#identity;
  }
}
