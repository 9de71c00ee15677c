import { type FileHandle, lstat, rename, unlink } from 'node:fs/promises';
import type { LifecycleEntry } from '../../core/recording/format.js';
import { OpenConnections } from '../../core/recording/open-connections.js';
import { endOfLastLine } from './append.js';
import { GzipPart } from './gzip-part.js';
import { type LineSink, localError, PartFile } from './part-file.js';
import { partNames } from './part-names.js';
import { createFile, targetKind } from './target.js';

type Exclusively = (task: () => Promise<void>) => Promise<void>;

/**
 * The files of one recording, of which the last one is written. It always has the recording's own name (unless
 * somebody else puts something there); finished ones get numbers. Await each call before the next.
 */
export class PartSequence {
  readonly #path: string;
  readonly #exclusively: Exclusively;
  readonly #connections = new OpenConnections();

  /** Where the current file was created; it may have been renamed since. */
  #current: string;
  #handle: FileHandle;
  #file: PartFile;
  #sink: LineSink;
  #identity: string | undefined;
  #wasRenamed = false;
  #finishedSize = 0;
  /** Whether the last file of all was not there any more at the end. */
  #isGone = false;

  /** How many files there are. */
  count = 1;
  /** Whether the current file has lines, other than those that every further file begins with. */
  hasLines: boolean;

  /** @param exclusively Runs what a timer wants done between the calls from outside. */
  constructor(path: string, handle: FileHandle, size: number, exclusively: Exclusively) {
    this.#path = path;
    this.#exclusively = exclusively;
    this.#current = path;
    this.#handle = handle;
    this.#file = new PartFile(path, handle, size);
    this.#sink = this.#sinkFor(this.#file);
    this.hasLines = size > 0;
  }

  get path(): string {
    return this.#current;
  }

  /** Bytes of the current file. */
  get size(): number {
    return this.#sink.size;
  }

  /** Bytes of all files. */
  get totalSize(): number {
    return this.#finishedSize + (this.#isGone ? 0 : this.#sink.size);
  }

  get isCompressed(): boolean {
    return this.#sink !== this.#file;
  }

  /** @param lifecycle The lifecycle lines among them. @throws {WriteFailure} */
  async append(lines: Buffer, count: number, lifecycle: readonly LifecycleEntry[]): Promise<void> {
    this.hasLines = true;
    await this.#sink.append(lines, count);
    for (const entry of lifecycle) this.#connections.observe(entry);
  }

  /** Writes what has been appended and is not in the file yet. @throws {WriteFailure} */
  flush(): Promise<void> {
    return this.#sink.flush();
  }

  /**
   * @param looks Whether to look what others have done to the current file. @returns That, as a sentence.
   * @throws {WriteFailure}
   */
  async close(looks: boolean): Promise<string | undefined> {
    const change = looks ? (await this.#look().catch(() => undefined))?.change : undefined;
    await this.#sink.close();
    this.#isGone = change === DELETED;
    if (this.#isGone) this.count--;
    return change && `${this.#current} was ${change}`;
  }

  /** Takes the file away again when it is empty. Call it after {@link close}. */
  async removeEmpty(): Promise<void> {
    const stats = await lstat(this.#current).catch(() => undefined);
    if (stats?.isFile() && stats.size === 0) await unlink(this.#current).catch(() => undefined);
  }

  /**
   * Finishes the current file and begins the next one.
   *
   * @param receivedAt Time of the lines that the next one begins with.
   * @param keep How many finished files to keep. @returns What others have done to the one that is finished, as a
   *   sentence. @throws {WriteFailure | OpmasError}
   */
  async rotate(receivedAt: string, keep: number | undefined): Promise<string | undefined> {
    const names = partNames(this.#path);
    const finishedPath = this.#current;
    const { change, isThere } = await this.#look();
    const hasItsName = this.#current === this.#path && isThere;
    await this.#finish(change);
    if (hasItsName) {
      const finished = await names.next();
      await rename(this.#path, finished).catch((error) => {
        throw localError(`${this.#path} cannot be renamed to ${finished}`, error);
      });
    }
    await this.#begin(receivedAt);
    if (keep !== undefined) await names.prune(keep);
    return change && `${finishedPath} was ${change}; what comes is written to a new ${this.#current}`;
  }

  /** What others have done to the current file since the last look at it. */
  async #look(): Promise<{ change: string | undefined; isThere: boolean }> {
    const change = changeOf(await this.#file.examine());
    const isThere = await this.#isAtItsPath();
    return { change: change ?? (isThere || this.#wasRenamed ? undefined : 'renamed'), isThere };
  }

  /**
   * Looks what others have done to the current file, and deals with it.
   *
   * @param now Timestamp. @returns What happened, as a sentence. @throws {WriteFailure | OpmasError}
   */
  async examine(now: string): Promise<string | undefined> {
    const examined = await this.#file.examine();
    const change = changeOf(examined);
    if (change !== undefined) {
      if (examined.isDeleted || this.isCompressed) return this.#replace(now, change);
      return this.#goOnAfterCut(change, now);
    }
    if (this.#wasRenamed || (await this.#isAtItsPath())) return undefined;
    this.#wasRenamed = true;
    return `${this.#current} was renamed; what comes is still written to it`;
  }

  async #replace(now: string, change: string): Promise<string> {
    const finishedPath = this.#current;
    await this.#finish(change);
    await this.#begin(now);
    return `${finishedPath} was ${change}; what comes is written to a new ${this.#current}`;
  }

  /** @param change What others have done to it: a file that is gone counts no more. */
  async #finish(change: string | undefined): Promise<void> {
    await this.#sink.close();
    if (change === DELETED) this.count--;
    else this.#finishedSize += this.#sink.size;
  }

  async #goOnAfterCut(change: string, now: string): Promise<string> {
    const { size } = this.#file;
    const end = await endOfLastLine(this.#handle, size);
    if (end < size) await this.#file.cutTo(end);
    if (end === 0) await this.#continue(now);
    return `${this.#current} was ${change}; what comes is written to its end`;
  }

  async #begin(receivedAt: string): Promise<void> {
    const isFree = (await targetKind(this.#path)) === 'nothing';
    const path = isFree ? this.#path : await partNames(this.#path).next();
    this.#handle = await createFile(path);
    this.#current = path;
    this.#file = new PartFile(path, this.#handle, 0);
    this.#sink = this.#sinkFor(this.#file);
    this.#identity = undefined;
    this.#wasRenamed = false;
    this.hasLines = false;
    this.count++;
    await this.#continue(receivedAt);
  }

  /** Makes the file readable by itself: says which connections are open. */
  async #continue(receivedAt: string): Promise<void> {
    const lines = this.#connections.continuation(receivedAt);
    if (lines.length > 0) await this.#sink.append(lines, 0);
  }

  #sinkFor(file: PartFile): LineSink {
    return this.#path.endsWith('.gz') ? new GzipPart(file, this.#exclusively) : file;
  }

  async #isAtItsPath(): Promise<boolean> {
    this.#identity ??= identityOf(await this.#handle.stat());
    const stats = await lstat(this.#current).catch(() => undefined);
    return stats !== undefined && identityOf(stats) === this.#identity;
  }
}

const DELETED = 'deleted, with all that was in it';

/** What has been done to a file, in words. */
function changeOf({ isDeleted, cutBy }: { isDeleted: boolean; cutBy: number }): string | undefined {
  if (isDeleted) return DELETED;
  return cutBy > 0 ? `cut short (${cutBy} bytes)` : undefined;
}

function identityOf({ dev, ino }: { dev: number; ino: number }): string {
  return `${dev}/${ino}`;
}
