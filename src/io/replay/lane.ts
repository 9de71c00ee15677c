import { CloseCode, canBeSent } from '../../core/close-code.js';
import type { ServedClient } from '../server/stream-source.js';

/** How much of a beginning is kept for who comes a little later. */
const LARGEST_HISTORY_BYTES = 4 * 1024 * 1024;
/** What a client has not taken by then, when its connection is to be cut, it never gets. */
const CUT_PATIENCE_MS = 1000;

/** What a lane keeps of its beginning. */
export interface Remembrance {
  /** Who joins up to this time, in milliseconds of the monotonic clock, gets all of it. */
  until: number;
  /** Whether it is for the first client only. */
  firstOnly: boolean;
}

/** A connection that has ended before anybody came for it. */
interface Missed {
  until: number;
  code: number;
  reason: string;
}

/** The clients of one endpoint in one playback, and what a client that comes late still gets. */
export class Lane {
  readonly clients = new Set<ServedClient>();
  /** Clients that were sent a close frame and may still be taking what was sent before it. */
  readonly #ending = new Set<ServedClient>();
  #remembrance: Remembrance | undefined;
  #history: { frames: Buffer; events: number }[] = [];
  #historyBytes = 0;
  /** Events that nobody got, and that nobody can get any more. */
  #unseen = 0;
  /** Events that nobody has got so far, and that are kept for a client that comes late. */
  #keptUnseen = 0;
  /** Whether anybody was there since the beginning that is remembered. */
  #attended = false;
  #missed: Missed | undefined;
  /** Whether there has ever been a client. */
  #isVisited = false;

  /** Whether its clients have taken everything, and nothing is kept for others. */
  get isIdle(): boolean {
    return this.#history.length === 0 && haveTakenAll(this.clients) && haveTakenAll(this.#ending);
  }

  /** Up to when a client that has been here may come back for what it has missed; 0 when there is nothing. */
  get expectsUntil(): number {
    return this.#isVisited && this.#missed !== undefined ? this.#missed.until : 0;
  }

  /** Keeps what is sent from now on for clients that join a little later. */
  remember(remembrance: Remembrance): void {
    this.forget();
    this.#remembrance = remembrance;
    this.#attended = this.clients.size > 0;
    if (remembrance.firstOnly && this.clients.size > 0) this.forget();
  }

  /** Later clients get what comes later. */
  forget(): void {
    this.#unseen += this.#keptUnseen;
    this.#keptUnseen = 0;
    this.#missed = undefined;
    this.#remembrance = undefined;
    this.#history = [];
    this.#historyBytes = 0;
  }

  /** Events since the last call that nobody got, and that nobody can get any more. */
  takeUnseen(): number {
    const unseen = this.#unseen;
    this.#unseen = 0;
    return unseen;
  }

  send(frames: Buffer, events: number, now: number): void {
    if (this.#remembrance !== undefined) this.#keep(frames, events, now);
    else if (this.clients.size === 0) this.#unseen += events;
    for (const client of this.clients) client.send(frames, events);
  }

  join(client: ServedClient, now: number): void {
    this.#attended = true;
    this.#isVisited = true;
    if (this.#missed !== undefined && now <= this.#missed.until) {
      this.#letMeet(client, this.#missed);
      return;
    }
    if (this.#missed !== undefined) this.forget();
    this.clients.add(client);
    const remembrance = this.#remembrance;
    if (remembrance === undefined) return;
    if (now <= remembrance.until) this.#giveHistory(client);
    if (now > remembrance.until || remembrance.firstOnly) this.forget();
  }

  leave(client: ServedClient): void {
    this.clients.delete(client);
    this.#ending.delete(client);
  }

  /**
   * Ends the connection of every client, as it was recorded.
   *
   * @param until If nobody was there, who joins up to this time gets all of the connection, its end included.
   */
  end(code: number, reason: string, until: number): void {
    if (this.#attended || this.#remembrance === undefined) {
      this.forget();
    } else {
      this.#remembrance = undefined;
      this.#missed = { until, code, reason };
    }
    const clients = [...this.clients];
    this.clients.clear();
    for (const client of clients) this.#endClient(client, code, reason);
  }

  #letMeet(client: ServedClient, { code, reason }: Missed): void {
    this.#giveHistory(client);
    this.forget();
    this.#endClient(client, code, reason);
  }

  #giveHistory(client: ServedClient): void {
    for (const { frames, events } of this.#history) client.send(frames, events);
    this.#keptUnseen = 0;
  }

  /** Resolves when all its clients have taken everything or are gone. */
  async drained(): Promise<void> {
    await Promise.all([...this.clients].map((client) => client.drained()));
  }

  #endClient(client: ServedClient, code: number, reason: string): void {
    this.#ending.add(client);
    if (canBeSent(code) || code === CloseCode.WITHOUT_CODE) client.close(code, reason);
    else void cut(client);
  }

  #keep(frames: Buffer, events: number, now: number): void {
    this.#history.push({ frames, events });
    this.#historyBytes += frames.length;
    if (this.clients.size === 0) this.#keptUnseen += events;
    const { until } = this.#remembrance as Remembrance;
    if (now > until || this.#historyBytes > LARGEST_HISTORY_BYTES) this.forget();
  }
}

function haveTakenAll(clients: Iterable<ServedClient>): boolean {
  for (const { pending } of clients) if (pending > 0) return false;
  return true;
}

/** Cuts a connection without a close frame, behind what was sent: the recorded client had got it. */
async function cut(client: ServedClient): Promise<void> {
  const patience = setTimeout(() => client.destroy(), CUT_PATIENCE_MS);
  await client.drained();
  clearTimeout(patience);
  client.destroy();
}
