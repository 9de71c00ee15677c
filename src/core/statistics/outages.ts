import { CloseCode, closeMeaning, mayReject } from '../close-code.js';
import type { ConnectionEvent } from '../recording/connection-event.js';
import { parseTimestamp } from '../recording/timestamp.js';
import type { Outage, RecordedGap } from './connection-report.js';
import { shortName } from './tally.js';

/** The latest outages that are kept: a gap that ends later may join them. */
const MAX_OUTAGES = 10_000;
const MAX_ENDPOINTS = 100;
/** A reason that is longer takes no further ones. */
const MAX_REASON = 200;

/**
 * Merges the gaps of endpoints into outages: gaps that overlap or touch are one outage. Endpoints that never opened, or
 * were given up, are merged only with those of the same reason: merged with the others they would hide their outages.
 */
export class Outages {
  /** Sorted, and apart from each other. */
  readonly #latest: Outage[] = [];
  /** Those that came before them. */
  #earlier = { count: 0, micros: 0, to: Number.NEGATIVE_INFINITY };
  /** By reason, the outages of endpoints that are out for good. */
  readonly #forGood = new Map<string, Outage>();

  /** @param isForGood The endpoint is out for good from then on: up to the end. */
  add({ endpoint, from, to, reason }: RecordedGap, isForGood = false): void {
    const outage: Outage = { from, to, endpoints: [endpoint], reason };
    if (isForGood) {
      const known = this.#forGood.get(reason);
      if (from <= to) this.#forGood.set(reason, known === undefined ? outage : merged(known, outage));
      return;
    }
    outage.from = Math.max(from, this.#earlier.to);
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
    return this.#earlier.count + this.#latest.length + this.#forGood.size;
  }

  /** The time in which there was an outage, in microseconds: outages of endpoints that are out for good may overlap others. */
  get micros(): number {
    let { micros, to: end } = this.#earlier;
    for (const { from, to } of this.list()) {
      micros += Math.max(0, to - Math.max(from, end));
      end = Math.max(end, to);
    }
    return micros;
  }

  /** Returns the latest 10,000 outages, and those of endpoints that are out for good, sorted by time. */
  list(): Outage[] {
    return [...this.#latest, ...this.#forGood.values()].sort((a, b) => a.from - b.from);
  }
}

function merged(a: Outage, b: Outage): Outage {
  const endpoints = [...new Set([...a.endpoints, ...b.endpoints])].slice(0, MAX_ENDPOINTS);
  const [shorter, longer] = a.reason.length < b.reason.length ? [a.reason, b.reason] : [b.reason, a.reason];
  const isKnown = longer.includes(shorter) || longer.length > MAX_REASON;
  const reason = isKnown ? longer : `${a.reason}; ${b.reason}`;
  return { from: Math.min(a.from, b.from), to: Math.max(a.to, b.to), endpoints, reason };
}

/** Pings keep a live link from being silent for longer than this; a longer silence means that it was dead. */
const LONGEST_SILENCE_MICROS = 10_000_000;

/** The time in which an endpoint was open. */
export class OpenTime {
  #openSince: number | undefined;
  #openMicros = 0;
  /** A line says that it was open before the part that is read. */
  wasOpenBefore = false;
  /** The connection that has ended last. */
  #last: { from: number; to: number } | undefined;

  /** @param since The first attempt; `NaN` before it. */
  constructor(public since = Number.NaN) {}

  /** Notes an attempt, or any other sign that the endpoint is wanted; the time begins with the first one. */
  begin(at: number): void {
    if (!this.hasBegun) this.since = this.#openSince ?? at;
  }

  get hasBegun(): boolean {
    return !Number.isNaN(this.since);
  }

  open(at: number): void {
    this.#openSince ??= at;
  }

  /** @param at `NaN` for a connection that does not count. */
  close(at: number): void {
    const from = this.#openSince;
    this.#openSince = undefined;
    if (from === undefined || !(at >= from)) return;
    this.#openMicros += at - from;
    this.#last = { from, to: at };
  }

  /** Notes from when on events may be missing: of a link that was silent for long before it was lost, the silence does not count. */
  lostSince(at: number): void {
    if (this.#last === undefined || !(this.#last.to - at > LONGEST_SILENCE_MICROS)) return;
    // The silence may have begun before the part that is reported.
    const to = Math.max(at, this.#last.from);
    this.#openMicros -= this.#last.to - to;
    this.#last.to = to;
  }

  /** How long it was open in all, up to a time. */
  openMicros(end: number): number {
    return this.#openMicros + (this.#openSince === undefined ? 0 : end - this.#openSince);
  }

  get isOpen(): boolean {
    return this.#openSince !== undefined;
  }

  get wasOpen(): boolean {
    return this.#openSince !== undefined || this.#last !== undefined;
  }

  /** @returns The share of the time from the first attempt to the end, 0 to 1; `undefined` when no time is known. */
  share(end: number): number | undefined {
    const length = end - this.since;
    if (!(length >= 0)) return undefined;
    const open = this.openMicros(end);
    if (length === 0) return this.wasOpen ? 1 : 0;
    return Math.min(1, Math.max(0, open / length));
  }
}

/** The past of one endpoint, from the lines so far. */
export class EndpointHistory {
  /** It begins with the first lifecycle line; a recording without any does not show when it was open. */
  openTime = new OpenTime();
  /** Time of its last event, or of the end of its connection; `NaN` before both. */
  heardAt = Number.NaN;
  /** It had an event, or a line says that something is missing: before that there are no gaps. */
  hadEvent = false;
  /** How the last connection ended; `undefined` while it is open and when its end was wanted. */
  loss?: string | undefined;
  /** How the last attempt failed. */
  refusal?: string | undefined;
  isGivenUp = false;
  /** Events came while no line called it open: a second recorder has it. */
  isElsewhere = false;

  constructor(readonly endpoint?: string) {}
}

/** Returns how an endpoint stands at the start of a part; `undefined` when it is of no account from there on. */
export function continuedAt(known: EndpointHistory, start: number): EndpointHistory | undefined {
  const { isOpen, wasOpen, hasBegun } = known.openTime;
  const hasEnded = wasOpen && !isOpen && known.loss === undefined;
  if (!hasBegun || hasEnded) return undefined;
  const openTime = new OpenTime(start);
  if (isOpen) openTime.open(start);
  return { ...known, openTime, heardAt: start, hadEvent: known.hadEvent || wasOpen };
}

/** Takes note that an endpoint is open again. */
export function reopen(known: EndpointHistory, at: number): void {
  known.openTime.open(at);
  known.loss = undefined;
  known.isGivenUp = false;
  known.isElsewhere = false;
}

/** Takes note of the gap in which an endpoint ended. */
export function lostSince(known: EndpointHistory, gapSince?: string): void {
  const since = parseTimestamp(gapSince ?? '');
  if (since === undefined) return;
  known.hadEvent = true;
  known.loss ??= 'connection lost';
  known.heardAt = since;
}

/** Returns whether an endpoint was open for less than this in all, without any event: its server may only have refused it. */
export function wasOnlyBrief({ hadEvent, openTime }: EndpointHistory, at: number, limitMs: number): boolean {
  return !hadEvent && !openTime.wasOpenBefore && openTime.openMicros(at) < limitMs * 1000;
}

/** Returns whether the first attempt is under way, for no longer than most take: a longer one misses events. */
export function isOpening({ loss, refusal, openTime }: EndpointHistory, end: number): boolean {
  return (loss ?? refusal) === undefined && end - openTime.since < 1_000_000;
}

const DEAD_LINK = /^nothing came for (\d{1,9}(?:\.\d+)?) s$/;

/** Returns when something came for the last time before a connection ended: the recorder writes for how long a dead link had been silent. */
export function heardBefore(at: number, { reason }: ConnectionEvent & { state: 'closed' }): number {
  return at - Number(DEAD_LINK.exec(reason)?.[1] ?? 0) * 1_000_000;
}

/** Says why a connection was lost. The next attempt follows at once only when a token has expired as planned. */
export function lossText({ code, reason, retry_in_ms }: ConnectionEvent & { state: 'closed' }): string {
  if (mayReject(code) && retry_in_ms === 0) return 'token expired';
  // The reason of such an end is the recorder's own, others are the server's.
  const cause = code === CloseCode.ABNORMAL && reason !== '' ? `: ${shortName(reason)}` : '';
  return `closed ${code} ${closeMeaning(code)}${cause}`;
}

export function refusalText({ status, error }: { status?: number; error?: string }): string {
  return status === undefined ? shortName(error ?? 'no answer') : `HTTP ${status}`;
}

/** The lifecycle lines behind a part of a recording: they tell which endpoints had been silent at its end already. */
export class LossesBehind {
  readonly #losses = new Map<string, { from?: number | undefined; reason: string; isOver: boolean }>();

  /** Takes a line behind the part. Only the first end of a connection, and what follows it, says something about the part. */
  add(endpoint: string, at: number, connection: ConnectionEvent): void {
    const known = this.#losses.get(endpoint);
    if (known?.isOver || 'continued' in connection) return;
    const loss = (reason: string, from: number | undefined, isOver: boolean) =>
      this.#losses.set(endpoint, { from, reason, isOver });
    const { state } = connection;
    if (state === 'closed') {
      loss(lossText(connection), heardBefore(at, connection), connection.retry_in_ms === undefined);
    } else if (state === 'connecting' && known === undefined) {
      // A recorder that was killed has not told of the end.
      loss('not recorded', undefined, true);
    } else if (state === 'open' || state === 'given_up' || state === 'stopped') {
      const since = parseTimestamp(connection.gap_since ?? '') ?? known?.from ?? at;
      loss(known?.reason ?? 'connection lost', since, true);
    }
  }

  /** Returns since when an endpoint was silent, and why. @param heardAt Time of its last line in the part. */
  of(endpoint: string, heardAt: number): { from: number; reason: string } | undefined {
    const loss = this.#losses.get(endpoint);
    return loss && { from: loss.from ?? heardAt, reason: loss.reason };
  }
}
