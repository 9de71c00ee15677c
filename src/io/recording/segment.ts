import { setTimeout as delay } from 'node:timers/promises';
import { GzipMember, mostCompressed } from './gzip.js';
import { localError } from './recording-files.js';

/** An open file as a {@link Segment} needs it; `FileHandle` of `node:fs/promises` has these methods. */
export interface WritableFile {
  write(buffer: Buffer, offset: number, length: number): Promise<{ bytesWritten: number }>;
  truncate(length: number): Promise<void>;
  sync(): Promise<void>;
  stat(): Promise<{ size: number; nlink: number; isFile(): boolean }>;
  close(): Promise<void>;
}

/** Lines, and their bytes before compression. */
export interface WrittenLines {
  lines: number;
  bytes: number;
}

/**
 * A gzip member ends after this many bytes of lines. A killed recorder leaves its last member torn, and a later append
 * compresses that member again: it has to fit into memory.
 */
const MEMBER_BYTES = 4 * 1024 * 1024;
/** This many bytes of lines are compressed at once, also when no flush comes. */
const COMPRESSED_AT_ONCE_BYTES = 256 * 1024;
const MAX_RETRY_DELAY_MS = 50;
/** Pipes and devices have no disk below them; their sync fails with one of these. */
const NO_DISK: ReadonlySet<unknown> = new Set(['EINVAL', 'ENOTSUP', 'EROFS']);
const LF = 0x0a;

/** A change that someone else has made to a file that is being written. */
export const DELETED = 'deleted, with all its lines';

/**
 * One file of a recording. Lines are appended as they are or compressed; whatever fails, the file ends with a whole
 * line (a compressed one with what unpacks to whole lines). Await each call but {@link sync} before the next; after a
 * failure only {@link close} it.
 */
export class Segment {
  readonly isCompressed: boolean;
  /** Size that the file should have: its size at the start and all that was written since. */
  #size: number;
  /** Lines that were handed over and are not in the file, and their length. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  /** Counts those of them that are counted. */
  #pending: WrittenLines = { lines: 0, bytes: 0 };
  #member: GzipMember | undefined;
  #isDirty = false;
  #syncing: Promise<void> = Promise.resolve();
  isClosed = false;

  /**
   * @param path Where it is, or was last. @param file Open for appending, `size` bytes long.
   * @param written Counts the lines that are in the file.
   */
  constructor(
    public path: string,
    private readonly file: WritableFile,
    size: number,
    private readonly written: WrittenLines,
  ) {
    this.isCompressed = path.endsWith('.gz');
    this.#size = size;
  }

  /** Bytes in the file. */
  get size(): number {
    return this.#size;
  }

  /** Bytes that the file has at most when all that was handed over is flushed. */
  get mostSize(): number {
    return this.#size + (this.isCompressed ? mostCompressed(this.#waitingBytes) : 0);
  }

