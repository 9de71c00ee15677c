import { clearTimeout, setTimeout } from 'node:timers';
import { setTimeout as delay } from 'node:timers/promises';
import { GzipMember, mostCompressed } from './gzip.js';
import { WriteFailure } from './recording-files.js';

/** An open file as a {@link Segment} needs it; `FileHandle` of `node:fs/promises` has these methods. */
export interface WritableFile {
  write(buffer: Buffer, offset: number, length: number): Promise<{ bytesWritten: number }>;
  truncate(length: number): Promise<void>;
  sync(): Promise<void>;
  stat(): Promise<{ size: number; nlink: number; isFile(): boolean }>;
  close(): Promise<void>;
}

/** Runs a task when no other task of the same recording is under way. */
export type Exclusively = (task: () => Promise<void>) => Promise<void>;

/** Written data is synced to the disk at most this long after it was written. */
const SYNC_MS = 800;
/** Compressed data reaches the file at most this long after its lines came. */
const FLUSH_MS = 500;
/**
 * A gzip member ends after this many bytes of lines. A killed recorder leaves its last member torn, and a later append
 * compresses that member again: it has to fit into memory.
 */
export const MEMBER_BYTES = 4 * 1024 * 1024;
const MAX_RETRY_DELAY_MS = 50;
const LF = 0x0a;

/**
 * One file of a recording. Lines are appended as they are or compressed; whatever fails, the file ends with a whole
 * line (a compressed one with what unpacks to whole lines). Await each call before the next.
 */
export class Segment {
  readonly path: string;
  readonly #file: WritableFile;
  readonly #exclusively: Exclusively | undefined;
  /** Size that the file should have: its size at the start and all that was written since. */
  #size: number;
  /** Size up to which the file holds whole lines, and the lines that were handed over since. */
  #safeSize: number;
  readonly #pending = { lines: 0, bytes: 0 };
  #member: GzipMember | undefined;
  #flushTimer: NodeJS.Timeout | undefined;
  #isDirty = false;
  #syncTimer: NodeJS.Timeout | undefined;
  #syncing: Promise<void> | undefined;
  /** Error of the first write or sync that failed. A second sync would report success for data that is lost. */
  #cause: unknown;
  #isClosed = false;

  /**
   * @param file Open for appending, `size` bytes long.
   * @param exclusively The flush timer runs its work through this, so that it never meets an append. Given for
   *   compressed files only.
   */
  constructor(path: string, file: WritableFile, size: number, exclusively?: Exclusively) {
    this.path = path;
    this.#file = file;
    this.#size = size;
    this.#safeSize = size;
    this.#exclusively = exclusively;
  }

  /** Bytes in the file. */
  get size(): number {
    return this.#size;
  }

  /** Bytes that the file has at most when all that was handed over is flushed. */
  get mostSize(): number {
    return this.#size + (this.isCompressed ? mostCompressed(this.#member?.unflushedBytes ?? 0) : 0);
  }

  get isCompressed(): boolean {
    return this.#exclusively !== undefined;
  }

