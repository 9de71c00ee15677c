import { setTimeout as delay } from 'node:timers/promises';
import { OpmasError } from '../../core/errors.js';

/** What a {@link PartFile} needs of an open file; `FileHandle` of `node:fs/promises` has it. */
export interface WritableFile {
  write(buffer: Buffer, offset: number, length: number): Promise<{ bytesWritten: number }>;
  truncate(length: number): Promise<void>;
  sync(): Promise<void>;
  stat(): Promise<{ size: number; nlink: number }>;
  close(): Promise<void>;
}

/** A file that lines are appended to, as they are or compressed. Await each call before the next. */
export interface LineSink {
  /** Bytes in the file. */
  readonly size: number;
  /**
   * Appends whole lines.
   *
   * @param count How many lines those are, of those that someone keeps account of. @throws {WriteFailure} The file then ends with a whole line all the same.
   */
  append(lines: Buffer, count: number): Promise<void>;
  /** Writes what has been appended and is not in the file yet. @throws {WriteFailure} */
  flush(): Promise<void>;
  /** Writes what is under way and puts all of it on the disk. @throws {WriteFailure} */
  close(): Promise<void>;
}

/** Lines could not be written; what was whole stays in the file. */
export class WriteFailure extends Error {
  override readonly name = 'WriteFailure';
  /** Of the lines that were handed over, those of earlier calls included, so many are not in the file. */
  readonly lostLines: number;
  readonly lostBytes: number;

  constructor(message: string, lostLines: number, lostBytes: number, cause: unknown) {
    super(message, { cause });
    this.lostLines = lostLines;
    this.lostBytes = lostBytes;
  }
}

/** Data is on the disk at most so long after it was written to the file. */
const SYNC_MS = 800;
const MAX_PATIENCE_MS = 50;
const LF = 0x0a;

/** One open file, written to at its end. */
export class PartFile implements LineSink {
  readonly path: string;
  readonly #file: WritableFile;
  /** How large the file should be: what it was, and what was written since. */
  #size: number;
  #dirty = false;
  #syncTimer: NodeJS.Timeout | undefined;
  #syncing: Promise<void> | undefined;
  /** The disk has refused to keep what was written; to ask again would be told a lie. */
  #syncFailure: unknown;
  #closed = false;

  constructor(path: string, file: WritableFile, size: number) {
    this.path = path;
    this.#file = file;
    this.#size = size;
  }

  /** Bytes in the file. */
  get size(): number {
    return this.#size;
  }

  /** It writes at once. */
  async flush(): Promise<void> {}

  async append(data: Buffer, count: number): Promise<void> {
    if (this.#syncFailure !== undefined) throw this.#failure(this.#syncFailure, data, count);
    let written = 0;
    let patience = 1;
    while (written < data.length) {
      try {
        written += (await this.#file.write(data, written, data.length - written)).bytesWritten;
        patience = 1;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'EAGAIN' && code !== 'EINTR') throw await this.#cutBack(data, count, written, error);
        // A pipe that is full: its reader is slow.
        await delay(patience);
        patience = Math.min(patience * 2, MAX_PATIENCE_MS);
      }
    }
    this.#size += written;
    this.#soil();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#syncTimer);
    try {
      await this.#syncing;
      if (this.#dirty) await this.#sync();
    } finally {
      await this.#file.close();
    }
    if (this.#syncFailure !== undefined) throw this.#failure(this.#syncFailure, Buffer.alloc(0), 0);
  }

  /** Cuts the file to a length that it had before. */
  async cutTo(size: number): Promise<void> {
    await this.#file.truncate(size).catch(() => undefined);
    this.#size = size;
  }

  /**
   * Finds out whether somebody else has deleted the file or cut it short.
   *
   * @returns By how many bytes it was cut, 0 when it was not.
   */
  async examine(): Promise<{ isDeleted: boolean; cutBy: number }> {
    const { size, nlink } = await this.#file.stat();
    const cutBy = Math.max(0, this.#size - size);
    this.#size = size;
    return { isDeleted: nlink === 0, cutBy };
  }

  #soil(): void {
    this.#dirty = true;
    if (this.#syncTimer !== undefined || this.#closed) return;
    this.#syncTimer = setTimeout(() => {
      this.#syncTimer = undefined;
      this.#syncing = this.#sync().finally(() => {
        this.#syncing = undefined;
        if (this.#dirty) this.#soil();
      });
    }, SYNC_MS);
  }

  async #sync(): Promise<void> {
    this.#dirty = false;
    try {
      await this.#file.sync();
    } catch (error) {
      // Pipes and devices have no disk below them.
      if (!['EINVAL', 'ENOTSUP', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) {
        this.#syncFailure = error;
      }
    }
  }

  async #cutBack(data: Buffer, count: number, written: number, error: unknown): Promise<WriteFailure> {
    const kept = written === 0 ? 0 : data.lastIndexOf(LF, written - 1) + 1;
    const { size } = await this.#file.stat().catch(() => ({ size: this.#size + written }));
    if (written > kept) await this.#file.truncate(size - (written - kept)).catch(() => undefined);
    this.#size += kept;
    if (kept > 0) this.#dirty = true;
    return this.#failure(error, data.subarray(kept), count);
  }

  /** @param count How many lines the call was about: none, when it was about the file's own first lines. */
  #failure(error: unknown, lost: Buffer, count: number): WriteFailure {
    const message = `${this.path} cannot be written: ${reasonOf(error)}`;
    const lostLines = Math.min(count, countLines(lost));
    return new WriteFailure(message, lostLines, lostLines === 0 ? 0 : lost.length, error);
  }
}

/** How many line feeds there are. */
export function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) count++;
  return count;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would be larger than this process may write',
  EIO: 'the disk has failed',
  EPIPE: 'nobody reads from it any more',
  ENOENT: 'its folder does not exist',
  ENOTDIR: 'what should be its folder is a file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENAMETOOLONG: 'the name is too long',
};

/** Why a file operation failed, in words. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = REASONS[code ?? ''];
  return reason === undefined ? message : `${reason} (${code})`;
}

/** The same as an error for the user. */
export function localError(what: string, error: unknown): OpmasError {
  return new OpmasError('LOCAL', `${what}: ${reasonOf(error)}`, { cause: error });
}
