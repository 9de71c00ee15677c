import { clearInterval, setInterval } from 'node:timers';
import { OpmasError } from '../../core/errors.js';
import { joinBatches, type LineBatch } from '../../core/recording/format.js';
import type { FileLock } from '../file-lock.js';
import { localError, type OpenedFile } from './recording-files.js';
import type { SegmentOptions } from './segment-names.js';
import { SegmentedWriter } from './segmented-writer.js';

/** Interval of the checks whether someone else has deleted, renamed or cut the file. */
const EXAMINE_MS = 2000;
/** Compressed data reaches the file at most this long after its lines came. */
const FLUSH_MS = 500;
/** What is in the file is synced to the disk at most this long after it was written. */
const SYNC_MS = 800;

/** Options of `openRecording`, all optional. */
export interface RecordOptions extends SegmentOptions {
  /** Add to an existing recording, or create it. A torn tail is cut off first. */
  append?: boolean | undefined;
  /** Ends the wait for a lock. */
  signal?: AbortSignal | undefined;
  /** Replace an existing file when the first line comes; without lines it stays. */
  force?: boolean | undefined;
}

interface WaitingBatch {
  batch: LineBatch;
  resolve(): void;
  reject(error: OpmasError): void;
}

/** A recording that is being written. */
export class RecordingWriter {
  readonly #lock: FileLock | undefined;
  readonly #segments: SegmentedWriter;
  /** The last of the tasks that run one after another. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Batches that wait for the one before. */
  #waiting: WaitingBatch[] = [];
  /** Memory in which waiting batches are joined. */
  #joined: Buffer = Buffer.alloc(0);
  readonly #timers: NodeJS.Timeout[] = [];
  #given = 0;
  #failure: OpmasError | undefined;
  #isFailureReported = false;
  #closing: Promise<void> | undefined;

  /** @param lock `undefined` for pipes and devices, which are never deleted or renamed either. */
  constructor(opened: OpenedFile, lock: FileLock | undefined, options: RecordOptions) {
    this.#lock = lock;
    this.#segments = new SegmentedWriter(opened, options, () => this.#waiting[0]?.batch.bytes);
    this.#every(SYNC_MS, () => this.#segments.sync());
    const everyTurn = (ms: number, task: () => Promise<void>) =>
      this.#every(ms, () => this.#exclusively(async () => (this.#failure ? undefined : task())));
    if (opened.path.endsWith('.gz')) everyTurn(FLUSH_MS, () => this.#segments.flush());
    if (lock !== undefined) everyTurn(EXAMINE_MS, () => this.#examine(lock));
  }

  /** The file that new lines go to. */
  get path(): string {
    return this.#segments.path;
  }

  /** After {@link close}: the name of the last file, which someone may have renamed; `undefined` when it has none. */
  get lastName(): string | undefined {
    return this.#segments.lastName;
  }

  /** Number of lines written; those in files that have been deleted since are among them. */
  get lines(): number {
    return this.#segments.written.lines;
  }

  /** Bytes of those lines before compression. */
  get bytes(): number {
    return this.#segments.written.bytes;
  }

  /** Bytes of the files that this recorder has written to and that are still there. */
  get size(): number {
    return this.#segments.size;
  }

  /** Number of those files. */
  get files(): number {
    return this.#segments.count - this.#segments.deleted;
  }

  /** Number of files that have been deleted since, with all their lines: by `keep`, or by others. */
  get deletedFiles(): number {
    return this.#segments.deleted;
  }

  /** Number of lines that were handed over and could not be written. */
  get lostLines(): number {
    return this.#given - this.lines;
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

  /** `true` when someone else has renamed or deleted the file since it was opened, or since {@link reopen}. */
  get wasMoved(): boolean {
    return this.#lock !== undefined && this.#segments.wasMoved;
  }

  /**
   * Goes on in the file at the recording's path when someone else has renamed or deleted the open one, as `logrotate`
   * does: creates it, or adds to the one that is there, as `append` does. The old file is complete, and the new one
   * begins with the state of the connections.
   *
   * @throws {OpmasError} Why that is not possible. New lines then go to the old file, and every 2 s it is tried again.
   */
  reopen(): Promise<void> {
    return this.#exclusively(async () => {
      if (this.#lock === undefined || this.#failure !== undefined || this.#closing !== undefined) return;
      await this.#lock.renew();
      this.#throwIfTaken(this.#lock);
      const error = await this.#segments.reopen().catch((failure) => this.#fail(failure));
      if (error !== undefined) throw error;
    });
  }

  /**
   * Puts everything on the disk and releases the file; a new file without lines is removed. Call it also after a
   * failure.
   *
   * @throws {OpmasError} `LOCAL` for a failure that no {@link write} has thrown.
   */
  close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#closing ??= this.#exclusively(async () => {
      const examines = this.#lock !== undefined && this.#failure === undefined;
      await this.#segments.close(examines).catch((error) => this.#fail(error));
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
    if (this.#failure === undefined) await this.#segments.write(batch).catch((error) => this.#fail(error));
    for (const { resolve, reject } of waiting) {
      if (this.#failure === undefined) resolve();
      else reject(this.#failure);
    }
    if (this.#failure !== undefined) this.#isFailureReported = true;
  }

  #join(batches: readonly LineBatch[]): LineBatch {
    if (batches.length === 1) return batches[0]!;
    const length = batches.reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (length > this.#joined.length) this.#joined = Buffer.allocUnsafeSlow(length);
    return joinBatches(batches, this.#joined);
  }

  async #examine(lock: FileLock): Promise<void> {
    this.#throwIfTaken(lock);
    await this.#segments.handleChanges();
  }

  /** Two recorders must never write to one file. */
  #throwIfTaken(lock: FileLock): void {
    if (!lock.isLost) return;
    throw new OpmasError(
      'LOCAL',
      `${this.path} was taken over by another recorder while this one was stopped`,
    );
  }

  /** Does some work again and again, until something fails. On a slow disk it does not pile up. */
  #every(intervalMs: number, work: () => Promise<void>): void {
    let isBusy = false;
    const timer = setInterval(async () => {
      if (isBusy || this.#failure !== undefined) return;
      isBusy = true;
      await work().catch((error) => this.#fail(error));
      isBusy = false;
    }, intervalMs);
    this.#timers.push(timer.unref());
  }

  /** Runs one task after another: writes, work of timers, the end. */
  #exclusively<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #fail(error: unknown): OpmasError {
    this.#failure ??=
      error instanceof OpmasError ? error : localError(`${this.path} cannot be written`, error);
    return this.#failure;
  }
}
