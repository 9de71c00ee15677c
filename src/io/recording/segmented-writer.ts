import { type FileHandle, lstat, unlink } from 'node:fs/promises';
import { OpenConnections } from '../../core/recording/encoder.js';
import { type LineBatch, pieceOf } from '../../core/recording/format.js';
import { LineView } from '../../core/recording/line-view.js';
import { formatTimestamp } from '../../core/recording/timestamp.js';
import { type Clock, systemClock } from '../clock.js';
import { endOfLastLine, repairTornGzip } from './append.js';
import { createFile, localError, targetKind } from './recording-files.js';
import { type Exclusively, Segment } from './segment.js';
import { changeOf, currentName, DELETED, identityOf } from './segment-changes.js';
import { SegmentNames, type SegmentOptions } from './segment-names.js';

const LF = 0x0a;

/**
 * Writes the files (segments) of one recording. The current segment has the name of the recording (unless someone else
 * takes that name); finished segments get numbers. Changes that someone else made to the current segment are handled
 * and reported. Await each call before the next.
 */
export class SegmentedWriter {
  readonly #path: string;
  readonly #options: SegmentOptions;
  readonly #clock: Clock;
  readonly #exclusively: Exclusively;
  readonly #connections = new OpenConnections();

  #handle: FileHandle;
  #segment: Segment;
  #identity: string | undefined;
  #wasRenamed = false;
  #startMs: number;
  #finishedSize = 0;
  /** `true` when the last segment had been deleted at the end. */
  #isGone = false;
  readonly #names: SegmentNames;

  /** After {@link close}: the name of the last segment; `undefined` when it has none any more. */
  lastName: string | undefined;
  /** Number of the segments. */
  count = 1;
  /** `true` when the current segment has lines besides those that every further segment begins with. */
  #hasLines: boolean;

  /** @param exclusively Runs the work of a timer between the calls from outside. */
  constructor(
    path: string,
    handle: FileHandle,
    size: number,
    options: SegmentOptions,
    exclusively: Exclusively,
  ) {
    this.#path = path;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#startMs = this.#clock.monotonicMs();
    this.#exclusively = exclusively;
    this.#handle = handle;
    this.#segment = this.#segmentAt(path, size);
    this.#hasLines = size > 0;
    this.#names = new SegmentNames(path, { continues: size > 0 });
  }

  /** Path at which the current segment was created; someone may have renamed it since. */
  get path(): string {
    return this.#segment.path;
  }

  /** Bytes of all segments. */
  get totalSize(): number {
    return this.#finishedSize + (this.#isGone ? 0 : this.#segment.size);
  }

  /**
   * Returns the lines of the batch from offset `start` on that belong into one segment, and begins a new segment if
   * they need one. @throws {WriteFailure | OpmasError}
   */
  async pieceForSegment(batch: LineBatch, start: number): Promise<LineBatch> {
    const rest = batch.bytes.subarray(start);
    const { rotateMs = Number.POSITIVE_INFINITY } = this.#options;
    const isOld = this.#hasLines && this.#clock.monotonicMs() - this.#startMs >= rotateMs;
    let length = isOld ? 0 : await this.#lengthThatFits(rest);
    if (length === 0) {
      await this.#rotate(rest);
      length = await this.#lengthThatFits(rest);
    }
    return length === batch.bytes.length ? batch : pieceOf(batch, start, length);
  }

