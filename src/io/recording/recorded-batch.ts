import type { LineBatch } from '../../core/recording/line.js';
import type { LineKind, RecordedLine } from '../../core/recording/recorded-line.js';

/** Lines out of a recording, with what was found out about each while it was read. */
export interface RecordedBatch extends LineBatch {
  /** For each line the offset after it, its LF included. */
  readonly ends: readonly number[];
  /** For each line when it was received: microseconds since 1970, `NaN` where it does not say. */
  readonly times: readonly number[];
  readonly kinds: readonly LineKind[];
  /** For each line the label of its endpoint; `undefined` where nothing tells it. */
  readonly endpoints: readonly (string | undefined)[];
}

const BATCH_BYTES = 256 * 1024;
const LF = 0x0a;
const NOTHING = Buffer.alloc(0);

/** Gathers lines from several places into one block. Lines that follow each other in their block are copied at once. */
export class BatchBuilder {
  #target: Buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #used = 0;
  #ends: number[] = [];
  #times: number[] = [];
  #kinds: LineKind[] = [];
  #endpoints: (string | undefined)[] = [];
  /** Lines that have been added but not copied: `#run[#runStart..#runEnd)`, LFs included. */
  #run: Buffer = NOTHING;
  #runStart = 0;
  #runEnd = 0;
  /** Where they will stand in the target. */
  #runTarget = 0;
  /** A block that was given back. */
  #spare: Buffer | undefined;

  get isEmpty(): boolean {
    return this.#ends.length === 0;
  }

  /** Whether there is room for the line; an empty batch takes a line of any length. */
  hasRoomFor(line: RecordedLine): boolean {
    return this.isEmpty || this.#used + line.end - line.start + 1 <= this.#target.length;
  }

  /** Adds the line. Its bytes have to stay as they are until {@link settle} or {@link take}. */
  add(line: RecordedLine): void {
    const { bytes, start, end } = line;
    const length = end - start + 1;
    if (this.isEmpty && length > this.#target.length) this.#target = Buffer.allocUnsafeSlow(length);
    if (bytes !== this.#run || start !== this.#runEnd) {
      this.settle();
      this.#run = bytes;
      this.#runStart = start;
      this.#runTarget = this.#used;
    }
    this.#runEnd = end + 1;
    this.#used += length;
    // The last line of a file and lines that end in CR LF have no LF of their own at this place.
    if (bytes[end] !== LF) {
      this.#runEnd = end;
      this.settle();
      this.#target[this.#used - 1] = LF;
    }
    this.#ends.push(this.#used);
    this.#times.push(line.receivedAt);
    this.#kinds.push(line.kind);
    this.#endpoints.push(line.endpoint);
  }

  /** Copies what has been added, before its block is used again. */
  settle(): void {
    this.#run.copy(this.#target, this.#runTarget, this.#runStart, this.#runEnd);
    this.#run = NOTHING;
    this.#runStart = 0;
    this.#runEnd = 0;
  }

  take(): RecordedBatch {
    this.settle();
    const target = this.#target;
    // Given back once only: two batches must never stand in one block.
    let isHeld = target.length === BATCH_BYTES;
    const batch: RecordedBatch = {
      bytes: target.subarray(0, this.#used),
      count: this.#ends.length,
      ends: this.#ends,
      times: this.#times,
      kinds: this.#kinds,
      endpoints: this.#endpoints,
      release: () => {
        if (isHeld) this.#spare = target;
        isHeld = false;
      },
    };
    this.#target = this.#spare ?? Buffer.allocUnsafeSlow(BATCH_BYTES);
    this.#spare = undefined;
    this.#used = 0;
    this.#ends = [];
    this.#times = [];
    this.#kinds = [];
    this.#endpoints = [];
    return batch;
  }
}
