import { OpmasError } from '../errors.js';
import { type Filter, keepsLine } from '../filter/filter.js';
import { shortName } from '../statistics/tally.js';
import type { LineBatch } from './format.js';
import { LineRing } from './line-ring.js';
import { LineView } from './line-view.js';
import { formatTimestamp } from './timestamp.js';

/** A point of a recording: microseconds since 1970, or counted from the time of its first or (below 0) its last line. */
export interface Moment {
  from: '1970' | 'start' | 'end';
  micros: number;
}

/** Place of a line. `over`: so far behind the window that no later line is expected inside. */
export type WindowPlace = 'before' | 'inside' | 'after' | 'over';

/** Reading goes on for this long behind the end, because lines may be in disorder and clocks are set back. */
const READ_ON_MICROS = 60_000_000;

/** The part of a recording between two moments, both included. */
export class TimeWindow {
  #place: WindowPlace = 'inside';
  /** Times of the first line and of the latest one so far; `undefined` before the first line with a time. */
  first: number | undefined;
  last: number | undefined;
  /** No line lay inside. */
  isEmpty = true;

  /** Neither moment may count from the end. */
  constructor(
    private readonly from?: Moment,
    private readonly to?: Moment,
  ) {}

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
    return pointOf(this.from, this.first) ?? Number.NEGATIVE_INFINITY;
  }

  /** Where it ends, in microseconds since 1970; infinite without an end, or before the first line. */
  get end(): number {
    return pointOf(this.to, this.first) ?? Number.POSITIVE_INFINITY;
  }

  /** Explains, at the end of the recording, that no line lay inside. */
  remark(): string | undefined {
    const { first, last, isEmpty } = this;
    if (!isEmpty || first === undefined || last === undefined) return undefined;
    // Reading may have ended early behind the window.
    const isLate = first > this.end;
    const times = isLate
      ? `begins at ${formatTimestamp(first)}`
      : last > this.end
        ? `has ${formatTimestamp(first)} and later times, but none between`
        : `ends at ${formatTimestamp(last)}`;
    return `no line is from that time: the recording ${times}`;
  }
}

function pointOf(moment: Moment | undefined, first: number | undefined): number | undefined {
  if (moment === undefined || moment.from === '1970') return moment?.micros;
  return first === undefined ? undefined : first + moment.micros;
}

/** Returns whether one moment is before another; `false` while that is not known without the recording. */
export function isBefore(one: Moment | undefined, other: Moment | undefined): boolean {
  return one !== undefined && one.from === other?.from && one.micros < other.micros;
}

/** Endpoints that are named when a recording has none of those that were asked for. */
const MOST_SEEN = 10;
/** The hint where a part cannot be chosen by time. */
export const UNTIMED_HINT = 'No part of it can be chosen by time: leave out `from` and `to`.';

/** The rules of a {@link LineSelection}; a line is selected when all of them select it. */
export interface SelectionRules {
  /** The first and the last moment; see {@link TimeWindow}. */
  from?: Moment | undefined;
  to?: Moment | undefined;
  /** Labels of endpoints. */
  endpoints?: ReadonlySet<string> | undefined;
  filter?: Filter | undefined;
  /** Number of events: the last ones that all else selects, with the lines between and after them. */
  last?: number | undefined;
  /** Memory for `last`. */
  maxBytes: number;
  /** Called with each line before the window, and with each lifecycle line before those that `last` leaves. */
  onBefore?: ((line: LineView) => void) | undefined;
  /** Called with each line of the window and the endpoints, before the filter judges it. */
  onLine?: ((line: LineView) => void) | undefined;
  /** Called with each line behind the window up to the one that ends the reading. */
  onBehind?: ((line: LineView) => void) | undefined;
}

/** Selects lines of a recording: all readers of recordings share it. */
export class LineSelection {
  #ring: LineRing | undefined;
  /** Endpoints that the events of the recording have. */
  readonly #seen = new Set<string>();
  /** No later line can be selected. */
  isOver = false;
  /** Present when the part is chosen by time. */
  readonly window: TimeWindow | undefined;

