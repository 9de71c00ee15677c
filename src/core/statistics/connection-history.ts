import { closeMeaning } from '../close-code.js';
import type { ConnectionEvent } from '../recording/connection-event.js';
import { parseTimestamp } from '../recording/timestamp.js';
import { Tally } from './tally.js';

/** A time in which events of an endpoint may have been missed. Times are microseconds since 1970. */
export interface RecordedGap {
  endpoint: string;
  from: number;
  to: number;
  /** Why: `closed 1006 abnormal closure`, `not recorded`. */
  reason: string;
}

/** The end of a connection. */
export interface RecordedClose {
  endpoint: string;
  at: number;
  code: number;
}

/** An endpoint on which the recorder gave up. */
export interface RecordedGiveUp {
  endpoint: string;
  at: number;
  /** Kind of the failure: `token refused`. */
  failure: string;
  /** The failure in words: `HTTP 401`. */
  reason: string;
}

/** A time in which an endpoint was connected. */
export interface RecordedConnection {
  endpoint: string;
  from: number;
  to: number;
}

/** Lists end after this many entries; beyond that only the number and the total are known. */
const MAX_LISTED = 10_000;
const MAX_ENDPOINTS = 1000;
const MAX_REASONS = 500;
const MICROS_PER_SECOND = 1_000_000;

interface EndpointHistory {
  /** Time since which it is open; `undefined` while it is not. */
  openSince: number | undefined;
  /** Time of its last event, or of the end of its connection; `NaN` before both. */
  heardAt: number;
  /** It had an event, or a line says that something is missing: before that there are no gaps. */
  hadEvent: boolean;
  /** How the last connection ended; `undefined` while it is open and when its end was wanted. */
  loss: string | undefined;
  isGivenUp: boolean;
}

/** Derives gaps, closes and refusals from lifecycle lines. */
export class ConnectionHistory {
  readonly gaps: RecordedGap[] = [];
  readonly closes: RecordedClose[] = [];
  readonly givenUp: RecordedGiveUp[] = [];
  readonly connections: RecordedConnection[] = [];
  readonly closeCounts = new Tally(MAX_REASONS);
  readonly refusalCounts = new Tally(MAX_REASONS);
  gapCount = 0;
  gapSeconds = 0;
  /** Number of events that were dropped because the output was not taken. */
  dropped = 0;
  readonly #endpoints = new Map<string, EndpointHistory>();
  /** The endpoint of the last event: events come in runs. */
  #latest = newHistory();
  #latestName: string | undefined;

  /** Notes an event. */
  heard(endpoint: string, at: number): void {
    if (endpoint !== this.#latestName) {
      this.#latest = this.#historyOf(endpoint);
      this.#latestName = endpoint;
    }
    this.#latest.heardAt = at;
    this.#latest.hadEvent = true;
  }

  /** Notes a lifecycle line. @param at Time of the line; `NaN` when it has none. */
  add(endpoint: string, at: number, connection: ConnectionEvent): void {
    const known = this.#historyOf(endpoint);
    switch (connection.state) {
      case 'open':
        if (connection.continued === undefined) {
          this.#endConnection(endpoint, known, known.heardAt);
          this.#addGapBefore(endpoint, known, at, connection.gap_since);
        }
        known.openSince ??= at;
        known.loss = undefined;
        known.heardAt = at;
        break;
      case 'closed': {
        const wasWanted = connection.code === 1000 && connection.retry_in_ms === undefined;
        known.loss = wasWanted ? undefined : `closed ${connection.code} ${closeMeaning(connection.code)}`;
        this.#endConnection(endpoint, known, at);
        known.heardAt = at;
        this.closeCounts.add(String(connection.code));
        if (this.closes.length < MAX_LISTED) this.closes.push({ endpoint, at, code: connection.code });
        break;
      }
      case 'refused':
        this.refusalCounts.add(String(connection.status ?? connection.error ?? 'unknown'));
        break;
      case 'given_up':
        this.#addGiveUp(endpoint, known, at, connection);
        break;
      case 'dropped':
        if (Number.isSafeInteger(connection.count) && connection.count > 0) this.dropped += connection.count;
        break;
    }
  }

  /**
   * Ends the history: an endpoint that was lost and did not come back has a gap up to the end of the recording.
   *
   * @param end Time of the last line.
   */
  finish(end: number): void {
    for (const [endpoint, history] of this.#endpoints) {
      const { openSince, heardAt, loss, hadEvent } = history;
      this.#endConnection(endpoint, history, end);
      if (openSince !== undefined || loss === undefined || !hadEvent || !(heardAt < end)) continue;
      this.#addGap({ endpoint, from: heardAt, to: end, reason: `${loss}, not open again` });
    }
    this.gaps.sort((a, b) => a.from - b.from);
  }

  #historyOf(endpoint: string): EndpointHistory {
    let known = this.#endpoints.get(endpoint);
    if (known === undefined) {
      known = newHistory();
      if (this.#endpoints.size < MAX_ENDPOINTS) this.#endpoints.set(endpoint, known);
    }
    return known;
  }

  #addGiveUp(
    endpoint: string,
    known: EndpointHistory,
    at: number,
    { failure, reason, gap_since, continued }: ConnectionEvent & { state: 'given_up' },
  ): void {
    if (continued && known.isGivenUp) return;
    known.isGivenUp = true;
    const since = gap_since === undefined ? undefined : parseTimestamp(gap_since);
    if (since !== undefined) {
      known.hadEvent = true;
      known.loss ??= 'connection lost';
      known.heardAt = since;
    }
    if (this.givenUp.length < MAX_LISTED) this.givenUp.push({ endpoint, at, failure, reason });
  }

  #addGapBefore(endpoint: string, known: EndpointHistory, at: number, gapSince?: string): void {
    const { heardAt, loss, hadEvent } = known;
    const since = gapSince === undefined ? undefined : parseTimestamp(gapSince);
    if (since !== undefined) {
      known.hadEvent = true;
      this.#addGap({ endpoint, from: since, to: at, reason: loss ?? 'connection lost' });
    } else if (hadEvent && heardAt < at) {
      // It was open before, and this connection does not know of it: the recorder was stopped and started again.
      this.#addGap({ endpoint, from: heardAt, to: at, reason: loss ?? 'not recorded' });
    }
  }

  #endConnection(endpoint: string, history: EndpointHistory, to: number): void {
    const from = history.openSince;
    history.openSince = undefined;
    if (from === undefined || !(to >= from) || this.connections.length >= MAX_LISTED) return;
    this.connections.push({ endpoint, from, to });
  }

  #addGap(gap: RecordedGap): void {
    if (!(gap.to >= gap.from)) return;
    this.gapCount++;
    this.gapSeconds += (gap.to - gap.from) / MICROS_PER_SECOND;
    if (this.gaps.length < MAX_LISTED) this.gaps.push(gap);
  }
}

function newHistory(): EndpointHistory {
  return { openSince: undefined, heardAt: Number.NaN, hadEvent: false, loss: undefined, isGivenUp: false };
}
