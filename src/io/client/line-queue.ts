import { clearTimeout, setImmediate, setTimeout } from 'node:timers';
import { eventLineCapacity, writeEventLine } from '../../core/recording/encoder.js';
import type { LifecycleEntry, LineBatch } from '../../core/recording/format.js';
import type { Clock } from '../clock.js';

/** Lines are gathered in blocks of this size; a longer line gets one of its own. */
const BLOCK_BYTES = 64 * 1024;
/** Number of blocks that are kept for reuse. */
const SPARE_BLOCKS = 8;
/** Above this size the producers pause for a moment, so that a slow reader costs no memory. */
const BRIEF_PAUSE_BYTES = 512 * 1024;
/** A brief pause ends when the reader has taken nothing for this long; from then on lines take memory. */
const BRIEF_PAUSE_LIMIT_MS = 200;
/** Longest pause when the memory is full: a paused client answers no pings and holds up other subscribers. */
const LONG_PAUSE_LIMIT_MS = 5000;

/**
 * A bounded queue between the connections and the reader of the stream. Lines are written into blocks of bytes as they
 * come; a batch holds the lines of one turn of the event loop, or those that came while the reader was busy.
 *
 * For a slow reader the network is first paused briefly; then lines take memory up to `maxBytes`; then there is one
 * long pause of at most 5 s; only after that {@link accepts} returns `false` and lines have to be dropped.
 */
export class LineQueue implements AsyncIterableIterator<LineBatch> {
  readonly #maxBytes: number;
  readonly #briefPauseBytes: number;
  readonly #onPause: (isPaused: boolean) => void;
  readonly #clock: Clock;
  readonly #spare: Buffer[] = [];
  readonly #sealed: LineBatch[] = [];
  #block: Buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #used = 0;
  #count = 0;
  /** The lifecycle lines in the block. */
  #lifecycle: LifecycleEntry[] | undefined;
  /** Bytes that were written and that the reader has not finished with. */
  #pending = 0;
  /** Bytes of the batch that the reader is working on. */
  #taken = 0;
  #flushScheduled = false;
  #waiting: ((result: IteratorResult<LineBatch>) => void) | undefined;
  #ended = false;
  #pause: 'none' | 'brief' | 'long' = 'none';
  #pauseTimer: NodeJS.Timeout | undefined;
  #lastTakenAt: number;
  /** A pause of this kind did not help; there is no further one until the reader takes something. */
  #exhausted: 'none' | 'brief' | 'long' = 'none';

  /** @param onPause Called when reading from the network is to pause, and to resume. */
  constructor(maxBytes: number, onPause: (isPaused: boolean) => void, clock: Clock) {
    this.#maxBytes = maxBytes;
    this.#briefPauseBytes = Math.min(BRIEF_PAUSE_BYTES, maxBytes / 2);
    this.#onPause = onPause;
    this.#clock = clock;
    this.#lastTakenAt = clock.monotonicMs();
  }

  /** Returns `true` when this many bytes fit. An empty queue takes a line of any length. */
  accepts(bytes: number): boolean {
    return this.#exhausted !== 'long' || this.#pending === 0 || this.#pending + bytes <= this.#maxBytes;
  }

  /** Number of lines that the reader has not taken yet. */
  get lines(): number {
    return this.#sealed.reduce((sum, { count }) => sum + count, this.#count);
  }

