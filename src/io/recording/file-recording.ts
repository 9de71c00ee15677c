import type { FileHandle } from 'node:fs/promises';
import { OpmasError } from '../../core/errors.js';
import type { LifecycleEntry, LineBatch } from '../../core/recording/format.js';
import { LineView } from '../../core/recording/line-view.js';
import { formatTimestamp } from '../../core/recording/timestamp.js';
import { type Clock, systemClock } from '../clock.js';
import type { FileLock } from '../file-lock.js';
import { countLines, localError, WriteFailure } from './part-file.js';
import { PartSequence } from './part-sequence.js';
import { removeFile, replaceFile } from './target.js';
import type { RecordingWriter, RecordOptions } from './writer.js';

/** How often to look whether somebody has deleted, renamed or cut the file. */
const EXAMINE_MS = 2000;
const LF = 0x0a;

/** What a {@link FileRecording} begins with. */
export interface OpenedRecording {
  path: string;
  handle: FileHandle;
  /** Bytes that are in the file. */
  size: number;
  /** `undefined` for pipes and devices, which nobody can take away either. */
  lock: FileLock | undefined;
  /** Whether the file was created just now; it goes again when nothing is recorded. */
  isNew: boolean;
  /** Where it stands until its first lines are written: then it takes the place of what has its path now. */
  provisionalPath?: string;
}

interface WaitingBatch {
  batch: LineBatch;
  resolve(): void;
  reject(error: OpmasError): void;
}

/** Writes batches into the files of a recording, decides when the next file begins, and keeps account. */
export class FileRecording implements RecordingWriter {
  readonly #options: RecordOptions;
  readonly #clock: Clock;
  readonly #lock: FileLock | undefined;
  readonly #isNew: boolean;
  #provisionalPath: string | undefined;
  readonly #parts: PartSequence;
  /** The last of the tasks that wait for each other. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Batches that wait for the one before. */
  #waiting: WaitingBatch[] = [];
  /** Where they are put together. */
  #gathered: Buffer = Buffer.alloc(0);
  #examineTimer: NodeJS.Timeout | undefined;
  #isExamining = false;
  #startedAt: number;

  #given = 0;
  #lines = 0;
  #bytes = 0;
  #failure: OpmasError | undefined;
  #failureIsKnown = false;
  #closing: Promise<void> | undefined;

  constructor(opened: OpenedRecording, options: RecordOptions) {
    const { path, handle, size, lock, isNew, provisionalPath } = opened;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#lock = lock;
    this.#isNew = isNew;
    this.#provisionalPath = provisionalPath;
    this.#parts = new PartSequence(path, handle, size, (task) => this.#exclusively(task));
    this.#startedAt = this.#clock.monotonicMs();
    if (lock !== undefined) this.#examineTimer = setInterval(() => this.#examineSoon(), EXAMINE_MS).unref();
  }

  get path(): string {
    return this.#parts.path;
  }

  get lines(): number {
    return this.#lines;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#parts.totalSize;
  }

  get parts(): number {
    return this.#parts.count;
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
      // Pipes and devices are nobody's to take away.
      const provisional = this.#provisionalPath;
      const looks = this.#lock !== undefined && this.#failure === undefined && provisional === undefined;
      this.#tell(await this.#parts.close(looks).catch((error) => this.#fail(error)));
      if (provisional !== undefined) await this.#giveUp(provisional);
      else if (this.#isNew && this.#given === 0) await this.#parts.removeEmpty();
      await this.#lock?.release();
      if (this.#failure !== undefined && !this.#failureIsKnown) throw this.#failure;
    });
    return this.#closing;
  }

