import type { FileHandle } from 'node:fs/promises';
import { clearInterval, setInterval } from 'node:timers';
import { OpmasError } from '../../core/errors.js';
import { joinBatches, type LineBatch } from '../../core/recording/format.js';
import type { FileLock } from '../file-lock.js';
import { localError, removeFile, replaceFile, WriteFailure } from './recording-files.js';
import type { SegmentOptions } from './segment-names.js';
import { SegmentedWriter } from './segmented-writer.js';

/** Interval of the checks whether someone else has deleted, renamed or cut the file. */
const EXAMINE_MS = 2000;

/** Options of `openRecording`, all optional. */
export interface RecordOptions extends SegmentOptions {
  /** Add to an existing recording, or create it. A torn tail is cut off first. */
  append?: boolean | undefined;
  /** Ends the wait for a lock. */
  signal?: AbortSignal | undefined;
  /** Replace an existing file when the first line comes; without lines it stays. */
  force?: boolean | undefined;
}

/** An opened file that a {@link RecordingWriter} writes to. */
export interface OpenedRecording {
  path: string;
  handle: FileHandle;
  /** Bytes in the file. */
  size: number;
  /** `undefined` for pipes and devices, which are never deleted or renamed either. */
  lock: FileLock | undefined;
  /** `true` when the file was created just now; it is removed again when nothing is recorded. */
  isNew: boolean;
  /** Path of the file until its first lines are written; then it replaces the file at `path`. */
  provisionalPath?: string;
}

interface WaitingBatch {
  batch: LineBatch;
  resolve(): void;
  reject(error: OpmasError): void;
}

/** A recording that is being written. */
export class RecordingWriter {
  readonly #lock: FileLock | undefined;
  readonly #isNew: boolean;
  #provisionalPath: string | undefined;
  readonly #segments: SegmentedWriter;
  /** The last of the tasks that run one after another. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Batches that wait for the one before. */
  #waiting: WaitingBatch[] = [];
  /** Memory in which waiting batches are joined. */
  #joined: Buffer = Buffer.alloc(0);
  #examineTimer: NodeJS.Timeout | undefined;
  #isExamining = false;

  #given = 0;
  #lines = 0;
  #bytes = 0;
  #failure: OpmasError | undefined;
  #isFailureReported = false;
  #closing: Promise<void> | undefined;

  constructor(opened: OpenedRecording, options: RecordOptions) {
    const { path, handle, size, lock, isNew, provisionalPath } = opened;
    this.#lock = lock;
    this.#isNew = isNew;
    this.#provisionalPath = provisionalPath;
    this.#segments = new SegmentedWriter(path, handle, size, options, (task) => this.#exclusively(task));
    if (lock !== undefined) this.#examineTimer = setInterval(() => this.#examineSoon(), EXAMINE_MS).unref();
  }

  /** The file that new lines go to. */
  get path(): string {
    return this.#segments.path;
  }

  /** After {@link close}: the name of the last file, which someone may have renamed; `undefined` when it has none. */
  get lastName(): string | undefined {
    return this.#provisionalPath === undefined ? this.#segments.lastName : this.path;
  }

  /** Number of lines in the files. */
  get lines(): number {
    return this.#lines;
  }

  /** Bytes of those lines before compression. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes of the files that this recorder has written to. */
  get size(): number {
    return this.#segments.totalSize;
  }

  /** Number of those files. */
  get files(): number {
    return this.#segments.count;
  }

  /** Number of lines that were handed over and are not in the files. */
  get lostLines(): number {
    return this.#given - this.#lines;
  }

