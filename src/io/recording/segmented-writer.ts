import { type FileHandle, lstat, rename, unlink } from 'node:fs/promises';
import type { LifecycleEntry } from '../../core/recording/format.js';
import { OpenConnections } from '../../core/recording/open-connections.js';
import { endOfLastLine } from './append.js';
import { createFile, SegmentNames, targetKind } from './recording-files.js';
import { type Exclusively, Segment } from './segment.js';
import { localError } from './write-failure.js';

/**
 * Writes the files (segments) of one recording. The current segment has the name of the recording (unless someone else
 * takes that name); finished segments get numbers. Await each call before the next.
 */
export class SegmentedWriter {
  readonly #path: string;
  readonly #exclusively: Exclusively;
  readonly #connections = new OpenConnections();

  #handle: FileHandle;
  #segment: Segment;
  #identity: string | undefined;
  #wasRenamed = false;
  #finishedSize = 0;
  /** `true` when the last segment had been deleted at the end. */
  #isGone = false;

  /** Number of the segments. */
  count = 1;
  /** `true` when the current segment has lines besides those that every further segment begins with. */
  hasLines: boolean;

  /** @param exclusively Runs the work of a timer between the calls from outside. */
  constructor(path: string, handle: FileHandle, size: number, exclusively: Exclusively) {
    this.#path = path;
    this.#exclusively = exclusively;
    this.#handle = handle;
    this.#segment = this.#segmentAt(path, size);
    this.hasLines = size > 0;
  }

  /** Path at which the current segment was created; someone may have renamed it since. */
  get path(): string {
    return this.#segment.path;
  }

  /** Bytes of the current segment. */
  get size(): number {
    return this.#segment.size;
  }

  /** Bytes of all segments. */
  get totalSize(): number {
    return this.#finishedSize + (this.#isGone ? 0 : this.size);
  }

  get isCompressed(): boolean {
    return this.#segment.isCompressed;
  }

  /** @param lifecycle The lifecycle lines among them. @throws {WriteFailure} */
  async append(lines: Buffer, count: number, lifecycle: readonly LifecycleEntry[]): Promise<void> {
    this.hasLines = true;
    await this.#segment.append(lines, count);
    for (const entry of lifecycle) this.#connections.observe(entry);
  }

  /** Writes the lines that are still in the compressor. @throws {WriteFailure} */
  flush(): Promise<void> {
    return this.#segment.flush();
  }

  /**
   * @param examines Examine first whether someone else has changed the current segment.
   * @returns The change, as a sentence. @throws {WriteFailure}
   */
  async close(examines: boolean): Promise<string | undefined> {
    const change = examines ? (await this.#examine().catch(() => undefined))?.change : undefined;
    await this.#segment.close();
    this.#isGone = change === DELETED;
    if (this.#isGone) this.count--;
    return change && `${this.path} was ${change}`;
  }

  /** Removes the segment when it is empty. Call it after {@link close}. */
  async removeEmpty(): Promise<void> {
    const stats = await lstat(this.path).catch(() => undefined);
    if (stats?.isFile() && stats.size === 0) await unlink(this.path).catch(() => undefined);
  }

  /**
   * Finishes the current segment and begins the next.
   *
   * @param receivedAt Timestamp of the first line of the next segment. @param keep Number of finished segments to keep.
   * @returns The change that someone else made to the finished segment, as a sentence.
   * @throws {WriteFailure | OpmasError}
   */
  async rotate(receivedAt: string, keep: number | undefined): Promise<string | undefined> {
    const names = new SegmentNames(this.#path);
    const finishedPath = this.path;
    const { change, isThere } = await this.#examine();
    await this.#finish(change);
    if (isThere && finishedPath === this.#path) {
      const numbered = await names.next();
      await rename(this.#path, numbered).catch((error) => {
        throw localError(`${this.#path} cannot be renamed to ${numbered}`, error);
      });
    }
    await this.#begin(receivedAt);
    if (keep !== undefined) await names.prune(keep);
    return change && `${finishedPath} was ${change}; new lines go to a new ${this.path}`;
  }

  /**
   * Handles changes that someone else made to the current segment.
   *
   * @param now Timestamp. @returns The change, as a sentence. @throws {WriteFailure | OpmasError}
   */
  async handleChanges(now: string): Promise<string | undefined> {
    const examined = await this.#segment.examine();
    const change = changeOf(examined);
    if (change !== undefined) {
      if (examined.isDeleted || this.isCompressed) return this.#replace(now, change);
      return this.#goOnAfterCut(change, now);
    }
    if (this.#wasRenamed || (await this.#isAtItsPath())) return undefined;
    this.#wasRenamed = true;
    return `${this.path} was renamed; new lines still go to it`;
  }

  /** Finds out what someone else has done to the current segment since the last examination. */
  async #examine(): Promise<{ change: string | undefined; isThere: boolean }> {
    const change = changeOf(await this.#segment.examine());
    const isThere = await this.#isAtItsPath();
    return { change: change ?? (isThere || this.#wasRenamed ? undefined : 'renamed'), isThere };
  }

  async #replace(now: string, change: string): Promise<string> {
    const finishedPath = this.path;
    await this.#finish(change);
    await this.#begin(now);
    return `${finishedPath} was ${change}; new lines go to a new ${this.path}`;
  }

  /** @param change Made by someone else: a deleted segment is not counted. */
  async #finish(change: string | undefined): Promise<void> {
    await this.#segment.close();
    if (change === DELETED) this.count--;
    else this.#finishedSize += this.size;
  }

  async #goOnAfterCut(change: string, now: string): Promise<string> {
    const end = await endOfLastLine(this.#handle, this.size);
    if (end < this.size) await this.#segment.cutTo(end);
    if (end === 0) await this.#continue(now);
    return `${this.path} was ${change}; new lines go to its end`;
  }

  async #begin(receivedAt: string): Promise<void> {
    const isFree = (await targetKind(this.#path)) === 'nothing';
    const path = isFree ? this.#path : await new SegmentNames(this.#path).next();
    this.#handle = await createFile(path);
    this.#segment = this.#segmentAt(path, 0);
    this.#identity = undefined;
    this.#wasRenamed = false;
    this.hasLines = false;
    this.count++;
    await this.#continue(receivedAt);
  }

  /** Makes the segment readable by itself: its first lines say which connections are open. */
  async #continue(receivedAt: string): Promise<void> {
    const lines = this.#connections.continuation(receivedAt);
    if (lines.length > 0) await this.#segment.append(lines, 0);
  }

  #segmentAt(path: string, size: number): Segment {
    const isCompressed = this.#path.endsWith('.gz');
    return new Segment(path, this.#handle, size, isCompressed ? this.#exclusively : undefined);
  }

  async #isAtItsPath(): Promise<boolean> {
    this.#identity ??= identityOf(await this.#handle.stat());
    const stats = await lstat(this.path).catch(() => undefined);
    return stats !== undefined && identityOf(stats) === this.#identity;
  }
}

const DELETED = 'deleted, with all its lines';

/** Describes a change that someone else made to a file. */
function changeOf({ isDeleted, cutBy }: { isDeleted: boolean; cutBy: number }): string | undefined {
  if (isDeleted) return DELETED;
  return cutBy > 0 ? `cut short (${cutBy} bytes)` : undefined;
}

function identityOf({ dev, ino }: { dev: number; ino: number }): string {
  return `${dev}/${ino}`;
}
