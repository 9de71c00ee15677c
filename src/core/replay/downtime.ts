import { MICROS_PER_MS } from './schedule.js';

/** A time in which nothing listens, in microseconds of the schedule. */
export interface Downtime {
  from: number;
  /** Infinite until the lines that tell it have been added. */
  to: number;
}

/** Moves a downtime to another pass of a loop. */
export function laterBy(start: number, { from, to }: Downtime): Downtime {
  return { from: from + start, to: to + start };
}

/** A client that is early for a recorded success is held for this long: far below the time limits of clients. */
export const HOLD_MS = 5000;
/**
 * A client that is this late counts as on time: a refusal is played until this long after the next attempt was due. It
 * is above the noise of timers and below the first wait of any client.
 */
export const SLACK_MS = 250;
/**
 * A connection that no client came for is played for this long after its end, unless the recorded client had come again
 * by then: waits are random, and a client must not miss a short connection for a longer wait.
 */
export const CATCH_UP_MS = 5000;

/**
 * Finds the times in which nothing listened, from attempts that met "connection refused", on any endpoint. A downtime
 * begins with the last loss of a connection before them, and ends between the last of them and the next attempt that
 * was answered. The first attempt of all begins it, because the server must see a client before its clock starts.
 * Open connections stay open: an open connection does not prove that anything listens.
 *
 * Pass what happened in the order of the recording.
 */
export class DowntimeFinder {
  /** Downtimes in order. */
  readonly found: Downtime[] = [];
  /** Time of the last answer of a server, and the last loss of a connection after it. */
  #answeredAt: number | undefined;
  #lost: { openedAt: number; at: number } | undefined;
  /** The last "connection refused" after it, and the downtime whose end is not known yet. */
  #refused: { at: number; downtime: Downtime } | undefined;

  /**
   * Adds an attempt that did not meet "connection refused".
   *
   * @param isAnswer `true` when a server let it in or refused it with a status.
   */
  answered(from: number, at: number, isAnswer: boolean): void {
    if (this.#refused !== undefined) {
      const { at: refusedAt, downtime } = this.#refused;
      const wasUnderWay = from < refusedAt;
      // Another attempt met "connection refused" while this one waited, so only an answer proves that a server is back.
      if (wasUnderWay && !isAnswer) return;
      const between = (refusedAt + from) / 2;
      downtime.to = wasUnderWay ? at : Math.max(between, from - HOLD_MS * MICROS_PER_MS);
    }
    this.#beginAfter(at);
  }

  /** Adds an attempt that met "connection refused". @returns The downtime around it. */
  refused(from: number, at: number): Downtime {
    let downtime = this.#refused?.downtime;
    if (downtime === undefined) {
      downtime = { from: this.#startBefore(from, at), to: Number.POSITIVE_INFINITY };
      this.found.push(downtime);
    }
    this.#refused = { at, downtime };
    return downtime;
  }

  /** Adds the end of a connection. */
  lost(openedAt: number, at: number): void {
    this.#lost = { openedAt, at };
  }

  /** Ends a pass through the recording. @param due Due time of its last line. */
  endPass(due: number): void {
    if (this.#refused !== undefined) this.#refused.downtime.to = due + SLACK_MS * MICROS_PER_MS;
    this.#beginAfter(undefined);
  }

  #beginAfter(answeredAt: number | undefined): void {
    this.#answeredAt = answeredAt;
    this.#lost = undefined;
    this.#refused = undefined;
  }

  #startBefore(from: number, at: number): number {
    const lost = this.#lost;
    if (this.#answeredAt === undefined) return at;
    if (lost === undefined) return (this.#answeredAt + from) / 2;
    // A client that is a little late for a connection that was over at once must still meet it.
    const isBrief = lost.at - lost.openedAt < SLACK_MS * MICROS_PER_MS;
    const pause = Math.min(SLACK_MS * MICROS_PER_MS, 0.75 * (from - lost.at));
    return isBrief ? lost.at + pause : lost.at;
  }
}
