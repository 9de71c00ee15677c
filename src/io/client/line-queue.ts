import { clearTimeout, setImmediate, setTimeout } from 'node:timers';
import { BatchBuilder } from '../../core/recording/encoder.js';
import type { LifecycleContent, LineBatch } from '../../core/recording/format.js';
import type { Clock } from '../clock.js';

/** Lines are gathered in blocks of this size; a longer line gets one of its own. */
const BLOCK_BYTES = 64 * 1024;
/** Above this size the producers pause for a moment, so that a slow reader costs no memory. */
const BRIEF_PAUSE_BYTES = 512 * 1024;
/**
 * Longest pause by level. At level 1, lines begin to take memory: a brief pause ends when the reader has taken nothing
 * for this long. At level 2 the memory is full: a paused client answers no pings and holds up other subscribers.
 */
const PAUSE_LIMITS_MS = { 1: 200, 2: 5000 };

/**
 * A bounded queue between the connections and the reader of the stream. Lines are written into blocks of bytes as they
 * come; a batch holds the lines of one turn of the event loop, or those that came while the reader was busy.
 *
 * For a slow reader the network is first paused briefly; then lines take memory up to `maxBytes`; then there is one
 * long pause of at most 5 s; only after that {@link accepts} returns `false` and lines have to be dropped.
 */
export class LineQueue implements AsyncIterableIterator<LineBatch> {
  readonly #briefPauseBytes: number;
  readonly #builder = new BatchBuilder(BLOCK_BYTES, (batch) => this.#seal(batch));
  /** Batches before that of the builder. */
  readonly #sealed: LineBatch[] = [];
  /** Bytes that were written and that the reader has not finished with. */
  #pending = 0;
  /** Bytes of the batch that the reader is working on. */
  #taken = 0;
  #flushScheduled = false;
  #waiting: ((result: IteratorResult<LineBatch>) => void) | undefined;
  #ended = false;
  /** The level for which the network is paused; 0 for none. */
  #paused = 0;
  #pauseTimer: NodeJS.Timeout | undefined;
  #lastTakenAtMs: number;
  /** Pauses up to this level did not help; there is no further one until the reader takes something. */
  #tried = 0;

  /** @param onPause Called when reading from the network is to pause, and to resume. */
  constructor(
    private readonly maxBytes: number,
    private readonly onPause: (isPaused: boolean) => void,
    private readonly clock: Clock,
  ) {
    this.#briefPauseBytes = Math.min(BRIEF_PAUSE_BYTES, maxBytes / 2);
    this.#lastTakenAtMs = clock.monotonicMs();
  }

  /** Returns `true` when this many bytes fit. An empty queue takes a line of any length. */
  accepts(bytes: number): boolean {
    return this.#tried < 2 || this.#pending === 0 || this.#pending + bytes <= this.maxBytes;
  }

  /** Number of lines that the reader has not taken yet. */
  get lines(): number {
    return this.#sealed.reduce((sum, { count }) => sum + count, this.#builder.count);
  }

  /** Adds an event line; the arguments are those of `writeEventLine`. */
  writeEvent(head: Buffer, frame: Buffer, hasLineBreaks: boolean): void {
    this.#commit(this.#builder.addEvent(head, frame, hasLineBreaks));
  }

  /** Adds a whole line, its LF included. @param lifecycle The content of a lifecycle line. */
  writeLine(line: Buffer, lifecycle?: LifecycleContent): void {
    this.#commit(this.#builder.addLine(line, 0, line.length - 1, lifecycle));
  }

  /** Adds a batch of lines, which passes to the reader as it is. */
  writeBatch(batch: LineBatch): void {
    if (this.#builder.count > 0) this.#seal(this.#builder.take());
    this.#sealed.push(batch);
    this.#commit(batch.bytes.length);
  }

  /** Ends the queue: the reader gets the remaining lines and then the end. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#pauseTimer);
    this.#flush();
    this.#waiting?.({ done: true, value: undefined });
    this.#waiting = undefined;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Returns the next batch. The call tells that the reader has finished with the batch before. */
  next(): Promise<IteratorResult<LineBatch>> {
    this.#pending -= this.#taken;
    this.#lastTakenAtMs = this.clock.monotonicMs();
    this.#relieve();
    const batch = this.#shift();
    if (batch !== undefined) return Promise.resolve({ done: false, value: batch });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  #commit(bytes: number): void {
    this.#pending += bytes;
    if (this.#waiting !== undefined && !this.#flushScheduled) {
      this.#flushScheduled = true;
      setImmediate(() => {
        this.#flushScheduled = false;
        this.#flush();
      });
    }
    if (this.#pending > this.#briefPauseBytes) this.#press();
  }

  /** Hands the lines that are there to the waiting reader. */
  #flush(): void {
    const resolve = this.#waiting;
    const batch = resolve && this.#shift();
    if (batch === undefined) return;
    this.#waiting = undefined;
    resolve?.({ done: false, value: batch });
  }

  /** Takes the first batch, for the reader. */
  #shift(): LineBatch | undefined {
    const batch = this.#sealed.shift() ?? (this.#builder.count > 0 ? this.#builder.take() : undefined);
    this.#taken = batch?.bytes.length ?? 0;
    return batch;
  }

  #seal(batch: LineBatch): void {
    this.#sealed.push(batch);
    // A full block need not wait for the end of the turn: the reader can be busy with it meanwhile.
    this.#flush();
  }

  #press(): void {
    const level = this.#pending > this.maxBytes ? 2 : 1;
    if (!this.#ended && level > Math.max(this.#paused, this.#tried)) this.#beginPause(level);
  }

  #beginPause(level: 1 | 2): void {
    clearTimeout(this.#pauseTimer);
    const limitMs = PAUSE_LIMITS_MS[level];
    const look = () => {
      const leftMs = this.#lastTakenAtMs + limitMs - this.clock.monotonicMs();
      // A brief pause goes on as long as the reader takes anything.
      if (level === 1 && leftMs > 0) {
        this.#pauseTimer = setTimeout(look, leftMs);
      } else {
        this.#tried = level;
        this.#endPause();
      }
    };
    this.#pauseTimer = setTimeout(look, limitMs);
    if (this.#paused === 0) this.onPause(true);
    this.#paused = level;
  }

  #endPause(): void {
    clearTimeout(this.#pauseTimer);
    this.#paused = 0;
    this.onPause(false);
  }

  /** The reader has taken something. */
  #relieve(): void {
    const isEmpty = this.#pending <= this.#briefPauseBytes / 2;
    const level = isEmpty ? 0 : this.#pending <= this.maxBytes - this.#briefPauseBytes ? 1 : 2;
    this.#tried = Math.min(this.#tried, level);
    if (this.#paused > level) this.#endPause();
  }
}