  /**
   * Appends the lines. They are in the file when the promise resolves (in a `.gz` within half a second), and on the
   * disk within a second; until it resolves the batch must not change. Batches that come meanwhile are written as one.
   * They take memory, so do not call it without end while a disk is slow.
   *
   * @throws {OpmasError} `LOCAL` when lines cannot be written. The file then ends with the last whole line that could;
   *   {@link lostLines} counts the others. Every later call throws the same error.
   */
  write(batch: LineBatch): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, resolve, reject });
      if (this.#waiting.length === 1) void this.#exclusively(() => this.#writeWaiting());
    });
  }

  /**
   * Puts everything on the disk and releases the file; a new file without lines is removed. Call it also after a
   * failure.
   *
   * @throws {OpmasError} `LOCAL` for a failure that no {@link write} has thrown.
   */
  close(): Promise<void> {
    clearInterval(this.#examineTimer);
    this.#closing ??= this.#exclusively(async () => {
      const provisional = this.#provisionalPath;
      const examines = this.#lock !== undefined && this.#failure === undefined && provisional === undefined;
      await this.#segments.close(examines).catch((error) => this.#fail(error));
      if (provisional !== undefined) await this.#discard(provisional);
      else if (this.#isNew && this.#given === 0) await this.#segments.removeEmpty();
      await this.#lock?.release();
      if (this.#failure !== undefined && !this.#isFailureReported) throw this.#failure;
    });
    return this.#closing;
  }

  /** Writes all batches that came while the last write was under way: large writes are faster. */
  async #writeWaiting(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    const batch = this.#join(waiting.map((one) => one.batch));
    this.#given += batch.count;
    try {
      if (this.#failure === undefined) await this.#writeLines(batch);
    } catch (error) {
      this.#fail(error);
    }
    for (const { resolve, reject } of waiting) {
      if (this.#failure === undefined) resolve();
      else reject(this.#failure);
    }
    if (this.#failure !== undefined) this.#isFailureReported = true;
  }

  #join(batches: readonly LineBatch[]): LineBatch {
    if (batches.length === 1) return batches[0] as LineBatch;
    const length = batches.reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (length > this.#joined.length) this.#joined = Buffer.allocUnsafeSlow(length);
    return joinBatches(batches, this.#joined);
  }

  async #writeLines(batch: LineBatch): Promise<void> {
    for (let start = 0; start < batch.bytes.length; ) {
      const piece = await this.#segments.pieceForSegment(batch, start);
      start += piece.bytes.length;
      // Count first: a failure says how many of all lines that were handed over are not in the file.
      this.#lines += piece.count;
      this.#bytes += piece.bytes.length;
      await this.#segments.append(piece);
      if (this.#provisionalPath === undefined) continue;
      // The first lines are written, so the old file can go.
      await this.#segments.flush();
      await replaceFile(this.path, this.#provisionalPath);
      this.#provisionalPath = undefined;
    }
  }

  /** No line came, or the first could not be written: the old file stays, and nothing of the new one. */
  async #discard(provisionalPath: string): Promise<void> {
    await removeFile(provisionalPath).catch((error) => this.#fail(error));
    this.#lines = 0;
    this.#bytes = 0;
  }

  #examineSoon(): void {
    // On a slow disk, examinations must not pile up.
    if (this.#isExamining) return;
    this.#isExamining = true;
    void this.#exclusively(() => this.#examine())
      .catch((error) => this.#fail(error))
      .finally(() => {
        this.#isExamining = false;
      });
  }

  async #examine(): Promise<void> {
    if (this.#closing !== undefined || this.#failure !== undefined) return;
    if (this.#lock?.isLost) throw new OpmasError('LOCAL', takenOver(this.path));
    if (this.#provisionalPath !== undefined) return;
    await this.#segments.handleChanges();
  }

  /** Runs one task after another: writes, work of timers, the end. */
  #exclusively<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #fail(error: unknown): undefined {
    if (this.#failure !== undefined) return;
    if (error instanceof WriteFailure) {
      this.#lines -= error.lostLines;
      this.#bytes -= error.lostBytes;
      this.#failure = new OpmasError('LOCAL', error.message, { cause: error.cause });
    } else if (error instanceof OpmasError) this.#failure = error;
    else this.#failure = localError(`${this.path} cannot be written`, error);
  }
}

/** Two recorders must never write to one file. */
function takenOver(path: string): string {
  return `${path} was taken over by another recorder while this one was stopped`;
}
