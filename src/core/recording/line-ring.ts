import { BatchBuilder } from './encoder.js';
import type { LifecycleContent, LineBatch } from './format.js';

/** Lines are kept in blocks of this size; a longer line gets one of its own. */
const BLOCK_BYTES = 64 * 1024;
/** Memory for a line beside its bytes. */
const LINE_COST = 24;

/** Limits of a {@link LineRing}: the number of events, their age before the latest line, and memory in bytes. */
interface RingLimits {
  readonly events: number;
  readonly micros: number;
  readonly bytes: number;
}

interface RingBlock {
  /** Where its lines end, LF included; below 0 for lines that are no events. */
  readonly ends: number[];
  /** Their times, or `NaN`. */
  readonly times: number[];
  /** Absent while lines are still added to the block. */
  batch?: LineBatch;
}

/** Keeps copies of the latest lines in their order. The oldest go when there are too many of them or they are too old. */
export class LineRing {
  readonly #builder = new BatchBuilder(BLOCK_BYTES, (batch) => this.#seal(batch));
  /** The last one is open. */
  #blocks: RingBlock[] = [newBlock()];
  /** Number of the lines of the first block that have gone. */
  #gone = 0;
  /** Memory of its lines. */
  bytes = 0;
  #lastCutAt = Number.NaN;
  /** Number of events in it. */
  events = 0;
  /** Events that went because the memory was full. */
  cut = 0;

  /** @param onFreed Called with each lifecycle line that goes, LF included. */
  constructor(
    private readonly limits: RingLimits,
    private readonly onFreed?: (line: Buffer, lifecycle: LifecycleContent) => void,
  ) {}

  /**
   * Adds the line `bytes[start..end)`, and an LF.
   *
   * @param at Its time in microseconds since 1970, or `NaN`. @param isEvent Whether it counts.
   */
  add(
    bytes: Buffer,
    start: number,
    end: number,
    at: number,
    isEvent: boolean,
    lifecycle?: LifecycleContent,
  ): void {
    this.#note(this.#builder.addLine(bytes, start, end, lifecycle), at, isEvent);
  }

  /** Adds an event line; the first arguments are those of `writeEventLine`. */
  addEvent(head: Buffer, frame: Buffer, hasLineBreaks: boolean, at: number): void {
    this.#note(this.#builder.addEvent(head, frame, hasLineBreaks), at, true);
  }

  #note(length: number, at: number, isEvent: boolean): void {
    const { ends, times } = this.#blocks.at(-1)!;
    const end = Math.abs(ends.at(-1) ?? 0) + length;
    ends.push(isEvent ? end : -end);
    times.push(at);
    this.bytes += length + LINE_COST;
    if (isEvent) this.events++;
    this.expire(at);
  }

  /** Returns whether events that the other limits allow at this time went because the memory was full. */
  lacks(now: number): boolean {
    const { events, micros } = this.limits;
    return this.cut > 0 && this.events < events && !(this.#lastCutAt < now - micros);
  }

  /** Takes all lines out, in order. */
  take(): LineBatch[] {
    this.#seal(this.#builder.take());
    const batches: LineBatch[] = [];
    for (const { ends, batch } of this.#blocks) {
      if (batch === undefined) continue;
      batches.push(withoutFirst(batch, this.#gone, Math.abs(ends[this.#gone - 1] ?? 0)));
      this.#gone = 0;
    }
    this.#blocks = [newBlock()];
    this.bytes = 0;
    this.events = 0;
    this.cut = 0;
    return batches.filter(({ count }) => count > 0);
  }

  #seal(batch: LineBatch): void {
    this.#blocks.at(-1)!.batch = batch;
    this.#blocks.push(newBlock());
    this.#dropBlock();
  }

  /** Drops what is too old at this time. */
  expire(now: number): void {
    const { events, micros, bytes } = this.limits;
    for (;;) {
      const { ends, times } = this.#blocks[0]!;
      const end = ends[this.#gone];
      if (end === undefined) return;
      const at = times[this.#gone]!;
      const isPast = this.events > events || at < now - micros;
      if (!isPast && this.bytes <= bytes) return;
      if (!isPast && end > 0) {
        this.cut++;
        this.#lastCutAt = at;
      }
      this.#shift();
      // Other lines belong to the events before them.
      while (this.#blocks[0]!.ends[this.#gone]! < 0) this.#shift();
    }
  }

  /** Drops everything. */
  clear(): void {
    while (this.#blocks[0]!.ends[this.#gone] !== undefined) this.#shift();
    this.cut = 0;
  }

  #shift(): void {
    const block = this.#blocks[0]!;
    const start = Math.abs(block.ends[this.#gone - 1] ?? 0);
    const isEvent = block.ends[this.#gone]! > 0;
    const end = Math.abs(block.ends[this.#gone]!);
    if (!isEvent && this.onFreed !== undefined) {
      if (block.batch === undefined) this.#seal(this.#builder.take());
      const { bytes, lifecycle } = block.batch as unknown as LineBatch;
      const entry = lifecycle?.find((one) => one.start === start);
      if (entry !== undefined) this.onFreed(bytes.subarray(start, end), entry);
    }
    this.bytes -= end - start + LINE_COST;
    if (isEvent) this.events--;
    this.#gone++;
    this.#dropBlock();
  }

  /** Gives the memory of the first block back when all of its lines have gone. */
  #dropBlock(): void {
    const { ends, batch } = this.#blocks[0]!;
    if (batch === undefined || this.#gone < ends.length) return;
    batch.release?.();
    this.#blocks.shift();
    this.#gone = 0;
  }
}

function newBlock(): RingBlock {
  return { ends: [], times: [] };
}

function withoutFirst(batch: LineBatch, lines: number, bytes: number): LineBatch {
  if (lines === 0) return batch;
  const lifecycle = batch.lifecycle
    ?.filter(({ start }) => start >= bytes)
    .map((entry) => ({ ...entry, start: entry.start - bytes, end: entry.end - bytes }));
  const release = () => batch.release?.();
  return { bytes: batch.bytes.subarray(bytes), count: batch.count - lines, lifecycle, release };
}
