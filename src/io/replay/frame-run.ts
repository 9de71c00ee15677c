import type { ConnectionEvent } from '../../core/recording/connection-event.js';
import type { LineView } from '../../core/recording/line-view.js';
import type { Pace } from '../../core/replay/pace.js';
import type { LineCollector } from '../recording/read-recording.js';
import { FrameMemory } from './frame-memory.js';
import type { LaneTable } from './lane-table.js';

/** Something that happened to a connection, at its place among the frames. */
export interface LifecycleStep {
  lane: number;
  connection: ConnectionEvent;
}

/**
 * A run of lines of a recording as frames, ready to be sent: for each lane (endpoint) one block of whole frames, which
 * all clients share. Line `i` belongs to lane `lanes[i]`; its frame ends at `ends[i]` in the block of that lane.
 */
export interface FrameRun {
  readonly count: number;
  /** When each line is due: microseconds of the schedule. */
  readonly due: Float64Array;
  readonly lanes: Uint16Array;
  readonly ends: Uint32Array;
  /** By lane; lanes that have nothing in this run, or that nobody wants, have no block. */
  readonly blocks: readonly (Buffer | undefined)[];
  /** By lane: how many frames its block has. */
  readonly events: readonly (number | undefined)[];
  /** By line. Such a line has no frame. */
  readonly lifecycle: ReadonlyMap<number, LifecycleStep>;
  /** Gives the memory back for another run. Optional: call it only when nobody will look at the blocks again. */
  release(): void;
}

/** What a builder of runs takes. */
export interface FrameRunOptions {
  lanes: LaneTable;
  pace: Pace;
  /** Bytes of a run, about. */
  runBytes: number;
  /** Whether each line needs its own due time; else all lines of a run have that of its first one. */
  timed: boolean;
  /** Whether what happened to connections is wanted, too. */
  lifecycle: boolean;
  /** Whether frames of that lane are wanted. Default: of all. */
  wants?: ((lane: number) => boolean) | undefined;
}

/** No line of ours is shorter; runs of lines that are have fewer bytes. */
const SHORTEST_LINE = 64;
/** More runs than that are never under way. */
const MOST_SPARE_RUNS = 8;

/** Makes frames of lines as they are read. */
export class FrameRunBuilder implements LineCollector<FrameRun> {
  readonly #options: FrameRunOptions;
  /** Runs that were given back: new memory for each would cost as much as all else. */
  readonly #spare: Draft[] = [];
  #run: Draft;
  /** The endpoint that was asked for last, and its lane. */
  #endpoint: string | undefined;
  #lane: number;

  constructor(options: FrameRunOptions) {
    this.#options = options;
    this.#lane = options.lanes.indexOf(undefined);
    this.#run = this.#newRun();
  }

  get isEmpty(): boolean {
    return this.#run.count === 0;
  }

  hasRoomFor(line: LineView): boolean {
    const { count, memory } = this.#run;
    return count === 0 || (count < this.#mostLines && memory.hasRoomFor(line));
  }

  add(line: LineView): void {
    const { timed, lifecycle, wants } = this.#options;
    const run = this.#run;
    const connection = line.kind === 'connection' ? line.connection : undefined;
    if (connection !== undefined && !lifecycle) return;
    const lane = this.#laneOf(line);
    const i = run.count++;
    run.due[i] = timed || i === 0 ? this.#dueOf(line) : (run.due[0] as number);
    run.lanes[i] = lane;
    if (connection !== undefined) run.lifecycle.set(i, { lane, connection });
    const isFrame = connection === undefined && (wants === undefined || wants(lane));
    run.ends[i] = isFrame ? run.memory.add(i, line, lane) : run.memory.lengthOf(lane);
  }

  get #mostLines(): number {
    return Math.ceil(this.#options.runBytes / SHORTEST_LINE);
  }

  settle(): void {
    this.#run.memory.settle();
  }

  take(): FrameRun {
    const run = this.#run;
    run.blocks = run.memory.layOut(run.count, run.lanes);
    this.#run = this.#newRun();
    return run;
  }

  #newRun(): Draft {
    const { runBytes } = this.#options;
    return this.#spare.pop() ?? new Draft(runBytes, this.#mostLines, (run) => this.#takeBack(run));
  }

  #takeBack(run: Draft): void {
    run.clear();
    if (this.#spare.length < MOST_SPARE_RUNS) this.#spare.push(run);
  }

  #laneOf(line: LineView): number {
    if (line.endpoint !== this.#endpoint) {
      this.#endpoint = line.endpoint;
      this.#lane = this.#options.lanes.indexOf(line.endpoint);
    }
    return this.#lane;
  }

  #dueOf(line: LineView): number {
    const { receivedAt } = line;
    return this.#options.pace.next(Number.isNaN(receivedAt) ? undefined : receivedAt);
  }
}

/** A run that is being built, and built again when it was given back. */
class Draft implements FrameRun {
  count = 0;
  readonly due: Float64Array;
  readonly lanes: Uint16Array;
  readonly ends: Uint32Array;
  readonly memory: FrameMemory;
  readonly lifecycle = new Map<number, LifecycleStep>();
  blocks: readonly (Buffer | undefined)[] = [];
  readonly #takeBack: (run: Draft) => void;

  constructor(bytes: number, mostLines: number, takeBack: (run: Draft) => void) {
    this.due = new Float64Array(mostLines);
    this.lanes = new Uint16Array(mostLines);
    this.ends = new Uint32Array(mostLines);
    this.memory = new FrameMemory(bytes, mostLines);
    this.#takeBack = takeBack;
  }

  get events(): readonly (number | undefined)[] {
    return this.memory.events;
  }

  clear(): void {
    this.count = 0;
    this.blocks = [];
    this.lifecycle.clear();
    this.memory.clear();
  }

  release(): void {
    this.#takeBack(this);
  }
}
