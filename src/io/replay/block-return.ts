import type { FrameRun } from './frame-run.js';
import type { LaneGroup } from './lane-group.js';

interface SentRun {
  run: FrameRun;
  /** By lane: bytes that had been sent when this run had been. */
  marks: number[];
}

/**
 * Gives the memory of runs back once every client has taken them. Sockets take what they are given in order, so a run
 * has been taken when no client has more pending than was sent after it.
 */
export class BlockReturn {
  readonly #lanes: LaneGroup;
  /** By lane: bytes sent to each of its clients. */
  readonly #sent: number[] = [];
  readonly #underWay: SentRun[] = [];

  constructor(lanes: LaneGroup) {
    this.#lanes = lanes;
  }

  /** The run has been sent, all of it. */
  add(run: FrameRun): void {
    for (const [lane, block] of run.blocks.entries()) {
      if (block !== undefined) this.#sent[lane] = (this.#sent[lane] ?? 0) + block.length;
    }
    this.#underWay.push({ run, marks: [...this.#sent] });
  }

  /** Gives back what has been taken. */
  collect(): void {
    if (this.#underWay.length === 0) return;
    const taken = this.#sent.map((bytes = 0, lane) => bytes - this.#mostPending(lane));
    for (;;) {
      const first = this.#underWay[0];
      if (first === undefined || first.marks.some((mark = 0, lane) => mark > (taken[lane] ?? 0))) return;
      this.#underWay.shift();
      first.run.release();
    }
  }

  #mostPending(lane: number): number {
    let most = 0;
    for (const { pending } of this.#lanes.at(lane).clients) if (pending > most) most = pending;
    return most;
  }
}