  /** Adds an event line; the arguments are those of `writeEventLine`. */
  writeEvent(head: Buffer, frame: Buffer, hasLineBreaks: boolean): void {
    const capacity = eventLineCapacity(head, frame.length);
    if (capacity > this.#block.length - this.#used) this.#makeRoom(capacity);
    const end = writeEventLine(this.#block, this.#used, head, frame, hasLineBreaks);
    this.#commit(end);
  }

  /** Adds a whole line, its LF included. @param lifecycle The content of a lifecycle line. */
  writeLine(line: Buffer, lifecycle?: Omit<LifecycleEntry, 'start' | 'end'>): void {
    if (line.length > this.#block.length - this.#used) this.#makeRoom(line.length);
    const start = this.#used;
    const end = start + line.copy(this.#block, start);
    if (lifecycle !== undefined) {
      this.#lifecycle ??= [];
      this.#lifecycle.push({ ...lifecycle, start, end });
    }
    this.#commit(end);
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
    this.#taken = 0;
    this.#lastTakenAt = this.#clock.monotonicMs();
    this.#relieve();
    if (this.#sealed.length === 0 && this.#count > 0) this.#seal();
    const batch = this.#sealed.shift();
    if (batch !== undefined) {
      this.#taken = batch.bytes.length;
      return Promise.resolve({ done: false, value: batch });
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  #commit(end: number): void {
    this.#pending += end - this.#used;
    this.#used = end;
    this.#count++;
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
    if (resolve === undefined) return;
    if (this.#sealed.length === 0 && this.#count > 0) this.#seal();
    const batch = this.#sealed.shift();
    if (batch === undefined) return;
    this.#waiting = undefined;
    this.#taken = batch.bytes.length;
    resolve({ done: false, value: batch });
  }

  #makeRoom(bytes: number): void {
    if (this.#count > 0) {
      this.#seal();
      // A full block need not wait for the end of the turn: the reader can be busy with it meanwhile.
      this.#flush();
    }
    if (bytes > this.#block.length) this.#block = Buffer.allocUnsafeSlow(bytes);
  }

  #seal(): void {
    // A block is reused once per batch: two batches must never share one.
    let block: Buffer | undefined = this.#block;
    this.#sealed.push({
      bytes: this.#block.subarray(0, this.#used),
      count: this.#count,
      lifecycle: this.#lifecycle,
      release: () => {
        if (block?.length === BLOCK_BYTES && this.#spare.length < SPARE_BLOCKS) this.#spare.push(block);
        block = undefined;
      },
    });
    this.#block = this.#spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
    this.#used = 0;
    this.#count = 0;
    this.#lifecycle = undefined;
  }

  #press(): void {
    if (this.#ended) return;
    if (this.#pending > this.#maxBytes && this.#pause !== 'long' && this.#exhausted !== 'long') {
      this.#beginPause('long', LONG_PAUSE_LIMIT_MS);
    } else if (this.#pause === 'none' && this.#exhausted === 'none') {
      this.#beginPause('brief', BRIEF_PAUSE_LIMIT_MS);
    }
  }

  #beginPause(kind: 'brief' | 'long', limitMs: number): void {
    clearTimeout(this.#pauseTimer);
    const wasPaused = this.#pause !== 'none';
    this.#pause = kind;
    const look = () => {
      const left = this.#lastTakenAt + limitMs - this.#clock.monotonicMs();
      // A brief pause goes on as long as the reader takes anything.
      if (kind === 'brief' && left > 0) {
        this.#pauseTimer = setTimeout(look, left);
      } else {
        this.#exhausted = kind;
        this.#endPause();
      }
    };
    this.#pauseTimer = setTimeout(look, limitMs);
    if (!wasPaused) this.#onPause(true);
  }

  #endPause(): void {
    clearTimeout(this.#pauseTimer);
    this.#pause = 'none';
    this.#onPause(false);
  }

  /** The reader has taken something. */
  #relieve(): void {
    if (this.#pending <= this.#briefPauseBytes / 2) {
      this.#exhausted = 'none';
      if (this.#pause !== 'none') this.#endPause();
    } else if (this.#pause === 'long' && this.#pending <= this.#maxBytes - this.#briefPauseBytes) {
      this.#endPause();
    } else if (this.#exhausted === 'long' && this.#pending <= this.#maxBytes - this.#briefPauseBytes) {
      this.#exhausted = 'brief';
    }
  }
}
