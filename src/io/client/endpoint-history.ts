import type { Failure } from '../../core/failure/failure.js';
import type { ConnectionEvent } from '../../core/recording/connection-event.js';
import { formatTimestamp } from '../../core/recording/timestamp.js';
import { type Clock, Stamper } from '../clock.js';

/** Times in which events may have been missed. */
export interface GapTotals {
  count: number;
  totalMs: number;
}

/** The past of one endpoint's connections: the times of its lines, its connection events, its gaps. */
export class EndpointHistory {
  /** Only the total is kept: a connection may break for years. */
  readonly gaps: GapTotals = { count: 0, totalMs: 0 };
  /** When the last byte of an open connection came, in microseconds since 1970; 0 before there was any. */
  lastByteAtMicros = 0;
  readonly #clock: Clock;
  readonly #report: (event: ConnectionEvent, receivedAt: string) => void;
  #stamper: Stamper;
  /** A connection that was open has gone, and none has opened since. */
  #isLost = false;
  /** No connection was open before the latest. */
  #isFirst = true;

  /** @param report Told each event as it happens, with its timestamp. */
  constructor(clock: Clock, report: (event: ConnectionEvent, receivedAt: string) => void) {
    this.#clock = clock;
    this.#report = report;
    this.#stamper = new Stamper(clock);
  }

  /** Begins another attempt: from here on times never run backwards. */
  begin(): void {
    this.#stamper = new Stamper(this.#clock);
  }

  connecting(attempt: Omit<ConnectionEvent & { state: 'connecting' }, 'state'>): void {
    this.#add({ state: 'connecting', ...attempt });
  }

  opened(): void {
    const nowMicros = this.#stamper.stampMicros();
    const beforeMicros = this.lastByteAtMicros;
    this.#isFirst = beforeMicros === 0;
    this.lastByteAtMicros = nowMicros;
    this.#isLost = false;
    if (this.#isFirst) {
      this.#add({ state: 'open' }, nowMicros);
      return;
    }
    this.#addGap(beforeMicros, nowMicros);
    this.#add({ state: 'open', gap_since: formatTimestamp(beforeMicros) }, nowMicros);
  }

  /** Takes note that bytes came: one look at the clock for all messages that came at once. */
  received(): void {
    this.lastByteAtMicros = this.#stamper.stampMicros();
  }

  /** Forgets a connection that was opened and refused. Before the first that was accepted, nothing can be missed. */
  refused(): void {
    if (this.#isFirst) this.lastByteAtMicros = 0;
  }

  /** Takes note that the connection, if there was one, has gone though nobody asked for that. */
  lost(): void {
    this.#isLost = this.lastByteAtMicros > 0;
  }

  /** @param waitMs Time until the next attempt; `undefined` when there is none. */
  ended({ event }: Failure, waitMs: number | undefined): void {
    this.#add({ ...event, ...(waitMs === undefined ? {} : { retry_in_ms: waitMs }) });
  }

  /** Ends the history: no further attempt comes. A gap that nothing came after is one all the same. */
  finish(): void {
    if (this.#isLost) this.#addGap(this.lastByteAtMicros, this.#stamper.stampMicros());
    this.#isLost = false;
  }

  /** The wall clock may have been set back in between; no gap is shorter than nothing. */
  #addGap(fromMicros: number, toMicros: number): void {
    this.gaps.count++;
    this.gaps.totalMs += Math.max(0, toMicros - fromMicros) / 1000;
  }

  #add(event: ConnectionEvent, atMicros = this.#stamper.stampMicros()): void {
    this.#report(event, formatTimestamp(atMicros));
  }
}
