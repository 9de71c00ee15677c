import { mayReject } from '../close-code.js';
import type { ConnectionEvent } from '../recording/connection-event.js';
import { parseTimestamp } from '../recording/timestamp.js';
import { ACCEPTED_AFTER_MS, QUIET_AFTER_MS } from '../retry.js';
import type { ConnectionReport, Outage, RecordedGap, RecordedGiveUp } from './connection-report.js';
import {
  continuedAt,
  EndpointHistory,
  heardBefore,
  isOpening,
  type LossesBehind,
  lossText,
  lostSince,
  OpenTime,
  Outages,
  refusalText,
  reopen,
  wasOnlyBrief,
} from './outages.js';
import { type NamedCount, shortName, Tally } from './tally.js';

/** Lists end after this many entries; beyond that only the number and the total are known. */
const MAX_LISTED = 10_000;
const MAX_REASONS = 500;
const MICROS_PER_SECOND = 1_000_000;

/**
 * Derives gaps, outages, coverage, closes and refusals from lifecycle events: those of a live stream, and those that
 * stand in a recording, between the events that came.
 */
export class ConnectionHistory implements ConnectionReport {
  readonly gaps: RecordedGap[] = [];
  gapCount = 0;
  gapSeconds = 0;
  outages: Outage[] = [];
  outageCount = 0;
  outageSeconds = 0;
  coverage: Record<string, number> = {};
  readonly down: RecordedGap[] = [];
  closeCounts: NamedCount[] = [];
  wantedCloses = 0;
  readonly givenUp: RecordedGiveUp[] = [];
  refusalCounts: NamedCount[] = [];
  dropped = 0;
  readonly #closeCounts = new Tally(MAX_REASONS);
  readonly #refusalCounts = new Tally(MAX_REASONS);
  readonly #outages = new Outages();
  readonly #endpoints = new Map<string, EndpointHistory>();
  #gapMicros = 0;
  /** That of the last event: events come in runs. */
  #latest = new EndpointHistory();

  /** @param start No gap is reported from before this time. */
  constructor(private readonly start = Number.NEGATIVE_INFINITY) {}

  /** Returns a history that begins at that time: it knows how the endpoints stand, and reports nothing from before. */
  continuedAt(start: number): ConnectionHistory {
    const history = new ConnectionHistory(start);
    for (const [endpoint, known] of this.#endpoints) {
      const continued = continuedAt(known, start);
      if (continued !== undefined) history.#endpoints.set(endpoint, continued);
    }
    return history;
  }

