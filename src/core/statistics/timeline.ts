/** Number of slots; a span of time fills at least half of them, except a very short one. */
const SLOTS = 1024;
/** Series beyond this number are counted together. */
const MAX_SERIES = 48;
const OTHER = '(other)';

/** Counts of one name in each slot. */
export interface Series {
  readonly name: string;
  counts: Float64Array;
}

/**
 * Counts over time in bounded memory: slots of equal width, which merge in pairs whenever the times outgrow them.
 * Times are microseconds; they may come in any order.
 */
export class Timeline {
  /** Width of a slot in microseconds. */
  #width = 1000;
  #start = Number.NaN;
  /** The first and the last slot that were used. */
  #first = 0;
  #last = 0;
  readonly #series = new Map<string, Series>();
  /** Counts those events again that are problems. */
  readonly problems: Series = { name: 'problems', counts: new Float64Array(SLOTS) };

  /** @param series From {@link seriesOf}. */
  add(time: number, series: Series): void {
    let slot = Math.floor((time - this.#start) / this.#width);
    if (!(slot >= 0 && slot < SLOTS)) slot = this.#cover(time);
    if (slot < this.#first) this.#first = slot;
    else if (slot > this.#last) this.#last = slot;
    const { counts } = series;
    counts[slot] = (counts[slot] as number) + 1;
  }

  /** Returns the series of a name; names beyond the limit share one. */
  seriesOf(name: string): Series {
    const known = this.#series.get(name);
    if (known !== undefined) return known;
    if (this.#series.size >= MAX_SERIES - 1 && name !== OTHER) return this.seriesOf(OTHER);
    const series = { name, counts: new Float64Array(SLOTS) };
    this.#series.set(name, series);
    return series;
  }

  /** Makes the slots cover the time, too. @returns Its slot. */
  #cover(time: number): number {
    if (Number.isNaN(this.#start)) this.#start = Math.floor(time / this.#width) * this.#width;
    const end = this.#start + (this.#last + 1) * this.#width;
    const from = Math.min(this.#start + this.#first * this.#width, time);
    const to = Math.max(end, time + 1);
    let width = this.#width;
    while (Math.ceil(to / width) - Math.floor(from / width) > SLOTS) width *= 2;
    // Leave room on the side to which the times have moved.
    const start =
      time < this.#start ? (Math.ceil(to / width) - SLOTS) * width : Math.floor(from / width) * width;
    if (width !== this.#width || start !== this.#start) this.#move(start, width);
    return Math.floor((time - this.#start) / this.#width);
  }

  #move(start: number, width: number): void {
    const slotOf = (slot: number) => Math.floor((this.#start + slot * this.#width - start) / width);
    for (const series of [...this.#series.values(), this.problems]) {
      const counts = new Float64Array(SLOTS);
      for (let slot = this.#first; slot <= this.#last; slot++) {
        const count = series.counts[slot] as number;
        if (count > 0) counts[slotOf(slot)] = (counts[slotOf(slot)] as number) + count;
      }
      series.counts = counts;
    }
    const first = slotOf(this.#first);
    this.#last = slotOf(this.#last);
    this.#first = first;
    this.#start = start;
    this.#width = width;
  }

  /**
   * Returns the counts in columns of equal width.
   *
   * @param most Largest number of columns. @returns `undefined` when nothing was counted.
   */
  columns(most: number): TimelineColumns | undefined {
    if (Number.isNaN(this.#start)) return undefined;
    const used = this.#last - this.#first + 1;
    const merged = Math.ceil(used / most);
    const count = Math.ceil(used / merged);
    const valuesOf = ({ counts }: Series) => {
      const values = new Array<number>(count).fill(0);
      for (let slot = 0; slot < used; slot++) {
        const column = Math.floor(slot / merged);
        values[column] = (values[column] as number) + (counts[this.#first + slot] as number);
      }
      return values;
    };
    return {
      start: this.#start + this.#first * this.#width,
      width: merged * this.#width,
      count,
      series: [...this.#series.values()].map((series) => ({ name: series.name, values: valuesOf(series) })),
      problems: valuesOf(this.problems),
    };
  }
}

/** Counts over time, ready to be drawn. */
export interface TimelineColumns {
  /** Start of the first column in microseconds since 1970. */
  start: number;
  /** Width of a column in microseconds. */
  width: number;
  /** Number of columns. */
  count: number;
  series: { name: string; values: number[] }[];
  /** Problems in each column: events of severity `critical` or `error`, which are counted in their series, too. */
  problems: number[];
}