  /**
   * Appends whole lines.
   *
   * @param count Number of those lines that the caller keeps account of.
   * @throws {WriteFailure} Also when an earlier call or a timer has failed.
   */
  async append(lines: Buffer, count: number): Promise<void> {
    this.#pending.lines += count;
    this.#pending.bytes += count === 0 ? 0 : lines.length;
    this.#throwFailure();
    if (!this.isCompressed) {
      await this.#write(lines);
      this.#settle();
      return;
    }
    this.#member ??= new GzipMember();
    await this.#write(await this.#member.take(lines));
    if (this.#member.length >= MEMBER_BYTES) await this.#endMember();
    else this.#flushTimer ??= setTimeout(() => this.#flushLater(), FLUSH_MS);
  }

  /** Writes the lines that are still in the compressor. @throws {WriteFailure} */
  async flush(): Promise<void> {
    if (this.#member === undefined || this.#cause !== undefined) return;
    await this.#write(await this.#member.flush());
    this.#settle();
  }

  /** Writes the rest, syncs the file to the disk and closes it. @throws {WriteFailure} Also for an earlier failure. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#flushTimer);
    clearTimeout(this.#syncTimer);
    try {
      if (this.#cause === undefined) await this.#endMember();
    } finally {
      await this.#syncing;
      if (this.#isDirty) await this.#sync();
      await this.#file.close();
    }
    this.#throwFailure();
  }

  /** Forgets the compressed data that is under way. @returns The lines in it that have not reached the file. */
  takeBack(): Buffer {
    const lines = this.#member?.unflushed ?? Buffer.alloc(0);
    this.#member = undefined;
    return lines;
  }

  /** Takes note that someone else has changed the file, and that it holds whole lines. */
  restartAt(size: number): void {
    this.#size = size;
    this.#safeSize = size;
  }

  /** Cuts the file to a length that it had before. */
  async cutTo(size: number): Promise<void> {
    await this.#file.truncate(size).catch(() => undefined);
    this.#size = size;
    this.#safeSize = Math.min(this.#safeSize, size);
  }

  /** Finds out whether someone else has deleted the file, or by how many bytes they have cut it short. */
  async examine(): Promise<{ isDeleted: boolean; cutBy: number }> {
    const stats = await this.#file.stat();
    // Pipes and devices have no length.
    if (!stats.isFile()) return { isDeleted: false, cutBy: 0 };
    const { size, nlink } = stats;
    const cutBy = Math.max(0, this.#size - size);
    this.#size = size;
    this.#safeSize = Math.min(this.#safeSize, size);
    return { isDeleted: nlink === 0, cutBy };
  }

  #flushLater(): void {
    this.#flushTimer = undefined;
    // The next append reports a failure; the file has been cut back by then.
    this.#exclusively?.(() => this.flush()).catch(() => undefined);
  }

  async #endMember(): Promise<void> {
    const member = this.#member;
    if (member === undefined) return;
    this.#member = undefined;
    await this.#write(await member.end());
    this.#settle();
  }

  /** All that was handed over is in the file. */
  #settle(): void {
    this.#safeSize = this.#size;
    this.#pending.lines = 0;
    this.#pending.bytes = 0;
  }

  async #write(data: Buffer): Promise<void> {
    let written = 0;
    let retryDelayMs = 1;
    while (written < data.length) {
      try {
        written += (await this.#file.write(data, written, data.length - written)).bytesWritten;
        retryDelayMs = 1;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'EAGAIN' && code !== 'EINTR') {
          this.#cause = error;
          await this.#cutBack(data, written);
          break;
        }
        // A pipe that is full: its reader is slow.
        await delay(retryDelayMs);
        retryDelayMs = Math.min(retryDelayMs * 2, MAX_RETRY_DELAY_MS);
      }
    }
    this.#throwFailure();
    this.#size += written;
    if (written > 0) this.#markDirty();
  }

  /** Cuts off what was written behind the last whole line. Of compressed data only a flush tells where that is. */
  async #cutBack(data: Buffer, written: number): Promise<void> {
    const end = this.#size + written;
    if (!this.isCompressed) {
      const kept = written === 0 ? 0 : data.lastIndexOf(LF, written - 1) + 1;
      this.#safeSize = this.#size + kept;
      this.#pending.lines = Math.min(this.#pending.lines, countLines(data.subarray(kept)));
      this.#pending.bytes = this.#pending.lines === 0 ? 0 : data.length - kept;
      if (kept > 0) this.#isDirty = true;
    }
    // Someone else may have cut the file, so its length is not taken for granted.
    const { size } = await this.#file.stat().catch(() => ({ size: end }));
    if (end > this.#safeSize) await this.#file.truncate(size - (end - this.#safeSize)).catch(() => undefined);
    this.#size = this.#safeSize;
  }

  #throwFailure(): void {
    if (this.#cause !== undefined) throw new WriteFailure(this.path, this.#cause, this.#pending);
  }

  #markDirty(): void {
    this.#isDirty = true;
    if (this.#syncTimer !== undefined || this.#isClosed) return;
    this.#syncTimer = setTimeout(() => {
      this.#syncTimer = undefined;
      this.#syncing = this.#sync().finally(() => {
        this.#syncing = undefined;
        if (this.#isDirty) this.#markDirty();
      });
    }, SYNC_MS);
  }

  async #sync(): Promise<void> {
    this.#isDirty = false;
    try {
      await this.#file.sync();
    } catch (error) {
      // Pipes and devices have no disk below them.
      if (!['EINVAL', 'ENOTSUP', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) {
        this.#cause ??= error;
      }
    }
  }
}

/** Counts the line feeds. */
export function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) count++;
  return count;
}