  constructor(private readonly rules: SelectionRules) {
    const { from, to, last, maxBytes, onBefore } = rules;
    if (from !== undefined || to !== undefined) this.window = new TimeWindow(from, to);
    if (last === undefined) return;
    const view = new LineView();
    const onFreed = (line: Buffer) => {
      view.read(line, 0, line.length - 1);
      onBefore?.(view);
    };
    const limits = { events: last, micros: Number.POSITIVE_INFINITY, bytes: maxBytes };
    this.#ring = new LineRing(limits, onBefore && onFreed);
  }

  /**
   * Returns whether to give the line now. Pass every line of the recording, from its first line on.
   *
   * @throws {OpmasError} `USAGE` when a part is selected by time and the first event has no time.
   */
  takes(line: LineView): boolean {
    if (!this.#selects(line)) return false;
    if (this.#ring === undefined) return true;
    const { bytes, start, end, receivedAt, kind, endpoint = '', connection } = line;
    const lifecycle = connection && { endpoint, connection };
    this.#ring.add(bytes, start, end, receivedAt, kind === 'event', lifecycle);
    return false;
  }

  #selects(line: LineView): boolean {
    const { window } = this;
    const { endpoints, filter, onBefore, onLine, onBehind } = this.rules;
    const { kind, endpoint = '' } = line;
    if (window !== undefined) {
      const at = line.receivedAt;
      if (Number.isNaN(at) && window.first === undefined && kind !== 'connection')
        throw timesMissing(UNTIMED_HINT);
      const place = window.place(at);
      if (place === 'before') onBefore?.(line);
      if (place === 'after' || place === 'over') onBehind?.(line);
      // The next recorder begins with lines of all its endpoints.
      if (place === 'over' && (onBehind === undefined || kind !== 'connection')) this.isOver = true;
      if (place !== 'inside') return false;
    }
    if (endpoints !== undefined) {
      if (kind === 'event' && this.#seen.size < MOST_SEEN) this.#seen.add(shortName(endpoint));
      if (!endpoints.has(endpoint)) return false;
    }
    onLine?.(line);
    return filter === undefined || keepsLine(filter, kind, line.frame, endpoint, line);
  }

  /** {@link rest} was called, or had nothing to wait for. */
  hasEnded = false;

  /** Ends the wait for later lines. @returns The lines that were kept back. */
  rest(): LineBatch[] {
    const rest = this.#ring?.take() ?? [];
    this.#ring = undefined;
    this.hasEnded = true;
    return rest;
  }

  /** Explains, before {@link rest}, why less was selected than a user expects: one sentence each. */
  remarks(): string[] {
    const { endpoints, maxBytes, last = 0 } = this.rules;
    const remarks: string[] = [];
    const remark = this.window?.remark();
    if (remark !== undefined) remarks.push(remark);
    if (
      endpoints !== undefined &&
      this.#seen.size > 0 &&
      ![...this.#seen].some((one) => endpoints.has(one))
    ) {
      remarks.push(
        `no event is from ${[...endpoints].join(', ')}; the recording has ${[...this.#seen].join(', ')}`,
      );
    }
    const { events = 0, cut = 0 } = this.#ring ?? {};
    if (cut > 0 && events < last) {
      remarks.push(
        `only ${events} of the last ${last} events: more did not fit into ${mebibytes(maxBytes)} MiB of memory`,
      );
    }
    return remarks;
  }
}

/** Makes the error of a recording without times. @param hint The way to do without them. */
export function timesMissing(hint: string): OpmasError {
  return new OpmasError('USAGE', 'the recording does not say when its events came (received_at)', { hint });
}

/** Returns a size in MiB, to three digits. */
export function mebibytes(bytes: number): number {
  return Number((bytes / 2 ** 20).toPrecision(3));
}