  /**
   * Appends whole lines. Those of a compressed file may wait for {@link flush}.
   *
   * @param count The number of lines; 0 for lines that are not counted. @throws {OpmasError} `LOCAL`
   */
  async append(lines: Buffer, count: number): Promise<void> {
    this.#pending.lines += count;
    this.#pending.bytes += count === 0 ? 0 : lines.length;
    this.#waiting.push(this.isCompressed ? Buffer.from(lines) : lines);
    this.#waitingBytes += lines.length;
    if (!this.isCompressed || this.#waitingBytes >= COMPRESSED_AT_ONCE_BYTES) await this.flush();
  }

  /** Writes the lines that wait. @throws {OpmasError} `LOCAL` */
  async flush(): Promise<void> {
    if (this.#waitingBytes === 0) return;
    const lines = this.#waiting.length === 1 ? this.#waiting[0]! : Buffer.concat(this.#waiting);
    if (this.isCompressed) this.#member ??= new GzipMember();
    await this.#write((await this.#member?.compress(lines)) ?? lines);
    this.#member?.settle(lines);
    this.written.lines += this.#pending.lines;
    this.written.bytes += this.#pending.bytes;
    this.#forgetWaiting();
    if ((this.#member?.length ?? 0) >= MEMBER_BYTES) await this.#endMember();
  }

  /**
   * Puts what was written so far on the disk. After a failure none is tried again: it would report success for data
   * that is lost. @throws {OpmasError} `LOCAL`
   */
  sync(): Promise<void> {
    if (this.#isDirty) this.#syncing = this.#syncing.then(() => this.#sync());
    this.#isDirty = false;
    return this.#syncing;
  }

  /** Writes the rest, syncs the file to the disk and closes it. @throws {OpmasError} `LOCAL` */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    try {
      await this.flush();
      await this.#endMember();
    } finally {
      try {
        await this.sync();
      } finally {
        await this.file.close();
      }
    }
  }

  /**
   * Begins anew after someone else has changed the file, which holds whole lines again.
   *
   * @param first Lines that come before those that wait. They are not counted. @throws {OpmasError} `LOCAL`
   */
  async restartAt(size: number, first: Buffer): Promise<void> {
    this.#member = undefined;
    this.#size = size;
    this.#waiting.unshift(first);
    this.#waitingBytes += first.length;
    await this.flush();
  }

  /** Returns what someone else has done to the file since the last call: `cut short (5 bytes)`, or {@link DELETED}. */
  async examine(): Promise<string | undefined> {
    const stats = await this.file.stat();
    // Pipes and devices have no length.
    if (!stats.isFile()) return undefined;
    const { size, nlink } = stats;
    const cutBy = this.#size - size;
    this.#size = size;
    if (nlink === 0) return DELETED;
    return cutBy > 0 ? `cut short (${cutBy} bytes)` : undefined;
  }

  async #endMember(): Promise<void> {
    if (this.#member !== undefined) await this.#write(this.#member.end);
    this.#member = undefined;
  }

  async #write(data: Buffer): Promise<void> {
    let written = 0;
    let retryDelayMs = 1;
    while (written < data.length) {
      try {
        written += (await this.file.write(data, written, data.length - written)).bytesWritten;
        retryDelayMs = 1;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'EAGAIN' && code !== 'EINTR') {
          await this.#cutBack(data, written);
          throw localError(`${this.path} cannot be written`, error);
        }
        // A pipe that is full: its reader is slow.
        await delay(retryDelayMs);
        retryDelayMs = Math.min(retryDelayMs * 2, MAX_RETRY_DELAY_MS);
      }
    }
    this.#size += written;
    if (written > 0) this.#isDirty = true;
  }

  /** Cuts off what was written behind the last whole line. Of compressed data that is all of it. */
  async #cutBack(data: Buffer, written: number): Promise<void> {
    const kept = this.isCompressed || written === 0 ? 0 : data.lastIndexOf(LF, written - 1) + 1;
    if (kept > 0) this.#isDirty = true;
    if (kept > 0 && this.#pending.lines > 0) {
      this.written.lines += countLines(data.subarray(0, kept));
      this.written.bytes += kept;
    }
    // Someone else may have cut the file, so its length is not taken for granted.
    const end = this.#size + written;
    const { size } = await this.file.stat().catch(() => ({ size: end }));
    if (written > kept) await this.file.truncate(size - (written - kept)).catch(() => undefined);
    this.#size += kept;
    const memberEnd = size === end ? this.#member?.end : undefined;
    this.#member = undefined;
    this.#forgetWaiting();
    if (memberEnd === undefined) return;
    const { bytesWritten } = await this.file
      .write(memberEnd, 0, memberEnd.length)
      .catch(() => ({ bytesWritten: 0 }));
    if (bytesWritten === memberEnd.length) this.#size += bytesWritten;
    else await this.file.truncate(this.#size).catch(() => undefined);
  }

  #forgetWaiting(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#pending = { lines: 0, bytes: 0 };
  }

  async #sync(): Promise<void> {
    await this.file.sync().catch((error: NodeJS.ErrnoException) => {
      if (!NO_DISK.has(error.code)) throw localError(`${this.path} cannot be written`, error);
    });
  }
}

/** Counts the line feeds. */
export function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) count++;
  return count;
}
