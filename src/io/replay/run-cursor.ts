import type { FrameRun, LifecycleStep } from './frame-run.js';

/** Who gets what a cursor passes. */
export interface RunReceiver {
  /** Frames of one lane that follow each other. The bytes are shared: do not change them. */
  onFrames(lane: number, frames: Buffer, events: number): void;
  onLifecycle(step: LifecycleStep): void;
}

/** Goes through one run. Frames of a lane that are passed at once are handed on in one piece. */
export class RunCursor {
  readonly #run: FrameRun;
  #next = 0;
  /** For each lane, how far its block has been handed on and up to where it has been passed. */
  readonly #sent: Uint32Array;
  readonly #passed: Uint32Array;
  readonly #events: Uint32Array;
  /** Lanes of which something has been passed and not handed on. */
  #touched: number[] = [];

  constructor(run: FrameRun) {
    this.#run = run;
    const lanes = run.blocks.length;
    this.#sent = new Uint32Array(lanes);
    this.#passed = new Uint32Array(lanes);
    this.#events = new Uint32Array(lanes);
  }

  /** When the next line is due, in microseconds of the schedule; infinite when none is left. */
  get due(): number {
    return this.#next < this.#run.count ? (this.#run.due[this.#next] as number) : Number.POSITIVE_INFINITY;
  }

  /**
   * Passes all lines that are due at a position.
   *
   * @param most At most so many. @returns How many.
   */
  pass(position: number, receiver: RunReceiver, most = Number.POSITIVE_INFINITY): number {
    const { due, lanes, ends, blocks, lifecycle, count } = this.#run;
    const first = this.#next;
    let next = first;
    while (next < count && (due[next] as number) <= position && next - first < most) {
      const lane = lanes[next] as number;
      const step = lifecycle.size === 0 ? undefined : lifecycle.get(next);
      if (step !== undefined) {
        this.#handOn(receiver);
        receiver.onLifecycle(step);
      } else if (blocks[lane] !== undefined) {
        if (this.#events[lane] === 0) this.#touched.push(lane);
        (this.#events[lane] as number)++;
        this.#passed[lane] = ends[next] as number;
      }
      next++;
    }
    this.#next = next;
    this.#handOn(receiver);
    return next - first;
  }

  /** Passes the whole run, when nothing of it has been passed. */
  passAll(receiver: RunReceiver): void {
    const { blocks, events, lifecycle, count } = this.#run;
    if (this.#next > 0 || lifecycle.size > 0) {
      this.pass(Number.POSITIVE_INFINITY, receiver);
      return;
    }
    this.#next = count;
    for (const [lane, block] of blocks.entries()) {
      if (block !== undefined) receiver.onFrames(lane, block, events[lane] ?? 0);
    }
  }

  #handOn(receiver: RunReceiver): void {
    for (const lane of this.#touched) {
      const frames = (this.#run.blocks[lane] as Buffer).subarray(this.#sent[lane], this.#passed[lane]);
      receiver.onFrames(lane, frames, this.#events[lane] as number);
      this.#sent[lane] = this.#passed[lane] as number;
      this.#events[lane] = 0;
    }
    if (this.#touched.length > 0) this.#touched = [];
  }
}
