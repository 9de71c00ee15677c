import { eventLineCapacity, writeEventLine } from '../../core/recording/encoder.js';
import type { LifecycleEntry, LineBatch } from '../../core/recording/format.js';
import type { Clock } from '../clock.js';

/** Lines are gathered in blocks of this size; a longer line gets one of its own. */
const BLOCK_BYTES = 64 * 1024;
/** How many blocks are kept for reuse. */
const SPARE_BLOCKS = 8;
/** Above this the producers pause for a moment: a slow reader then costs no memory. */
const BRIEF_PAUSE_BYTES = 512 * 1024;
/** A brief pause ends after so long without a taken batch: the reader stands still, so memory has to serve. */
const BRIEF_PAUSE_LIMIT_MS = 200;
/** Longest pause when memory is used up; a paused client answers no pings and holds up other subscribers. */
const LONG_PAUSE_LIMIT_MS = 5000;

/** What the queue tells whoever feeds it. */
export interface QueueListener {
  /** Stop or go on reading from the network. */
  onPause(paused: boolean): void;
}

/**
 * The bounded queue between the connections and whoever takes the lines. Lines are written into blocks of bytes as
 * they come; a batch is what one turn of the event loop brought, or what has gathered while the reader was busy.
 *
 * When the reader is slow: first brief pauses of the network, then memory up to `maxBytes`, then one long pause of
 * 5 s at most, and only then {@link accepts} says no and lines have to be dropped.
 */
export class LineQueue implements AsyncIterableIterator<LineBatch> {
  readonly #maxBytes: number;
  readonly #briefPauseBytes: number;
  readonly #listener: QueueListener;
  readonly #clock: Clock;
  readonly #spare: Buffer[] = [];
  readonly #sealed: LineBatch[] = [];
  #block: Buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #used = 0;
  #count = 0;
  /** Lifecycle lines in the block. */
  #lifecycle: LifecycleEntry[] | undefined;
  /** Bytes that are written but not yet done with by the reader. */
  #pending = 0;
  /** Bytes of the batch that the reader works on now. */
  #taken = 0;
  #flushScheduled = false;
  #waiting: ((result: IteratorResult<LineBatch>) => void) | undefined;
  #ended = false;
  #pause: 'none' | 'brief' | 'long' = 'none';
  #pauseTimer: NodeJS.Timeout | undefined;
  #lastTakenAt: number;
  /** A pause of this kind has brought nothing; no further one until the reader takes something. */
  #exhausted: 'none' | 'brief' | 'long' = 'none';

  constructor(maxBytes: number, listener: QueueListener, clock: Clock) {
    this.#maxBytes = maxBytes;
    this.#briefPauseBytes = Math.min(BRIEF_PAUSE_BYTES, maxBytes / 2);
    this.#listener = listener;
    this.#clock = clock;
    this.#lastTakenAt = clock.monotonicMs();
  }

  /** Whether there is room for so many bytes. An empty queue takes a line of any length. */
  accepts(bytes: number): boolean {
    return this.#exhausted !== 'long' || this.#pending === 0 || this.#pending + bytes <= this.#maxBytes;
  }

  /** Lines that nobody has taken yet. */
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

  /** No more lines will come; the reader gets what is there and then the end. */
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

  /** The next batch. Asking for it says that the one before is done with. */
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

  /** Hands what is there to the waiting reader. */
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
    // Given back once only: two batches must never stand in one block.
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
      // A reader that takes something, however little, is worth waiting for in a brief pause.
      if (kind === 'brief' && left > 0) {
        this.#pauseTimer = setTimeout(look, left);
      } else {
        this.#exhausted = kind;
        this.#endPause();
      }
    };
    this.#pauseTimer = setTimeout(look, limitMs);
    if (!wasPaused) this.#listener.onPause(true);
  }

  #endPause(): void {
    clearTimeout(this.#pauseTimer);
    this.#pause = 'none';
    this.#listener.onPause(false);
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
