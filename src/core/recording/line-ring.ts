import { BatchBuilder } from './encoder.js';
import type { LifecycleEntry, LineBatch } from './format.js';

/** Lines are kept in blocks of this size; a longer line gets one of its own. */
const BLOCK_BYTES = 64 * 1024;
/** Memory for a line beside its bytes. */
const LINE_COST = 100;

/** Limits of a {@link LineRing}: the number of events, their age before the latest line, and memory in bytes. */
export interface RingLimits {
  events?: number | undefined;
  micros?: number | undefined;
  bytes: number;
}

/** `end` is the end of the line in its block, LF included; `at` its time, or `NaN`. */
interface RingLine {
  end: number;
  at: number;
  isEvent: boolean;
}

interface RingBlock {
  readonly lines: RingLine[];
  /** Absent while lines are still added to the block. */
  batch?: LineBatch;
}

/** Keeps copies of the latest lines in their order. The oldest go when there are too many of them or they are too old. */
export class LineRing {
  readonly #limits: { readonly events: number; readonly micros: number; readonly bytes: number };
  readonly #builder = new BatchBuilder(BLOCK_BYTES);
  /** The last one is open. */
  #blocks: RingBlock[] = [{ lines: [] }];
  /** Number of the lines of the first block that have gone. */
  #gone = 0;
  #bytes = 0;
  #lastCutAt = Number.NaN;
  /** Number of events in it. */
  events = 0;
  /** Events that went because the memory was full. */
  cut = 0;

  constructor({ events = Number.POSITIVE_INFINITY, micros = Number.POSITIVE_INFINITY, bytes }: RingLimits) {
    this.#limits = { events, micros, bytes };
  }

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
    lifecycle?: Omit<LifecycleEntry, 'start' | 'end'>,
  ): void {
    if (!this.#builder.hasRoomFor(end - start + 1)) this.#seal();
    const length = this.#builder.addLine(bytes, start, end, lifecycle);
    const { lines } = this.#blocks.at(-1)!;
    lines.push({ end: (lines.at(-1)?.end ?? 0) + length, at, isEvent });
    this.#bytes += length + LINE_COST;
    if (isEvent) this.events++;
    this.#shrink(at);
  }

  /** Returns whether events that the other limits allow at this time went because the memory was full. */
  lacks(now: number): boolean {
    const { events, micros } = this.#limits;
    return this.cut > 0 && this.events < events && !(this.#lastCutAt < now - micros);
  }

  /** Takes all lines out, in order. */
  take(): LineBatch[] {
    this.#seal();
    const batches: LineBatch[] = [];
    for (const { lines, batch } of this.#blocks) {
      if (batch === undefined) continue;
      batches.push(withoutFirst(batch, this.#gone, lines[this.#gone - 1]?.end ?? 0));
      this.#gone = 0;
    }
    this.#blocks = [{ lines: [] }];
    this.#bytes = 0;
    this.events = 0;
    this.cut = 0;
    return batches.filter(({ count }) => count > 0);
  }

  #seal(): void {
    this.#blocks.at(-1)!.batch = this.#builder.take();
    this.#blocks.push({ lines: [] });
    this.#dropBlock();
  }

  #shrink(now: number): void {
    const { events, micros, bytes } = this.#limits;
    for (let oldest = this.#oldest; oldest !== undefined; oldest = this.#oldest) {
      const isPast = this.events > events || (oldest.isEvent && oldest.at < now - micros);
      if (!isPast && this.#bytes <= bytes) return;
      if (!isPast && oldest.isEvent) {
        this.cut++;
        this.#lastCutAt = oldest.at;
      }
      this.#shift(oldest);
      if (!oldest.isEvent) continue;
      // Other lines belong to the events before them.
      for (let next = this.#oldest; next?.isEvent === false; next = this.#oldest) this.#shift(next);
    }
  }

  get #oldest(): RingLine | undefined {
    return this.#blocks[0]!.lines[this.#gone];
  }

  #shift({ end, isEvent }: RingLine): void {
    const start = this.#blocks[0]!.lines[this.#gone - 1]?.end ?? 0;
    this.#bytes -= end - start + LINE_COST;
    if (isEvent) this.events--;
    this.#gone++;
    this.#dropBlock();
  }

  /** Gives the memory of the first block back when all of its lines have gone. */
  #dropBlock(): void {
    const { lines, batch } = this.#blocks[0]!;
    if (batch === undefined || this.#gone < lines.length) return;
    batch.release?.();
    this.#blocks.shift();
    this.#gone = 0;
  }
}

function withoutFirst(batch: LineBatch, lines: number, bytes: number): LineBatch {
  if (lines === 0) return batch;
  const lifecycle = batch.lifecycle
    ?.filter(({ start }) => start >= bytes)
    .map((entry) => ({ ...entry, start: entry.start - bytes, end: entry.end - bytes }));
  const release = () => batch.release?.();
  return { bytes: batch.bytes.subarray(bytes), count: batch.count - lines, lifecycle, release };
}
