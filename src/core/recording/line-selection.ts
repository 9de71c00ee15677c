import { OpmasError } from '../errors.js';
import { type Filter, keepsLine } from '../filter/filter.js';
import type { LineBatch } from './format.js';
import { LineRing } from './line-ring.js';
import { LineView } from './line-view.js';
import { type KnownMoment, TimeWindow } from './time-window.js';

/** Endpoints that are named when a recording has none of those that were asked for. */
const MOST_SEEN = 10;

/** The rules of a {@link LineSelection}; a line is selected when all of them select it. */
export interface SelectionRules {
  /** The first and the last moment. */
  from?: KnownMoment | undefined;
  to?: KnownMoment | undefined;
  /** Labels of endpoints. */
  endpoints?: ReadonlySet<string> | undefined;
  filter?: Filter | undefined;
  /** Number of events: the last ones that all else selects, with the lines between and after them. */
  last?: number | undefined;
  /** Memory for `last`. */
  maxBytes: number;
  /** Called with each line before the window, and with each lifecycle line before those that `last` leaves. */
  onBefore?: ((line: LineView) => void) | undefined;
}

/** Selects lines of a recording: all readers of recordings share it. */
export class LineSelection {
  readonly #rules: SelectionRules;
  #ring: LineRing | undefined;
  /** Endpoints that the events of the recording have. */
  readonly #seen = new Set<string>();
  /** No later line can be selected. */
  isOver = false;
  /** Present when the part is chosen by time. */
  readonly window: TimeWindow | undefined;

  constructor(rules: SelectionRules) {
    const { from, to, last, maxBytes, onBefore } = rules;
    this.#rules = rules;
    if (from !== undefined || to !== undefined) this.window = new TimeWindow(from, to);
    if (last === undefined) return;
    const view = new LineView();
    const onFreed = (line: Buffer) => {
      view.read(line, 0, line.length - 1);
      onBefore?.(view);
    };
    this.#ring = new LineRing({ events: last, bytes: maxBytes }, onBefore && onFreed);
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
    const { endpoints, filter, onBefore } = this.#rules;
    const { kind, endpoint = '' } = line;
    if (window !== undefined) {
      const at = line.receivedAt;
      if (Number.isNaN(at) && window.first === undefined && kind !== 'connection') throw withoutTimes();
      const place = window.place(at);
      if (place === 'before') onBefore?.(line);
      if (place === 'over') this.isOver = true;
      if (place !== 'inside') return false;
    }
    if (endpoints !== undefined) {
      if (kind === 'event' && this.#seen.size < MOST_SEEN) this.#seen.add(endpoint);
      if (!endpoints.has(endpoint)) return false;
    }
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
    const { endpoints, maxBytes, last = 0 } = this.#rules;
    const remarks: string[] = [];
    const remark = this.window?.remark();
    if (remark !== undefined) remarks.push(remark);
    if (
      endpoints !== undefined &&
      this.#seen.size > 0 &&
      ![...this.#seen].some((one) => endpoints.has(one))
    ) {
      remarks.push(
        `no event is of ${[...endpoints].join(', ')}; the recording has ${[...this.#seen].join(', ')}`,
      );
    }
    const { events = 0, cut = 0 } = this.#ring ?? {};
    if (cut > 0 && events < last) {
      const size = Number((maxBytes / 2 ** 20).toPrecision(3));
      remarks.push(`only ${events} of the last ${last} events: more did not fit into ${size} MiB of memory`);
    }
    return remarks;
  }
}

function withoutTimes(): OpmasError {
  return new OpmasError('USAGE', 'the recording does not say when its events came (received_at)', {
    hint: 'No part of it can be chosen by time: leave out `from` and `to`.',
  });
}
