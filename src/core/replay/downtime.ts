/** How an attempt is turned away. `unreachable`: nothing listened. */
export type RefusalManner =
  | { kind: 'status'; status: number }
  | { kind: 'unreachable' }
  | { kind: 'reset' }
  | { kind: 'drop' }
  | { kind: 'silence' };

/** A time in which nothing listens, in microseconds of the schedule. */
export interface Downtime {
  from: number;
  /** Infinite until the recording has told it. */
  to: number;
}

/** So long a client that is early for a recorded success is held; far below the time limits of clients. */
export const HOLD_MS = 5000;
/**
 * So late a client may be and still count as on time: a refusal is acted out for so long after the next attempt was
 * due. It is above the noise of timers and below the first wait of any client.
 */
export const SLACK_MS = 250;
/**
 * So long after its end a connection that nobody came for is still acted out, unless the recorded client had come again
 * by then: waits are drawn by chance, and a short connection shall not be missed for another draw.
 */
export const CATCH_UP_MS = 5000;
/** In a millisecond. */
export const MICROSECONDS = 1000;

/** An attempt that was answered: by a server, or by nobody. */
interface Answer {
  from: number;
  at: number;
}

/**
 * Finds when nothing listened: around attempts that met "connection refused", on whatever endpoint. Such a time begins
 * with the last loss of a connection before them, and ends between the last of them and the next attempt that was
 * answered. The first attempt of all begins it, because a server has to see that to know that anybody is there.
 * Connections that are open stay open: that something is connected does not say that anything listens.
 *
 * It is told what happened in the order of the recording, and remembers no more of that than it needs.
 */
export class DowntimeFinder {
  /** The last attempt that a server has answered, and the last loss of a connection after it. */
  #answered: Answer | undefined;
  #lost: { openedAt: number; at: number } | undefined;
  #lastRefusal: Answer | undefined;
  /** The downtime that goes on where the recording has been read to. */
  #running: Downtime | undefined;
  #found: Downtime[] = [];

  /** The next downtime; `undefined` when the recording has told of none, or not yet. */
  get next(): Downtime | undefined {
    return this.#found[0];
  }

  /** That downtime is over. */
  pass(): void {
    this.#found.shift();
  }

  /**
   * An attempt met somebody.
   *
   * @param isAnswer Whether a server has said something: let it in, or refused it with a status.
   */
  answered(from: number, at: number, isAnswer: boolean): void {
    if (this.#running !== undefined && this.#lastRefusal !== undefined) {
      const wasUnderWay = from < this.#lastRefusal.at;
      // While it waited, another one met nobody; only an answer tells that somebody is there again.
      if (wasUnderWay && !isAnswer) return;
      this.#running.to = wasUnderWay ? at : endOf(this.#lastRefusal, from);
    }
    this.#answered = { from, at };
    this.#lost = undefined;
    this.#lastRefusal = undefined;
    this.#running = undefined;
  }

  /** @returns The downtime in which the attempt met nobody. */
  refused(from: number, at: number): Downtime {
    this.#lastRefusal = { from, at };
    if (this.#running === undefined) {
      this.#running = { from: this.#startBefore(from, at), to: Number.POSITIVE_INFINITY };
      this.#found.push(this.#running);
    }
    return this.#running;
  }

  /** A connection that had been open since then was lost. */
  lost(openedAt: number, at: number): void {
    this.#lost = { openedAt, at };
  }

  /** The recording is over, at that due time; what comes is another pass. */
  end(due: number): void {
    if (this.#running !== undefined) this.#running.to = due + SLACK_MS * MICROSECONDS;
    this.#answered = undefined;
    this.#lost = undefined;
    this.#lastRefusal = undefined;
    this.#running = undefined;
  }

  #startBefore(from: number, at: number): number {
    const lost = this.#lost;
    if (this.#answered === undefined) return at;
    if (lost === undefined) return (this.#answered.at + from) / 2;
    // Who comes a little late for a connection that was over at once shall still meet it.
    const isBrief = lost.at - lost.openedAt < SLACK_MS * MICROSECONDS;
    const pause = Math.min(SLACK_MS * MICROSECONDS, 0.75 * (from - lost.at));
    return isBrief ? lost.at + pause : lost.at;
  }
}

function endOf(lastRefusal: Answer, nextFrom: number): number {
  return Math.max((lastRefusal.at + nextFrom) / 2, nextFrom - HOLD_MS * MICROSECONDS);
}
