import type { Outage, RecordedConnection, RecordedGap } from './connection-report.js';

/** The latest outages that are kept: a gap that ends later may join them. */
const MAX_OUTAGES = 10_000;
const MAX_ENDPOINTS = 100;
/** A reason that is longer takes no further ones. */
const MAX_REASON = 200;

/** Merges the gaps of endpoints into outages: gaps that overlap or touch are one outage. */
export class Outages {
  /** Sorted, and apart from each other. */
  readonly #latest: Outage[] = [];
  /** Those that came before them. */
  #earlier = { count: 0, micros: 0, to: Number.NEGATIVE_INFINITY };

  add({ endpoint, from, to, reason }: RecordedGap): void {
    const outage: Outage = { from: Math.max(from, this.#earlier.to), to, endpoints: [endpoint], reason };
    if (!(outage.from <= to)) return;
    const latest = this.#latest;
    let end = latest.length;
    while (end > 0 && latest[end - 1]!.from > to) end--;
    let start = end;
    while (start > 0 && latest[start - 1]!.to >= outage.from) start--;
    const parts = [...latest.slice(start, end), outage].sort((a, b) => a.from - b.from);
    latest.splice(start, end - start, parts.reduce(merged));
    if (latest.length <= MAX_OUTAGES) return;
    const first = latest.shift()!;
    this.#earlier.count++;
    this.#earlier.micros += first.to - first.from;
    this.#earlier.to = first.to;
  }

  /** Number of outages. */
  get count(): number {
    return this.#earlier.count + this.#latest.length;
  }

  /** Their length together, in microseconds. */
  get micros(): number {
    return this.#latest.reduce((sum, { from, to }) => sum + to - from, this.#earlier.micros);
  }

  /** Returns the latest 10,000 outages, sorted by time. */
  list(): Outage[] {
    return [...this.#latest];
  }
}

function merged(a: Outage, b: Outage): Outage {
  const endpoints = [...new Set([...a.endpoints, ...b.endpoints])].slice(0, MAX_ENDPOINTS);
  const [shorter, longer] = a.reason.length < b.reason.length ? [a.reason, b.reason] : [b.reason, a.reason];
  const isKnown = longer.includes(shorter) || longer.length > MAX_REASON;
  const reason = isKnown ? longer : `${a.reason}; ${b.reason}`;
  return { from: a.from, to: Math.max(a.to, b.to), endpoints, reason };
}

/** Pings keep a link from being silent for longer: one that was had been dead before it was lost. */
const LONGEST_SILENCE_MICROS = 10_000_000;

/** The time in which an endpoint was open. */
export class OpenTime {
  #since = Number.NaN;
  #openSince: number | undefined;
  #openMicros = 0;
  #last: Omit<RecordedConnection, 'endpoint'> | undefined;

  /** Notes an attempt, or any other sign that the endpoint is wanted; the time begins with the first one. */
  begin(at: number): void {
    if (Number.isNaN(this.#since)) this.#since = at;
  }

  open(at: number): void {
    this.begin(at);
    this.#openSince ??= at;
  }

  /** @returns The connection that has ended, if there was one. */
  close(at: number): Omit<RecordedConnection, 'endpoint'> | undefined {
    const from = this.#openSince;
    this.#openSince = undefined;
    if (from === undefined || !(at >= from)) return undefined;
    this.#openMicros += at - from;
    this.#last = { from, to: at };
    return { ...this.#last };
  }

  /** Notes from when on events may be missing: of a link that was silent for long before it was lost, the silence does not count. */
  lostSince(at: number): void {
    if (this.#last === undefined) return;
    const to = Math.max(at, this.#last.from);
    const silentMicros = this.#last.to - to;
    if (!(silentMicros > LONGEST_SILENCE_MICROS)) return;
    this.#openMicros -= silentMicros;
    this.#last.to = to;
  }

  get isOpen(): boolean {
    return this.#openSince !== undefined;
  }

  get wasOpen(): boolean {
    return this.#openSince !== undefined || this.#last !== undefined;
  }

  /** The first attempt; `NaN` before it. */
  get since(): number {
    return this.#since;
  }

  /** @returns The share of the time from the first attempt to the end, 0 to 1; `undefined` when no time is known. */
  share(end: number): number | undefined {
    const length = end - this.#since;
    if (!(length >= 0)) return undefined;
    const open = this.#openMicros + (this.#openSince === undefined ? 0 : end - this.#openSince);
    if (length === 0) return this.wasOpen ? 1 : 0;
    return Math.min(1, Math.max(0, open / length));
  }
}
