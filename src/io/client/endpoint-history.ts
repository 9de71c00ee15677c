import type { Failure } from '../../core/failure/failure.js';
import { describeEnd } from '../../core/failure/give-up.js';
import type { ConnectionEvent } from '../../core/recording/connection-event.js';
import { formatTimestamp } from '../../core/recording/timestamp.js';
import { OpenTime } from '../../core/statistics/outages.js';
import { type Clock, elapsedMs, type Instant, instantOf, Stamper } from '../clock.js';

/** Told what happens to the connections of one endpoint. */
interface HistoryHandler {
  /** Told each event as it happens, with its timestamp. */
  onEvent(event: ConnectionEvent, receivedAt: string, silentMs?: number): void;
  /**
   * Told each time in which events may have been missed, in microseconds since 1970; parts of it may come before it.
   *
   * @param outForGood Why the endpoint is out for good: it never opened, or was given up.
   */
  onGap(fromMicros: number, toMicros: number, outForGood?: string): void;
}

/** The wall clock and the gap differ by more than this only when the clock has been set meanwhile. */
const CLOCK_SET_MICROS = 1_000_000;
/** Bytes that come this long after a standstill were not waiting in this machine. */
const STALE_BYTES_MS = 2500;

/** The past of one endpoint's connections: the times of its lines, its connection events, its gaps. */
export class EndpointHistory {
  /** Times in which events may have been missed. Only the total is kept: a connection may break for years. */
  readonly gaps = { count: 0, totalMs: 0 };
  /** When the last byte of an open connection came, in microseconds since 1970; 0 before there was any. */
  lastByteAtMicros = 0;
  /** A connection was open and not closed at once for its token. */
  everOpen = false;
  readonly #openTime = new OpenTime();
  #endMicros: number | undefined;
  #stamper: Stamper;
  /** The last byte on all clocks. */
  #lastByteAt: Instant;
  /**
   * The last byte before this process stood still. Bytes that the kernel kept meanwhile may be from any time of the standstill,
   * and if the connection turns out to be lost, the rest is missing from here on.
   */
  #beforeStandstill: { stampMicros: number; at: Instant; wokeAtMs: number } | undefined;
  /** An event came: only then something can be missed. */
  #hadEvent = false;
  /** A connection that was open has gone, and none has opened since. */
  #isLost = false;
  #isGivenUp = false;
  /** An attempt runs, or the next one is waited for; a connection that was asked to end has ended. */
  #isWanted = false;

  constructor(
    private readonly clock: Clock,
    private readonly handler: HistoryHandler,
  ) {
    this.#stamper = new Stamper(clock);
    this.#lastByteAt = instantOf(clock);
  }

  /** Begins another attempt: from here on times never run backwards. */
  begin(): void {
    this.#stamper = new Stamper(this.clock);
    this.#openTime.begin(this.#stamper.stampMicros());
  }

  /** The share of the time since the first attempt in which it was open, 0 to 1. */
  get coverage(): number {
    return this.#openTime.share(this.#endMicros ?? this.#stamper.stampMicros()) ?? 0;
  }

  connecting(attempt: Omit<ConnectionEvent & { state: 'connecting' }, 'state'>): void {
    this.#isWanted = true;
    this.#add({ state: 'connecting', ...attempt });
  }

  opened(): void {
    const nowMicros = this.#stamper.stampMicros();
    const gapSince = this.#endGap(nowMicros);
    this.#openTime.open(nowMicros);
    this.#lastByteAt = instantOf(this.clock);
    this.lastByteAtMicros = nowMicros;
    this.#beforeStandstill = undefined;
    this.#isLost = false;
    this.#add({ state: 'open', ...gapSince }, nowMicros);
  }

  /** Notes that bytes came: one look at the clock for all messages that came at once. */
  received(): void {
    const nowMs = this.clock.monotonicMs();
    const before = this.#beforeStandstill;
    if (before !== undefined && nowMs - before.wokeAtMs > STALE_BYTES_MS) this.proved();
    // A machine that was suspended since then has been noticed as a standstill.
    this.#lastByteAt.monotonicMs = nowMs;
    this.lastByteAtMicros = this.#stamper.stampMicros();
  }