  /** Appends lines to the current segment. @throws {WriteFailure} */
  async append({ bytes, count, lifecycle = [] }: LineBatch): Promise<void> {
    if (this.#segment.isCompressed) await this.#beginAfterCut();
    this.#hasLines = true;
    await this.#segment.append(bytes, count);
    for (const entry of lifecycle) this.#connections.observe(entry);
  }

  /** Writes the lines that are still in the compressor. @throws {WriteFailure} */
  flush(): Promise<void> {
    return this.#segment.flush();
  }

  /** @param examines Examine first whether someone else has changed the current segment. @throws {WriteFailure} */
  async close(examines: boolean): Promise<void> {
    if (examines && this.#segment.isCompressed) await this.#beginAfterCut().catch(() => undefined);
    this.lastName = await currentName(this.path, this.#handle).catch(() => this.path);
    const change = examines ? (await this.#examine().catch(() => undefined))?.change : undefined;
    try {
      await this.#segment.close();
    } finally {
      this.#isGone = change === DELETED;
      if (this.#isGone) this.count--;
      if (change !== undefined) this.#options.onNotice?.(`${this.path} was ${change}`);
    }
  }

  /** Removes the segment when it is empty. Call it after {@link close}. */
  async removeEmpty(): Promise<void> {
    if (this.lastName !== this.path) return;
    const stats = await lstat(this.path).catch(() => undefined);
    if (stats?.isFile() && stats.size === 0) await unlink(this.path).catch(() => undefined);
  }

  /** Handles changes that someone else made to the current segment. @throws {WriteFailure | OpmasError} */
  async handleChanges(): Promise<void> {
    if (this.#segment.isCompressed && (await this.#beginAfterCut())) return;
    const examined = await this.#segment.examine();
    const change = changeOf(examined);
    if (change !== undefined) {
      if (!examined.isDeleted) return this.#goOnAfterCut(change);
      const finishedPath = this.path;
      await this.#finish(change);
      await this.#begin();
      this.#options.onNotice?.(`${finishedPath} was ${change}; new lines go to a new ${this.path}`);
    } else if (!this.#wasRenamed && !(await this.#isAtItsPath())) {
      this.#wasRenamed = true;
      this.#options.onNotice?.(`${this.path} was renamed; new lines still go to it`);
    }
  }

  /** Returns how many bytes of the lines fit into the current segment; 0 when it is full. It takes at least one line. */
  async #lengthThatFits(lines: Buffer): Promise<number> {
    const limit = this.#options.rotateBytes ?? Number.POSITIVE_INFINITY;
    if (this.#segment.mostSize + lines.length <= limit) return lines.length;
    // Only a flush tells the compressed size of the lines so far.
    if (this.#segment.isCompressed) await this.#segment.flush();
    const room = limit - this.#segment.mostSize;
    if (lines.length <= room) return lines.length;
    const end = room > 0 ? lines.lastIndexOf(LF, room - 1) + 1 : 0;
    return end > 0 || this.#hasLines ? end : lines.indexOf(LF) + 1 || lines.length;
  }

  /** Finishes the current segment and begins the next. @param lines Lines that the next segment begins with. */
  async #rotate(lines: Buffer): Promise<void> {
    const finishedPath = this.path;
    const { change, isThere } = await this.#examine();
    await this.#finish(change);
    if (isThere && finishedPath === this.#path) {
      await this.#names.moveToNext(this.#path).catch((error) => {
        throw localError(`${this.#path} cannot be renamed`, error);
      });
    } else if (isThere) await this.#names.add(finishedPath);
    // The lines put in front of the others get the same time.
    const line = new LineView();
    const isKnown = line.read(lines, 0, lines.indexOf(LF)) !== undefined && !Number.isNaN(line.receivedAt);
    await this.#begin(isKnown ? formatTimestamp(line.receivedAt) : this.#now());
    if (this.#options.keep !== undefined) await this.#names.prune(this.#options.keep);
    if (change !== undefined)
      this.#options.onNotice?.(`${finishedPath} was ${change}; new lines go to a new ${this.path}`);
  }

  /** Finds out what someone else has done to the current segment since the last examination. */
  async #examine(): Promise<{ change: string | undefined; isThere: boolean }> {
    const change = changeOf(await this.#segment.examine());
    const isThere = await this.#isAtItsPath();
    return { change: change ?? (isThere || this.#wasRenamed ? undefined : 'renamed'), isThere };
  }

  /** @param change Made by someone else: a deleted segment is not counted. */
  async #finish(change: string | undefined): Promise<void> {
    await this.#segment.close();
    if (change === DELETED) this.count--;
    else this.#finishedSize += this.#segment.size;
  }

  async #goOnAfterCut(change: string): Promise<void> {
    const { size } = this.#segment;
    const end = await endOfLastLine(this.#handle, size);
    if (end < size) await this.#segment.cutTo(end);
    if (end === 0) await this.#continue();
    this.#options.onNotice?.(`${this.path} was ${change}; new lines go to its end`);
  }

  /**
   * Begins the compressed data anew when someone has cut the file: what follows the cut could not be unpacked. Lines that
   * are still in the compressor are compressed again.
   *
   * @returns `true` when the file was cut.
   */
  async #beginAfterCut(): Promise<boolean> {
    const examined = await this.#segment.examine();
    const change = changeOf(examined);
    if (change === undefined || examined.isDeleted) return false;
    const lines = this.#segment.takeBack();
    await repairTornGzip(this.path, this.#handle);
    const { size } = await this.#handle.stat();
    this.#segment.restartAt(size);
    if (size === 0) await this.#continue();
    if (lines.length > 0) await this.#segment.append(lines, 0);
    this.#options.onNotice?.(`${this.path} was ${change}; new lines go to its end`);
    return true;
  }

  async #begin(receivedAt = this.#now()): Promise<void> {
    const isFree = (await targetKind(this.#path)) === 'nothing';
    const path = isFree ? this.#path : await this.#names.next();
    this.#handle = await createFile(path);
    this.#segment = this.#segmentAt(path, 0);
    this.#identity = undefined;
    this.#wasRenamed = false;
    this.#hasLines = false;
    this.#startMs = this.#clock.monotonicMs();
    this.count++;
    await this.#continue(receivedAt);
  }

  /** Makes the segment readable by itself: its first lines say which connections are open. */
  async #continue(receivedAt = this.#now()): Promise<void> {
    const lines = this.#connections.continuation(receivedAt);
    if (lines.length > 0) await this.#segment.append(lines, 0);
  }

  #segmentAt(path: string, size: number): Segment {
    const isCompressed = this.#path.endsWith('.gz');
    const flushing: Exclusively = (task) =>
      this.#exclusively(async () => {
        await this.#beginAfterCut();
        await task();
      });
    return new Segment(path, this.#handle, size, isCompressed ? flushing : undefined);
  }

  #now(): string {
    return formatTimestamp(Math.floor(this.#clock.nowMicros()));
  }

  async #isAtItsPath(): Promise<boolean> {
    this.#identity ??= identityOf(await this.#handle.stat());
    return (await lstat(this.path).then(identityOf, () => undefined)) === this.#identity;
  }
}