  /** Writes all batches that have come while the one before was written: a disk likes large pieces. */
  async #writeWaiting(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    const joined = this.#joined(waiting.map(({ batch }) => batch));
    this.#given += joined.count;
    try {
      if (this.#failure === undefined) await this.#writeLines(joined);
    } catch (error) {
      this.#fail(error);
    }
    for (const { resolve, reject } of waiting) {
      if (this.#failure === undefined) resolve();
      else reject(this.#failure);
    }
    if (this.#failure !== undefined) this.#failureIsKnown = true;
  }

  /** The first lines are written: now the old file can go. */
  async #takePlace(provisionalPath: string): Promise<void> {
    await this.#parts.flush();
    await replaceFile(this.path, provisionalPath);
    this.#provisionalPath = undefined;
  }

  /** No line came, or the first could not be written: the old file stays, and nothing of the new one. */
  async #giveUp(provisionalPath: string): Promise<void> {
    await removeFile(provisionalPath).catch((error) => this.#fail(error));
    this.#lines = 0;
    this.#bytes = 0;
  }

  #joined(batches: readonly LineBatch[]): LineBatch {
    if (batches.length === 1) return batches[0] as LineBatch;
    let used = 0;
    const entries: LifecycleEntry[] = [];
    const length = batches.reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (length > this.#gathered.length) this.#gathered = Buffer.allocUnsafeSlow(length);
    for (const { bytes, lifecycle = [] } of batches) {
      for (const entry of lifecycle) {
        entries.push({ ...entry, start: entry.start + used, end: entry.end + used });
      }
      used += bytes.copy(this.#gathered, used);
    }
    return {
      bytes: this.#gathered.subarray(0, used),
      count: batches.reduce((sum, { count }) => sum + count, 0),
      lifecycle: entries,
    };
  }

  async #writeLines({ bytes, count, lifecycle = [] }: LineBatch): Promise<void> {
    const { rotateMs, rotateBytes } = this.#options;
    const age = this.#clock.monotonicMs() - this.#startedAt;
    if (rotateMs !== undefined && this.#parts.hasLines && age >= rotateMs) await this.#rotate(bytes);
    if (rotateBytes === undefined) return this.#append(bytes, count, lifecycle);
    let rest = bytes;
    let left = count;
    while (rest.length > 0) {
      const end = this.#endOfRoom(rest, rotateBytes);
      if (end === 0) {
        await this.#rotate(rest);
        continue;
      }
      const lines = end === rest.length ? left : countLines(rest.subarray(0, end));
      const start = bytes.length - rest.length;
      const entries = lifecycle.filter((entry) => entry.start >= start && entry.start < start + end);
      await this.#append(rest.subarray(0, end), lines, entries);
      rest = rest.subarray(end);
      left -= lines;
    }
  }

  /** How much of the lines goes into the current file; 0 when it is full. A file takes one line at least. */
  #endOfRoom(lines: Buffer, limit: number): number {
    const { size, hasLines, isCompressed } = this.#parts;
    const room = limit - size;
    if (lines.length <= room) return lines.length;
    // What lines come to when they are compressed is known afterwards.
    if (isCompressed) return room > 0 || !hasLines ? lines.length : 0;
    const end = room > 0 ? lines.lastIndexOf(LF, room - 1) + 1 : 0;
    return end > 0 || hasLines ? end : lines.indexOf(LF) + 1;
  }

  async #append(bytes: Buffer, count: number, lifecycle: readonly LifecycleEntry[]): Promise<void> {
    // Counted first, for a failure says how many of all that were handed over are not in the file.
    this.#lines += count;
    this.#bytes += bytes.length;
    await this.#parts.append(bytes, count, lifecycle);
    if (this.#provisionalPath !== undefined) await this.#takePlace(this.#provisionalPath);
  }

  async #rotate(next: Buffer): Promise<void> {
    this.#tell(await this.#parts.rotate(this.#timeOf(next), this.#options.keep));
    this.#startedAt = this.#clock.monotonicMs();
  }

  /** The time of the first line, so that what is put before it does not come from its future. */
  #timeOf(lines: Buffer): string {
    const line = new LineView();
    const kind = line.read(lines, 0, lines.indexOf(LF));
    if (kind === undefined || Number.isNaN(line.receivedAt)) return this.#now();
    return formatTimestamp(line.receivedAt);
  }

  #now(): string {
    return formatTimestamp(Math.floor(this.#clock.nowMicros()));
  }

  #examineSoon(): void {
    // On a slow disk these must not pile up.
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
    this.#tell(await this.#parts.examine(this.#now()));
  }

  /** One thing after the other: batches, what timers want done, the end. */
  #exclusively<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #tell(notice: string | undefined): void {
    if (notice !== undefined) this.#options.onNotice?.(notice);
  }

  #fail(error: unknown): undefined {
    if (this.#failure !== undefined) return;
    if (error instanceof WriteFailure) {
      this.#lines -= error.lostLines;
      this.#bytes -= error.lostBytes;
      this.#failure = new OpmasError('LOCAL', error.message, { cause: error.cause });
    } else {
      this.#failure =
        error instanceof OpmasError ? error : localError(`${this.path} cannot be written`, error);
    }
  }
}
