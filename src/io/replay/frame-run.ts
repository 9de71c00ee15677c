import type { ConnectionState } from '../../core/line.js';
import type { Pace } from '../../core/pace.js';
import type { RecordedLine } from '../../core/recorded-line.js';
import { OPCODE_BINARY, OPCODE_TEXT, writeFrameHeader } from '../../core/websocket-frame.js';
import type { LineCollector } from '../recording/reader.js';
import type { LaneTable } from './lane-table.js';

/** Something that happened to a connection, at its place among the frames. */
export interface LifecycleStep {
  lane: number;
  connection: ConnectionState;
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
  /** By line. Such a line has no frame. */
  readonly lifecycle: ReadonlyMap<number, LifecycleStep>;
}

export interface FrameRunOptions {
  lanes: LaneTable;
  pace: Pace;
  /** Bytes of a run, about; at most twice as much. */
  runBytes: number;
  /** Whether frames of that lane are wanted. Default: of all. */
  wants?: ((lane: number) => boolean) | undefined;
}

const OPENING_BRACE = 0x7b;
const MOST_LINES = 2048;
const SMALLEST_BLOCK_BYTES = 16 * 1024;
const LONGEST_HEADER = 10;

/** Makes frames of lines as they are read. */
export class FrameRunBuilder implements LineCollector<FrameRun> {
  readonly #lanes: LaneTable;
  readonly #pace: Pace;
  readonly #runBytes: number;
  readonly #wants: (lane: number) => boolean;
  #run = new Draft();
  /** Bytes of all blocks of this run. */
  #allocated = 0;

  constructor({ lanes, pace, runBytes, wants = () => true }: FrameRunOptions) {
    this.#lanes = lanes;
    this.#pace = pace;
    this.#runBytes = runBytes;
    this.#wants = wants;
  }

  get isEmpty(): boolean {
    return this.#run.count === 0;
  }

  hasRoomFor(line: RecordedLine): boolean {
    const run = this.#run;
    if (run.count === 0) return true;
    if (run.count === MOST_LINES) return false;
    const lane = this.#lanes.indexOf(line.endpoint);
    const block = run.blocks[lane];
    // A payload may be longer than its line only by what base64 and escapes take away.
    const needed = line.end - line.start + LONGEST_HEADER;
    if (block === undefined) return this.#allocated + this.#blockBytes(needed) <= 2 * this.#runBytes;
    return (run.used[lane] as number) + needed <= block.length;
  }

  add(line: RecordedLine): void {
    const run = this.#run;
    const lane = this.#lanes.indexOf(line.endpoint);
    const i = run.count++;
    run.due[i] = this.#pace.next(Number.isNaN(line.receivedAt) ? undefined : line.receivedAt);
    run.lanes[i] = lane;
    if (line.connection !== undefined) run.lifecycle.set(i, { lane, connection: line.connection });
    else if (this.#wants(lane)) this.#addFrame(line, lane);
    run.ends[i] = run.used[lane] ?? 0;
  }

  /** Nothing is left to copy. */
  settle(): void {}

  take(): FrameRun {
    const run = this.#run;
    for (const lane of run.blocks.keys()) run.blocks[lane] = run.blocks[lane]?.subarray(0, run.used[lane]);
    this.#run = new Draft();
    this.#allocated = 0;
    return run;
  }

  #addFrame(line: RecordedLine, lane: number): void {
    const { used } = this.#run;
    const { bytes, members, end } = line;
    const block = this.#run.blocks[lane] ?? this.#newBlock(lane, end - line.start + LONGEST_HEADER);
    const at = used[lane] as number;
    if (members > 0) {
      const payload = writeFrameHeader(block, at, OPCODE_TEXT, end - members + 1);
      block[payload] = OPENING_BRACE;
      used[lane] = payload + 1 + bytes.copy(block, payload + 1, members, end);
    } else {
      const payload = line.payload() ?? Buffer.alloc(0);
      const start = writeFrameHeader(block, at, line.isBinary ? OPCODE_BINARY : OPCODE_TEXT, payload.length);
      used[lane] = start + payload.copy(block, start);
    }
  }

  #newBlock(lane: number, needed: number): Buffer {
    const block = Buffer.allocUnsafeSlow(this.#blockBytes(needed));
    this.#allocated += block.length;
    this.#run.blocks[lane] = block;
    this.#run.used[lane] = 0;
    return block;
  }

  /** The more lanes there are, the less there is for each. */
  #blockBytes(needed: number): number {
    return Math.max(needed, SMALLEST_BLOCK_BYTES, Math.floor(this.#runBytes / this.#lanes.size));
  }
}

/** A run that is being built. Its blocks are shared by many sockets afterwards, so they are never used again. */
class Draft implements FrameRun {
  count = 0;
  readonly due = new Float64Array(MOST_LINES);
  readonly lanes = new Uint16Array(MOST_LINES);
  readonly ends = new Uint32Array(MOST_LINES);
  readonly blocks: (Buffer | undefined)[] = [];
  /** How much of each block is filled. */
  readonly used: number[] = [];
  readonly lifecycle = new Map<number, LifecycleStep>();
}
