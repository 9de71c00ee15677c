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

/** A time in which an endpoint was connected. */
export interface RecordedConnection {
  endpoint: string;
  from: number;
  to: number;
}

/** What is kept one by one; of more only the number and the total are known. */
const MAX_KEPT = 10_000;
const MAX_ENDPOINTS = 1000;
const MICROSECONDS_PER_SECOND = 1_000_000;

interface EndpointHistory {
  /** Since when it is open; `undefined` = it is not. */
  openSince: number | undefined;
  /** Up to when the endpoint was heard: its last event, or the end of its connection. `NaN`: never. */
  heard: number;
  /** How the last connection ended; `undefined` while it is open and when its end was asked for. */
  loss: string | undefined;
}

/** Makes gaps, closes and refusals out of lifecycle lines. */
export class ConnectionHistory {
  readonly gaps: RecordedGap[] = [];
  readonly closes: RecordedClose[] = [];
  readonly connections: RecordedConnection[] = [];
  readonly closeCounts = new Tally(500);
  readonly refusalCounts = new Tally(500);
  gapCount = 0;
  gapSeconds = 0;
  /** Events that were lost because nobody took them. */
  dropped = 0;
  readonly #endpoints = new Map<string, EndpointHistory>();
  #latest: EndpointHistory = { openSince: undefined, heard: Number.NaN, loss: undefined };
  #latestName: string | undefined;

  /** An endpoint has given an event. */
  heard(endpoint: string, at: number): void {
    // Events come in runs, and this is asked for each.
    if (endpoint !== this.#latestName) {
      this.#latest = this.#historyOf(endpoint);
      this.#latestName = endpoint;
    }
    this.#latest.heard = at;
  }

  /** @param at Time of the line; `NaN` = it does not say. */
  add(endpoint: string, at: number, connection: ConnectionEvent): void {
    const known = this.#historyOf(endpoint);
    switch (connection.state) {
      case 'open':
        if (connection.continued === undefined) {
          this.#endConnection(endpoint, known, known.heard);
          this.#opened(endpoint, known, at, connection.gap_since);
        }
        known.openSince ??= at;
        known.loss = undefined;
        known.heard = at;
        break;
      case 'closed': {
        const wanted = connection.code === 1000 && connection.retry_in_ms === undefined;
        known.loss = wanted ? undefined : `closed ${connection.code} ${closeMeaning(connection.code)}`;
        this.#endConnection(endpoint, known, at);
        known.heard = at;
        this.closeCounts.add(String(connection.code));
        if (this.closes.length < MAX_KEPT) this.closes.push({ endpoint, at, code: connection.code });
        break;
      }
      case 'refused':
        this.refusalCounts.add(refusalName(connection));
        break;
      case 'dropped':
        if (Number.isSafeInteger(connection.count) && connection.count > 0) this.dropped += connection.count;
        break;
    }
  }

  /**
   * Ends the history: an endpoint that was lost and not had again has a gap up to the end of the recording.
   *
   * @param end Time of the last line.
   */
  finish(end: number): void {
    for (const [endpoint, history] of this.#endpoints) {
      const { openSince, heard, loss } = history;
      this.#endConnection(endpoint, history, end);
      if (openSince !== undefined || loss === undefined || !(heard < end)) continue;
      this.#addGap({ endpoint, from: heard, to: end, reason: `${loss}, not open again` });
    }
    this.gaps.sort((a, b) => a.from - b.from);
  }

  #historyOf(endpoint: string): EndpointHistory {
    let known = this.#endpoints.get(endpoint);
    if (known === undefined) {
      known = { openSince: undefined, heard: Number.NaN, loss: undefined };
      if (this.#endpoints.size < MAX_ENDPOINTS) this.#endpoints.set(endpoint, known);
    }
    return known;
  }

  #opened(endpoint: string, { heard, loss }: EndpointHistory, at: number, gapSince: unknown): void {
    const since = typeof gapSince === 'string' ? parseTimestamp(gapSince) : undefined;
    if (since !== undefined) {
      this.#addGap({ endpoint, from: since, to: at, reason: loss ?? 'connection lost' });
    } else if (heard < at) {
      // It was open before, and this connection knows nothing of it: the recorder was ended and started again.
      this.#addGap({ endpoint, from: heard, to: at, reason: loss ?? 'not recorded' });
    }
  }

  #endConnection(endpoint: string, history: EndpointHistory, to: number): void {
    const from = history.openSince;
    history.openSince = undefined;
    if (from === undefined || !(to >= from) || this.connections.length >= MAX_KEPT) return;
    this.connections.push({ endpoint, from, to });
  }

  #addGap(gap: RecordedGap): void {
    if (!(gap.to >= gap.from)) return;
    this.gapCount++;
    this.gapSeconds += (gap.to - gap.from) / MICROSECONDS_PER_SECOND;
    if (this.gaps.length < MAX_KEPT) this.gaps.push(gap);
  }
}

function refusalName({ status, error }: { status?: number; error?: string }): string {
  return String(status ?? error ?? 'unknown');
}
