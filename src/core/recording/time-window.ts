import { formatTimestamp } from './timestamp.js';

/** A point of a recording, in microseconds: since 1970, or from the time of its first line. */
export type KnownMoment = { at: number } | { offset: number };

/** The same, or microseconds before the time of its last line. */
export type Moment = KnownMoment | { beforeEnd: number };

/** Place of a line. `over`: so far behind the window that no later line is expected inside. */
export type WindowPlace = 'before' | 'inside' | 'after' | 'over';

/** Reading goes on for this long behind the end, because lines may be in disorder and clocks are set back. */
const READ_ON_MICROS = 60_000_000;

/** The part of a recording between two moments, both included. */
export class TimeWindow {
  readonly #from: KnownMoment | undefined;
  readonly #to: KnownMoment | undefined;
  #place: WindowPlace = 'inside';
  /** Times of the first line and of the latest one so far; `undefined` before the first line with a time. */
  first: number | undefined;
  last: number | undefined;
  /** No line lay inside. */
  isEmpty = true;

  constructor(from?: KnownMoment, to?: KnownMoment) {
    this.#from = from;
    this.#to = to;
  }

  /**
   * Places a line. Pass every line of the recording from its first line on: offsets count from there.
   *
   * @param recordedAt Microseconds since 1970. A line without a time (`NaN`) lies where the line before it does.
   */
  place(recordedAt: number): WindowPlace {
    if (Number.isNaN(recordedAt)) return this.#place;
    this.first ??= recordedAt;
    this.last = Math.max(this.last ?? recordedAt, recordedAt);
    if (recordedAt < this.start) {
      this.#place = 'before';
    } else if (recordedAt <= this.end) {
      this.#place = 'inside';
      this.isEmpty = false;
    } else {
      this.#place = recordedAt > this.end + READ_ON_MICROS ? 'over' : 'after';
    }
    return this.#place;
  }

  /** Where it starts, in microseconds since 1970; infinite without a start, or before the first line. */
  get start(): number {
    return pointOf(this.#from, this.first) ?? Number.NEGATIVE_INFINITY;
  }

  /** Where it ends, in microseconds since 1970; infinite without an end, or before the first line. */
  get end(): number {
    return pointOf(this.#to, this.first) ?? Number.POSITIVE_INFINITY;
  }

  /** Explains, at the end of the recording, that no line lay inside. */
  remark(): string | undefined {
    const { first, last, isEmpty } = this;
    if (!isEmpty || first === undefined || last === undefined) return undefined;
    // Reading may have ended early behind the window.
    const isLate = first > this.end;
    const times = isLate
      ? `begins at ${formatTimestamp(first)}`
      : `has ${formatTimestamp(first)} to ${formatTimestamp(last)}`;
    return `no line is of the time that was asked for: the recording ${times}`;
  }
}

function pointOf(moment: KnownMoment | undefined, first: number | undefined): number | undefined {
  if (moment === undefined) return undefined;
  if ('at' in moment) return moment.at;
  return first === undefined ? undefined : first + moment.offset;
}

/** Returns whether one moment is before another; `false` while that is not known without the recording. */
export function isBefore(one: Moment | undefined, other: Moment | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  if ('at' in one) return 'at' in other && one.at < other.at;
  if ('offset' in one) return 'offset' in other && one.offset < other.offset;
  return 'beforeEnd' in other && one.beforeEnd > other.beforeEnd;
}
