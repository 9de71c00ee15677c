import type { FileHandle } from 'node:fs/promises';
import { OpmasError } from '../../core/errors.js';
import { joinBatches, type LifecycleEntry, type LineBatch } from '../../core/recording/format.js';
import { LineView } from '../../core/recording/line-view.js';
import { formatTimestamp } from '../../core/recording/timestamp.js';
import { type Clock, systemClock } from '../clock.js';
import type { FileLock } from '../file-lock.js';
import { removeFile, replaceFile } from './recording-files.js';
import { countLines } from './segment.js';
import { SegmentedWriter } from './segmented-writer.js';
import { localError, WriteFailure } from './write-failure.js';
import type { RecordingWriter, RecordOptions } from './writer.js';

/** Interval of the checks whether someone else has deleted, renamed or cut the file. */
const EXAMINE_MS = 2000;
const LF = 0x0a;

/** An opened file that a {@link FileRecording} writes to. */
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

/** Writes batches into the segments of a recording, decides when the next segment begins, and counts lines. */
export class FileRecording implements RecordingWriter {
  readonly #options: RecordOptions;
  readonly #clock: Clock;
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
  #segmentStartMs: number;

  #given = 0;
  #lines = 0;
  #bytes = 0;
  #failure: OpmasError | undefined;
  #isFailureReported = false;
  #closing: Promise<void> | undefined;

  constructor(opened: OpenedRecording, options: RecordOptions) {
    const { path, handle, size, lock, isNew, provisionalPath } = opened;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#lock = lock;
    this.#isNew = isNew;
    this.#provisionalPath = provisionalPath;
    this.#segments = new SegmentedWriter(path, handle, size, (task) => this.#exclusively(task));
    this.#segmentStartMs = this.#clock.monotonicMs();
    if (lock !== undefined) this.#examineTimer = setInterval(() => this.#examineSoon(), EXAMINE_MS).unref();
  }

  get path(): string {
    return this.#segments.path;
  }

  get lines(): number {
    return this.#lines;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#segments.totalSize;
  }

  get files(): number {
    return this.#segments.count;
  }

  get lostLines(): number {
    return this.#given - this.#lines;
  }

  write(batch: LineBatch): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, resolve, reject });
      if (this.#waiting.length === 1) void this.#exclusively(() => this.#writeWaiting());
    });
  }

  close(): Promise<void> {
    clearInterval(this.#examineTimer);
    this.#closing ??= this.#exclusively(async () => {
      const provisional = this.#provisionalPath;
      const examines = this.#lock !== undefined && this.#failure === undefined && provisional === undefined;
      this.#notify(await this.#segments.close(examines).catch((error) => this.#fail(error)));
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

  async #writeLines({ bytes, count, lifecycle = [] }: LineBatch): Promise<void> {
    const { rotateMs, rotateBytes } = this.#options;
    const ageMs = this.#clock.monotonicMs() - this.#segmentStartMs;
    if (rotateMs !== undefined && this.#segments.hasLines && ageMs >= rotateMs) await this.#rotate(bytes);
    if (rotateBytes === undefined) return this.#append(bytes, count, lifecycle);
    let start = 0;
    let left = count;
    while (start < bytes.length) {
      const rest = bytes.subarray(start);
      const length = this.#lengthThatFits(rest, rotateBytes);
      if (length === 0) {
        await this.#rotate(rest);
        continue;
      }
      const end = start + length;
      const lines = end === bytes.length ? left : countLines(bytes.subarray(start, end));
      const entries = lifecycle.filter((entry) => entry.start >= start && entry.start < end);
      await this.#append(bytes.subarray(start, end), lines, entries);
      start = end;
      left -= lines;
    }
  }

  /** Returns how many bytes of the lines go into the current segment; 0 when it is full. It takes at least one line. */
  #lengthThatFits(lines: Buffer, limit: number): number {
    const { size, hasLines, isCompressed } = this.#segments;
    const room = limit - size;
    if (lines.length <= room) return lines.length;
    // The compressed size of lines is known only afterwards.
    if (isCompressed) return room > 0 || !hasLines ? lines.length : 0;
    const end = room > 0 ? lines.lastIndexOf(LF, room - 1) + 1 : 0;
    return end > 0 || hasLines ? end : lines.indexOf(LF) + 1;
  }

  async #append(bytes: Buffer, count: number, lifecycle: readonly LifecycleEntry[]): Promise<void> {
    // Count first: a failure says how many of all lines that were handed over are not in the file.
    this.#lines += count;
    this.#bytes += bytes.length;
    await this.#segments.append(bytes, count, lifecycle);
    if (this.#provisionalPath === undefined) return;
    // The first lines are written, so the old file can go.
    await this.#segments.flush();
    await replaceFile(this.path, this.#provisionalPath);
    this.#provisionalPath = undefined;
  }

  /** No line came, or the first could not be written: the old file stays, and nothing of the new one. */
  async #discard(provisionalPath: string): Promise<void> {
    await removeFile(provisionalPath).catch((error) => this.#fail(error));
    this.#lines = 0;
    this.#bytes = 0;
  }

  /** @param next Lines that the next segment begins with. The lines put in front of them get the same time. */
  async #rotate(next: Buffer): Promise<void> {
    const line = new LineView();
    const isKnown = line.read(next, 0, next.indexOf(LF)) !== undefined && !Number.isNaN(line.receivedAt);
    const receivedAt = isKnown ? formatTimestamp(line.receivedAt) : this.#now();
    this.#notify(await this.#segments.rotate(receivedAt, this.#options.keep));
    this.#segmentStartMs = this.#clock.monotonicMs();
  }

  #now(): string {
    return formatTimestamp(Math.floor(this.#clock.nowMicros()));
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
    await this.#lock?.refresh();
    if (this.#provisionalPath !== undefined) return;
    this.#notify(await this.#segments.handleChanges(this.#now()));
  }

  /** Runs one task after another: writes, work of timers, the end. */
  #exclusively<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #notify(notice: string | undefined): void {
    if (notice !== undefined) this.#options.onNotice?.(notice);
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
