import { closeMeaning } from '../close-code.js';
import type { ConnectionEvent } from '../recording/connection-event.js';
import { parseTimestamp } from '../recording/timestamp.js';
import { type NamedCount, Tally } from './tally.js';

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

/** What lifecycle lines tell of the connections of a recording. */
export interface ConnectionReport {
  /** The first 10,000 gaps. */
  gaps: RecordedGap[];
  gapCount: number;
  /** Length of all gaps together, each endpoint by itself. */
  gapSeconds: number;
  /** The first 10,000 times in which an endpoint was connected. */
  connections: RecordedConnection[];
  /** The first 10,000 ends of connections, and counts of all by code. */
  closes: RecordedClose[];
  closeCounts: NamedCount[];
  /** Endpoints on which the recorder gave up. */
  givenUp: RecordedGiveUp[];
  /** Failed attempts, by HTTP status or by error. */
  refusalCounts: NamedCount[];
  /** Number of events that were dropped because the output was not taken. */
  dropped: number;
}

/** Lists end after this many entries; beyond that only the number and the total are known. */
const MAX_LISTED = 10_000;
const MAX_ENDPOINTS = 1000;
const MAX_REASONS = 500;
const MICROS_PER_SECOND = 1_000_000;

interface EndpointHistory {
  endpoint: string | undefined;
  /** Time since which it is open; `undefined` while it is not. */
  openSince?: number | undefined;
  /** Time of its last event, or of the end of its connection; `NaN` before both. */
  heardAt: number;
  /** It had an event, or a line says that something is missing: before that there are no gaps. */
  hadEvent: boolean;
  /** How the last connection ended; `undefined` while it is open and when its end was wanted. */
  loss?: string | undefined;
  isGivenUp: boolean;
}

/** Derives gaps, closes and refusals from lifecycle lines. */
export class ConnectionHistory implements ConnectionReport {
  readonly gaps: RecordedGap[] = [];
  gapCount = 0;
  gapSeconds = 0;
  readonly connections: RecordedConnection[] = [];
  readonly closes: RecordedClose[] = [];
  closeCounts: NamedCount[] = [];
  readonly givenUp: RecordedGiveUp[] = [];
  refusalCounts: NamedCount[] = [];
  dropped = 0;
  readonly #closeCounts = new Tally(MAX_REASONS);
  readonly #refusalCounts = new Tally(MAX_REASONS);
  readonly #endpoints = new Map<string, EndpointHistory>();
  /** That of the last event: events come in runs. */
  #latest = newHistory(undefined);

  /** Notes an event. */
  heard(endpoint: string, at: number): void {
    if (endpoint !== this.#latest.endpoint) this.#latest = this.#historyOf(endpoint);
    this.#latest.heardAt = at;
    this.#latest.hadEvent = true;
  }

  /** Notes a lifecycle line. @param at Time of the line; `NaN` when it has none. */
  add(endpoint: string, at: number, connection: ConnectionEvent): void {
    const known = this.#historyOf(endpoint);
    switch (connection.state) {
      case 'open':
        if (connection.continued === undefined) {
          this.#endConnection(known, known.heardAt);
          this.#addGapBefore(known, at, connection.gap_since);
        }
        known.openSince ??= at;
        known.loss = undefined;
        known.heardAt = at;
        break;
      case 'closed': {
        const wasWanted = connection.code === 1000 && connection.retry_in_ms === undefined;
        known.loss = wasWanted ? undefined : `closed ${connection.code} ${closeMeaning(connection.code)}`;
        this.#endConnection(known, at);
        known.heardAt = at;
        // A filter may have left out the events.
        known.hadEvent ||= connection.lost === true;
        this.#closeCounts.add(String(connection.code));
        if (this.closes.length < MAX_LISTED) this.closes.push({ endpoint, at, code: connection.code });
        break;
      }
      case 'refused':
        this.#refusalCounts.add(String(connection.status ?? connection.error ?? 'unknown'));
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
  finish(end: number): ConnectionReport {
    for (const known of this.#endpoints.values()) {
      const { openSince, heardAt, loss, hadEvent } = known;
      this.#endConnection(known, end);
      if (openSince !== undefined || loss === undefined || !hadEvent || !(heardAt < end)) continue;
      this.#addGap(known, heardAt, end, `${loss}, not open again`);
    }
    this.gaps.sort((a, b) => a.from - b.from);
    this.closeCounts = this.#closeCounts.sorted();
    this.refusalCounts = this.#refusalCounts.sorted();
    return { ...this };
  }

  #historyOf(endpoint: string): EndpointHistory {
    let known = this.#endpoints.get(endpoint);
    if (known === undefined) {
      known = newHistory(endpoint);
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

  #addGapBefore(known: EndpointHistory, at: number, gapSince?: string): void {
    const { heardAt, loss, hadEvent } = known;
    const since = gapSince === undefined ? undefined : parseTimestamp(gapSince);
    if (since !== undefined) {
      known.hadEvent = true;
      this.#addGap(known, since, at, loss ?? 'connection lost');
    } else if (hadEvent && heardAt < at) {
      // It was open before, and this connection does not know of it: the recorder was stopped and started again.
      this.#addGap(known, heardAt, at, loss ?? 'not recorded');
    }
  }

  #endConnection(known: EndpointHistory, to: number): void {
    const { openSince: from, endpoint = '' } = known;
    known.openSince = undefined;
    if (from === undefined || !(to >= from) || this.connections.length >= MAX_LISTED) return;
    this.connections.push({ endpoint, from, to });
  }

  #addGap({ endpoint = '' }: EndpointHistory, from: number, to: number, reason: string): void {
    if (!(to >= from)) return;
    this.gapCount++;
    this.gapSeconds += (to - from) / MICROS_PER_SECOND;
    if (this.gaps.length < MAX_LISTED) this.gaps.push({ endpoint, from, to, reason });
  }
}

function newHistory(endpoint: string | undefined): EndpointHistory {
  return { endpoint, heardAt: Number.NaN, hadEvent: false, isGivenUp: false };
}