  /** Takes note that this process or machine stood still and has just woken; called before the bytes are noted. */
  stoodStill(): void {
    const now = instantOf(this.clock);
    const before = { stampMicros: this.lastByteAtMicros, at: this.#lastByteAt };
    this.#beforeStandstill = { ...(this.#beforeStandstill ?? before), wokeAtMs: now.monotonicMs };
    this.#lastByteAt = { ...before.at, suspendedMs: now.suspendedMs };
  }

  /** Takes note that the connection has outlived the standstill: nothing is missing. */
  proved(): void {
    this.#beforeStandstill = undefined;
  }

  /** Ends the life of a connection. @param isRefusal The server opened it only to reject the token. */
  over({ events, isRefusal }: { events: number; isRefusal: boolean }): void {
    if (events > 0) this.#hadEvent = true;
    if (!isRefusal) this.everOpen = true;
  }

  /** Takes note that the connection, if there was one, has ended though its end was not requested. */
  lost(): void {
    this.#isLost = this.#hadEvent;
  }

  /** @param waitMs Time until the next attempt; `undefined` when there is none. */
  ended({ event }: Failure, waitMs: number | undefined): void {
    this.#isWanted = waitMs !== undefined;
    const silentMs =
      event.state === 'closed' ? this.clock.monotonicMs() - this.#lastByteAt.monotonicMs : undefined;
    const lost = event.state === 'closed' && this.#isLost ? { lost: true as const } : {};
    const ended = { ...event, ...lost, ...(waitMs === undefined ? {} : { retry_in_ms: waitMs }) };
    const nowMicros = this.#stamper.stampMicros();
    this.#openTime.close(nowMicros);
    this.handler.onEvent(ended, formatTimestamp(nowMicros), silentMs);
  }

  /** No further attempt comes. */
  gaveUp({ kind, event }: Failure): void {
    const nowMicros = this.#stamper.stampMicros();
    const gapSince = this.#endGap(nowMicros);
    this.#isGivenUp = true;
    this.#add({ state: 'given_up', failure: kind, reason: describeEnd(event), ...gapSince }, nowMicros);
  }

  /** Ends the history, at the end of the stream: what is missing then has been missing up to now. */
  finish(): void {
    const nowMicros = this.#stamper.stampMicros();
    this.#endMicros = nowMicros;
    const gapSince = this.#endGap(nowMicros);
    // Without this line, a recording would not tell how long the outage at its end was.
    if (this.#isWanted) this.#add({ state: 'stopped', ...gapSince }, nowMicros);
    if (!this.everOpen) this.handler.onGap(this.#openTime.since, nowMicros, 'never open');
    else if (this.#isGivenUp) this.handler.onGap(this.lastByteAtMicros, nowMicros, 'given up');
  }

  /**
   * Counts the gap up to now, if there is one. Its length is measured on clocks that cannot be set; its start is the time
   * of the last byte, or what that would be on a wall clock that has been set meanwhile.
   */
  #endGap(nowMicros: number): { gap_since?: string } {
    if (!this.#isLost) return {};
    this.#isLost = false;
    const { stampMicros, at } = this.#beforeStandstill ?? {
      stampMicros: this.lastByteAtMicros,
      at: this.#lastByteAt,
    };
    const lengthMs = elapsedMs(at, instantOf(this.clock));
    const measuredMicros = nowMicros - Math.round(lengthMs * 1000);
    const isSet = Math.abs(measuredMicros - stampMicros) > CLOCK_SET_MICROS;
    const sinceMicros = isSet ? measuredMicros : stampMicros;
    this.gaps.count++;
    this.gaps.totalMs += (nowMicros - sinceMicros) / 1000;
    this.#openTime.lostSince(sinceMicros);
    this.handler.onGap(sinceMicros, nowMicros);
    return { gap_since: formatTimestamp(sinceMicros) };
  }

  #add(event: ConnectionEvent, atMicros = this.#stamper.stampMicros()): void {
    this.handler.onEvent(event, formatTimestamp(atMicros));
  }
}
