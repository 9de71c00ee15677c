import type { ServedClient } from '../server/stream-source.js';
import { Lane, type Remembrance } from './lane.js';
import type { LaneTable } from './lane-table.js';

/** All lanes of one playback. */
export class LaneGroup {
  readonly #table: LaneTable;
  readonly #lanes: Lane[] = [];
  /** What lanes keep that are not there yet. */
  #remembrance: Remembrance | undefined;
  #clients = 0;

  constructor(table: LaneTable) {
    this.#table = table;
  }

  /** How many clients there are on all lanes. */
  get clients(): number {
    return this.#clients;
  }

  /** The lane with that number in the table. */
  at(index: number): Lane {
    let lane = this.#lanes[index];
    if (lane === undefined) {
      lane = new Lane();
      if (this.#remembrance !== undefined) lane.remember(this.#remembrance);
      this.#lanes[index] = lane;
    }
    return lane;
  }

  of(client: ServedClient): Lane {
    return this.at(this.#table.indexOf(client.endpoint));
  }

  /** Every lane keeps what is sent from now on, those too whose endpoint comes later in the recording. */
  remember(remembrance: Remembrance): void {
    this.#remembrance = remembrance;
    for (const lane of this.#lanes) lane?.remember(remembrance);
  }

  /** Whether every client has taken everything, and nothing is kept for others. */
  get areIdle(): boolean {
    for (const lane of this.#lanes) if (lane !== undefined && !lane.isIdle) return false;
    return true;
  }

  /** Every client. */
  *members(): Generator<ServedClient> {
    for (const lane of this.#lanes) if (lane !== undefined) yield* lane.clients;
  }

  join(client: ServedClient, now: number): void {
    this.#clients++;
    this.of(client).join(client, now);
  }

  leave(client: ServedClient): void {
    this.#clients--;
    this.of(client).leave(client);
  }

  /** Up to when clients may come back for what they have missed; 0 when there is nothing. */
  get expectsUntil(): number {
    let until = 0;
    // There are no lanes of endpoints that neither came nor were asked for.
    for (const lane of this.#lanes) until = Math.max(until, lane?.expectsUntil ?? 0);
    return until;
  }

  /** Forgets what is kept, and tells of each lane how many events nobody got. */
  *takeUnseen(): Generator<{ lane: number; events: number }> {
    for (const [index, lane] of this.#lanes.entries()) {
      if (lane === undefined) continue;
      lane.forget();
      yield { lane: index, events: lane.takeUnseen() };
    }
  }

  /** Resolves when every client has taken everything or is gone. */
  async drained(): Promise<void> {
    await Promise.all([...this.members()].map((client) => client.drained()));
  }
}
