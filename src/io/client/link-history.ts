import type { ConnectionEvent } from '../../core/recording/connection-event.js';
import { formatTimestamp } from '../../core/recording/timestamp.js';
import type { ConnectionEnd } from '../../core/retry.js';
import { type Clock, Stamper } from '../clock.js';

/** Times in which events may have been missed. */
export interface GapTotals {
  count: number;
  totalMs: number;
}

/** What happens on the connections of one endpoint, and when: the times of its lines, its lifecycle, its gaps. */
export class LinkHistory {
  /** Only their total is kept: a link may break for years. */
  readonly gaps: GapTotals = { count: 0, totalMs: 0 };
  /** When the last byte of a connection that was open came, in microseconds since 1970; 0 before there was any. */
  lastByte = 0;
  readonly #clock: Clock;
  readonly #tell: (connection: ConnectionEvent, receivedAt: string) => void;
  #stamper: Stamper;
  /** Whether a connection that was open is gone, and no other one has come since. */
  #isLost = false;
  /** Whether no connection was open before the latest. */
  #isFirst = true;

  /** @param tell Told each thing as it happens, with its timestamp. */
  constructor(clock: Clock, tell: (connection: ConnectionEvent, receivedAt: string) => void) {
    this.#clock = clock;
    this.#tell = tell;
    this.#stamper = new Stamper(clock);
  }

  /** Another attempt begins: from here on times never run backwards. */
  begin(): void {
    this.#stamper = new Stamper(this.#clock);
  }

  connecting(attempt: Omit<ConnectionEvent & { state: 'connecting' }, 'state'>): void {
    this.#add({ state: 'connecting', ...attempt });
  }

  opened(): void {
    const now = this.#stamper.stampMicros();
    const before = this.lastByte;
    this.#isFirst = before === 0;
    this.lastByte = now;
    this.#isLost = false;
    if (before === 0) {
      this.#add({ state: 'open' }, now);
      return;
    }
    this.#addGap(before, now);
    this.#add({ state: 'open', gap_since: formatTimestamp(before) }, now);
  }

  /** The connection that is gone was refused for its token. Before the first that is not, nothing can be missed. */
  turnedAway(): void {
    if (!this.#isFirst) return;
    this.lastByte = 0;
  }

  /** Something came; one look at the clock for all messages that came at once. */
  received(): void {
    this.lastByte = this.#stamper.stampMicros();
  }

  /** @param waitMs Time until the next attempt; `undefined` when there is none. */
  ended(end: ConnectionEnd, waitMs: number | undefined): void {
    const retry = waitMs === undefined ? {} : { retry_in_ms: waitMs };
    if (end.kind === 'closed') {
      this.#add({ state: 'closed', code: end.code, reason: end.reason, ...retry });
    } else if (end.kind === 'refused') {
      const detail = end.detail === undefined ? {} : { error: end.detail };
      this.#add({ state: 'refused', status: end.status, ...detail, ...retry });
    } else {
      this.#add({ state: 'refused', error: end.error, ...retry });
    }
  }

  /** The connection, if there was one, has gone without anybody having asked for that. */
  lost(): void {
    this.#isLost = this.lastByte > 0;
  }

  /** No further attempt comes. A gap that nothing came after is one all the same. */
  finish(): void {
    if (this.#isLost) this.#addGap(this.lastByte, this.#stamper.stampMicros());
    this.#isLost = false;
  }

  /** The wall clock may have been set back in between; no gap is shorter than nothing. */
  #addGap(from: number, to: number): void {
    this.gaps.count++;
    this.gaps.totalMs += Math.max(0, to - from) / 1000;
  }

  #add(connection: ConnectionEvent, stamp = this.#stamper.stampMicros()): void {
    this.#tell(connection, formatTimestamp(stamp));
  }
}