  /** Notes an event. */
  heard(endpoint: string, at: number): void {
    if (endpoint !== this.#latest.endpoint) this.#latest = this.#historyOf(endpoint);
    if (!this.#latest.openTime.isOpen) this.#onHeardUntold(this.#latest, at);
    this.#latest.heardAt = at;
    this.#latest.hadEvent = true;
  }

  /** Notes a lifecycle line. @param at Time of the line; `NaN` when it has none. */
  add(endpoint: string, at: number, connection: ConnectionEvent): void {
    const known = this.#historyOf(endpoint);
    known.openTime.begin(at);
    switch (connection.state) {
      case 'connecting':
        // Another recorder goes on while this one tries again.
        if (connection.continued || (known.isElsewhere && connection.attempt > 1)) break;
        // A recorder that was killed has not told of the end.
        known.openTime.close(known.heardAt);
        if (known.hadEvent) known.loss ??= 'not recorded';
        break;
      case 'open':
        if (connection.continued === undefined && !known.isElsewhere) {
          known.openTime.close(known.heardAt);
          this.#addGapBefore(known, at, connection.gap_since);
        }
        reopen(known, at);
        known.openTime.wasOpenBefore ||= connection.continued === true;
        known.heardAt = at;
        break;
      case 'closed': {
        const wasWanted = connection.code === 1000 && connection.retry_in_ms === undefined;
        if (wasWanted) this.wantedCloses++;
        known.loss = wasWanted ? undefined : lossText(connection);
        // A filter may have left out the events.
        known.hadEvent ||= connection.lost === true;
        const isRejected = mayReject(connection.code) && wasOnlyBrief(known, at, ACCEPTED_AFTER_MS);
        known.openTime.close(isRejected ? Number.NaN : at);
        known.heardAt = heardBefore(at, connection);
        this.#closeCounts.add(String(connection.code));
        break;
      }
      case 'refused':
        known.refusal = refusalText(connection);
        this.#refusalCounts.add(String(connection.status ?? connection.error ?? 'unknown'));
        break;
      case 'given_up':
        this.#addGiveUp(known, at, connection);
        break;
      case 'stopped':
        lostSince(known, connection.gap_since);
        break;
      case 'dropped':
        if (Number.isSafeInteger(connection.count) && connection.count > 0) this.dropped += connection.count;
        break;
      default:
        // Newer versions may write others.
        connection satisfies never;
    }
  }

  /** The gaps that have ended so far, and the time in which there was an outage. */
  get sums(): Record<'gaps' | 'outages', { count: number; totalMs: number }> {
    return {
      gaps: { count: this.gapCount, totalMs: this.#gapMicros / 1000 },
      outages: { count: this.#outages.count, totalMs: this.#outages.micros / 1000 },
    };
  }

  /** Returns the share of the time from an endpoint's first attempt up to now in which it was open, 0 to 1. */
  shareOf(endpoint: string, now: number): number {
    return this.#endpoints.get(endpoint)?.openTime.share(now) ?? 0;
  }

  /**
   * Ends the history: an endpoint that was lost and did not come back has a gap up to the end.
   *
   * @param endOf Time of the last line, or the end of the part; that of a live stream by the clock of each endpoint.
   * @param behind What the lines behind the part tell.
   */
  finish(endOf: number | ((endpoint: string) => number), behind?: LossesBehind): ConnectionReport {
    const shares: [endpoint: string, share: number][] = [];
    for (const known of this.#endpoints.values()) {
      const { endpoint = '', openTime, heardAt, isGivenUp } = known;
      if (!openTime.hasBegun) continue;
      const end = typeof endOf === 'number' ? endOf : endOf(endpoint);
      const later = known.loss === undefined && known.hadEvent ? behind?.of(endpoint, heardAt) : undefined;
      if (later !== undefined && later.from < end) {
        openTime.close(Math.max(later.from, this.start));
        this.#addDown(known, later.from, end, later.reason);
      } else if (openTime.isOpen && !isGivenUp) {
        openTime.close(end);
      } else {
        this.#addLost(known, end);
      }
      const share = openTime.share(end);
      if (share !== undefined) shares.push([endpoint, share]);
    }
    this.coverage = Object.fromEntries(shares);
    this.outages = this.#outages.list();
    this.outageCount = this.#outages.count;
    this.outageSeconds = this.#outages.micros / MICROS_PER_SECOND;
    this.gapSeconds = this.#gapMicros / MICROS_PER_SECOND;
    this.gaps.sort((a, b) => a.from - b.from);
    this.closeCounts = this.#closeCounts.sorted();
    this.refusalCounts = this.#refusalCounts.sorted();
    return { ...this };
  }

  /** Notes an endpoint that was not open at the end, unless its end was wanted. */
  #addLost(known: EndpointHistory, end: number): void {
    const { openTime, heardAt, loss, refusal, isGivenUp } = known;
    openTime.close(end);
    const { wasOpen, since } = openTime;
    const isGap = loss !== undefined && known.hadEvent;
    if (!isGap && !isGivenUp && (wasOpen || isOpening(known, end))) return;
    const how = isGivenUp ? 'given up' : isGap ? 'not open again' : 'never open';
    const isForGood = isGivenUp || !isGap;
    const reason = `${loss ?? refusal ?? 'no answer'}, ${how}`;
    this.#addDown(known, isGap || wasOpen ? heardAt : since, end, reason, { isGap, isForGood });
  }

  #addDown(
    known: EndpointHistory,
    since: number,
    to: number,
    reason: string,
    { isGap, isForGood } = { isGap: true, isForGood: false },
  ): void {
    const down = { endpoint: known.endpoint ?? '', from: Math.max(since, this.start), to, reason };
    if (!(down.from <= to)) return;
    this.down.push(down);
    if (down.from === to) return;
    if (isForGood) this.#outages.add(down, true);
    if (isGap) this.#addGap(known, since, to, reason, !isForGood);
  }

  /**
   * Notes an event while no line calls the endpoint open: it came on a connection from before the lines, or that a
   * second recorder of the same server had.
   */
  #onHeardUntold(known: EndpointHistory, at: number): void {
    if (known.loss !== undefined && known.hadEvent) this.#addGap(known, known.heardAt, at, known.loss);
    reopen(known, at);
    known.isElsewhere = known.openTime.hasBegun;
  }

  #historyOf(endpoint: string): EndpointHistory {
    const known = this.#endpoints.get(endpoint) ?? new EndpointHistory(endpoint);
    if (this.#endpoints.size < MAX_LISTED) this.#endpoints.set(endpoint, known);
    return known;
  }

  #addGiveUp(known: EndpointHistory, at: number, connection: ConnectionEvent & { state: 'given_up' }): void {
    const { failure, reason, gap_since, continued } = connection;
    const { endpoint = '' } = known;
    if (continued && known.isGivenUp) return;
    known.isGivenUp = true;
    known.refusal ??= shortName(reason);
    // The server opened connections only to refuse them.
    if (failure === 'endpoint refuses' && wasOnlyBrief(known, at, QUIET_AFTER_MS))
      known.openTime = new OpenTime(known.openTime.since);
    lostSince(known, gap_since);
    if (this.givenUp.length < MAX_LISTED) this.givenUp.push({ endpoint, at, failure, reason });
  }

  #addGapBefore(known: EndpointHistory, at: number, gapSince = ''): void {
    const since = parseTimestamp(gapSince);
    if (since === undefined && !(known.hadEvent && known.heardAt < at)) return;
    known.hadEvent = true;
    // Where a connection does not know of the one before, the recorder was stopped and started again.
    const reason = since === undefined ? 'not recorded' : 'connection lost';
    this.#addGap(known, since ?? known.heardAt, at, known.loss ?? reason);
  }

  #addGap(known: EndpointHistory, since: number, to: number, reason: string, isOutage = true): void {
    const { endpoint = '', openTime } = known;
    const from = Math.max(since, this.start);
    if (!(to >= from)) return;
    openTime.lostSince(since);
    if (isOutage) this.#outages.add({ endpoint, from, to, reason });
    this.gapCount++;
    this.#gapMicros += to - from;
    if (this.gaps.length < MAX_LISTED) this.gaps.push({ endpoint, from, to, reason });
  }
}
