import type { Failure } from '../../core/failure/failure.js';
import { describeEnd } from '../../core/failure/give-up.js';
import type { ConnectionEvent } from '../../core/recording/connection-event.js';
import { formatTimestamp } from '../../core/recording/timestamp.js';
import { type Clock, elapsedMs, type Instant, instantOf, Stamper } from '../clock.js';

/** Told each event of a connection as it happens. @param silentMs How long nothing had come before an end. */
type OnEvent = (event: ConnectionEvent, atMicros: number, silentMs?: number) => void;

/** The wall clock and the gap differ by more than this only when the clock has been set meanwhile. */
const CLOCK_SET_MICROS = 1_000_000;
/** Bytes that come this long after a standstill were not waiting in this machine. */
const STALE_BYTES_MS = 2500;

/** Writes what happens to the connections of one endpoint: gives each event its time, and finds since when events may be missing. */
export class ConnectionLog {
  /** When the last byte of an open connection came, in microseconds since 1970; 0 before there was any. */
  lastByteAtMicros = 0;
  #stamper: Stamper;
  /** The last byte on all clocks. */
  #lastByteAt: Instant;
  /**
   * The last byte before this process stood still. Bytes that the kernel kept meanwhile may be from any time of the standstill,
   * and if the connection turns out to be lost, the rest is missing from here on.
   */
  #beforeStandstill: { stampMicros: number; at: Instant; wokeAtMs: number } | undefined;
  /** A connection that was open has gone, and none has opened since. */
  #isLost = false;
  /** An attempt runs, or the next one is waited for; a connection that was asked to end has ended. */
  #isWanted = false;

  constructor(
    private readonly clock: Clock,
    private readonly onEvent: OnEvent,
  ) {
    this.#stamper = new Stamper(clock);
    this.#lastByteAt = instantOf(clock);
  }

  /** Begins another attempt: from here on times never run backwards. */
  begin(): void {
    this.#stamper = new Stamper(this.clock);
  }

  /** Now, as the lines of this endpoint state it: microseconds since 1970. */
  get nowMicros(): number {
    return this.#stamper.stampMicros();
  }

  connecting(attempt: Omit<ConnectionEvent & { state: 'connecting' }, 'state'>): void {
    this.#isWanted = true;
    this.onEvent({ state: 'connecting', ...attempt }, this.nowMicros);
  }

  opened(): void {
    const { nowMicros } = this;
    const gapSince = this.#endGap(nowMicros);
    this.#lastByteAt = instantOf(this.clock);
    this.lastByteAtMicros = nowMicros;
    this.#beforeStandstill = undefined;
    this.onEvent({ state: 'open', ...gapSince }, nowMicros);
  }

  /** Notes that bytes came: one look at the clock for all messages that came at once. */
  received(): void {
    const nowMs = this.clock.monotonicMs();
    const before = this.#beforeStandstill;
    if (before !== undefined && nowMs - before.wokeAtMs > STALE_BYTES_MS) this.proved();
    // A machine that was suspended since then has been noticed as a standstill.
    this.#lastByteAt.monotonicMs = nowMs;
    this.lastByteAtMicros = this.nowMicros;
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

  /**
   * Notes the end of a connection or of an attempt.
   *
   * @param isLost Events may be missing from then on. @param waitMs Time until the next attempt; `undefined` when there is none.
   */
  ended({ event }: Failure, isLost: boolean, waitMs: number | undefined, atMicros = this.nowMicros): void {
    this.#isLost = isLost;
    this.#isWanted = waitMs !== undefined;
    const isClose = event.state === 'closed';
    const silentMs = isClose ? this.clock.monotonicMs() - this.#lastByteAt.monotonicMs : undefined;
    const lost = isClose && isLost ? { lost: true as const } : {};
    const wait = waitMs === undefined ? {} : { retry_in_ms: waitMs };
    this.onEvent({ ...event, ...lost, ...wait }, atMicros, silentMs);
  }

  /** No further attempt comes. */
  gaveUp({ kind, event }: Failure): void {
    const { nowMicros } = this;
    const gapSince = this.#endGap(nowMicros);
    this.onEvent({ state: 'given_up', failure: kind, reason: describeEnd(event), ...gapSince }, nowMicros);
  }

  /**
   * Notes the end of the stream: without this line, a recording would not tell how long the outage at its end was.
   *
   * @returns The time of the end.
   */
  finish(): number {
    const { nowMicros } = this;
    if (this.#isWanted) this.onEvent({ state: 'stopped', ...this.#endGap(nowMicros) }, nowMicros);
    return nowMicros;
  }

  /**
   * Returns since when events are missing, if they are, and begins anew. The length of a gap is measured on clocks that
   * cannot be set; its start is the time of the last byte, or what that would be on a wall clock that has been set meanwhile.
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
    return { gap_since: formatTimestamp(isSet ? measuredMicros : stampMicros) };
  }
}
