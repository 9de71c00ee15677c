/** A point of a recording, in microseconds: since 1970, or from the time of its first line. */
export type Moment = { at: number } | { offset: number };

/** Where a line lies: `over` is so far behind the window that nothing of it can follow. */
export type WindowPlace = 'before' | 'inside' | 'after' | 'over';

/** How far lines may stand out of the order of their times, in microseconds. */
const LARGEST_DISORDER = 1_000_000;

/** The part of a recording that `--from` and `--to` choose; both ends belong to it. */
export class TimeWindow {
  readonly #fromMoment: Moment | undefined;
  readonly #toMoment: Moment | undefined;
  #from = Number.NEGATIVE_INFINITY;
  #to = Number.POSITIVE_INFINITY;
  #started = false;
  #place: WindowPlace = 'inside';

  constructor(from?: Moment, to?: Moment) {
    this.#fromMoment = from;
    this.#toMoment = to;
  }

  /**
   * Where a line lies. Hand in every line of the recording from its first on: offsets count from there.
   *
   * @param recordedAt Microseconds since 1970; a line without a time lies where the one before it does.
   */
  place(recordedAt: number | undefined): WindowPlace {
    if (recordedAt === undefined) return this.#place;
    if (!this.#started) this.#start(recordedAt);
    this.#place = this.#placeOf(recordedAt);
    return this.#place;
  }

  #start(first: number): void {
    this.#started = true;
    this.#from = pointOf(this.#fromMoment, first) ?? this.#from;
    this.#to = pointOf(this.#toMoment, first) ?? this.#to;
  }

  #placeOf(recordedAt: number): WindowPlace {
    if (recordedAt < this.#from) return 'before';
    if (recordedAt <= this.#to) return 'inside';
    return recordedAt > this.#to + LARGEST_DISORDER ? 'over' : 'after';
  }
}

/** The time of a moment, in microseconds since 1970. @param first Time of the recording's first line. */
export function pointOf(moment: Moment | undefined, first: number): number | undefined {
  if (moment === undefined) return undefined;
  return 'at' in moment ? moment.at : first + moment.offset;
}
