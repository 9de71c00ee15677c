import { type ConnectionState, eventLineShape, parseLine } from '../../core/line.js';
import type { Pace } from '../../core/pace.js';
import {
  frameHeaderLength,
  OPCODE_BINARY,
  OPCODE_TEXT,
  writeFrameHeader,
} from '../../core/websocket-frame.js';
import type { RecordedBatch } from '../recording/recorded-batch.js';
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
  /** By lane; lanes that have nothing in this run have no block. */
  readonly blocks: readonly (Buffer | undefined)[];
  /** By line. Such a line has no frame: it ends where the one before it did. */
  readonly lifecycle: ReadonlyMap<number, LifecycleStep>;
}

const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
const COMMA = 0x2c;

/** Makes frames of lines. One builder for each reading: it keeps the times. */
export class FrameRunBuilder {
  readonly #lanes: LaneTable;
  readonly #pace: Pace;

  constructor(lanes: LaneTable, pace: Pace) {
    this.#lanes = lanes;
    this.#pace = pace;
  }

  build(batch: RecordedBatch): FrameRun {
    const draft = new Draft(batch);
    for (let i = 0; i < batch.count; i++) {
      const time = batch.times[i] as number;
      draft.due[i] = this.#pace.next(Number.isNaN(time) ? undefined : time);
      draft.measure(i, this.#lanes.indexOf(batch.endpoints[i]));
    }
    return draft.finish();
  }
}

/** A run that is being built: first where everything goes, then the bytes. */
class Draft implements FrameRun {
  readonly count: number;
  readonly due: Float64Array;
  readonly lanes: Uint16Array;
  readonly ends: Uint32Array;
  readonly blocks: Buffer[] = [];
  readonly lifecycle = new Map<number, LifecycleStep>();
  readonly #batch: RecordedBatch;
  /** Where the members of an event begin in the batch; the frame is `{` and all from there. 0: see `#payloads`. */
  readonly #members: Uint32Array;
  readonly #payloads = new Map<number, { payload: Buffer; opcode: number }>();
  /** Bytes of each lane so far. */
  readonly #lengths: number[] = [];

  constructor(batch: RecordedBatch) {
    const { count } = batch;
    this.#batch = batch;
    this.count = count;
    this.due = new Float64Array(count);
    this.lanes = new Uint16Array(count);
    this.ends = new Uint32Array(count);
    this.#members = new Uint32Array(count);
  }

  /** Finds the payload of line `i` and makes room for its frame. */
  measure(i: number, lane: number): void {
    const { bytes, ends, kinds } = this.#batch;
    const start = i === 0 ? 0 : (ends[i - 1] as number);
    const end = (ends[i] as number) - 1;
    this.lanes[i] = lane;
    let length = this.#lengths[lane] ?? 0;
    const members = kinds[i] === 'event' ? membersOf(bytes, start, end) : 0;
    if (members > 0) {
      this.#members[i] = members;
      const payloadLength = end - members + 1;
      length += frameHeaderLength(payloadLength) + payloadLength;
    } else {
      length += this.#measureOther(i, lane, start, end);
    }
    this.#lengths[lane] = length;
    this.ends[i] = length;
  }

  #measureOther(i: number, lane: number, start: number, end: number): number {
    const line = parseLine(this.#batch.bytes, start, end);
    if (line === undefined) return 0;
    if (line.kind === 'connection') {
      this.lifecycle.set(i, { lane, connection: line.connection });
      return 0;
    }
    const opcode = line.kind === 'invalid' && line.binary ? OPCODE_BINARY : OPCODE_TEXT;
    this.#payloads.set(i, { payload: line.frame, opcode });
    return frameHeaderLength(line.frame.length) + line.frame.length;
  }

  finish(): FrameRun {
    const { bytes, ends } = this.#batch;
    for (const [lane, length] of this.#lengths.entries()) {
      // A lane without lines in this run is a hole in the array.
      if (length > 0) this.blocks[lane] = Buffer.allocUnsafeSlow(length);
    }
    const written = new Uint32Array(this.#lengths.length);
    for (let i = 0; i < this.count; i++) {
      const lane = this.lanes[i] as number;
      const block = this.blocks[lane];
      if (block === undefined) continue;
      const members = this.#members[i] as number;
      const at = written[lane] as number;
      if (members > 0) {
        const lineEnd = (ends[i] as number) - 1;
        const payload = writeFrameHeader(block, at, OPCODE_TEXT, lineEnd - members + 1);
        block[payload] = OPENING_BRACE;
        bytes.copy(block, payload + 1, members, lineEnd);
      } else {
        const other = this.#payloads.get(i);
        other?.payload.copy(block, writeFrameHeader(block, at, other.opcode, other.payload.length));
      }
      written[lane] = this.ends[i] as number;
    }
    return this;
  }
}

/**
 * Where the server's own members begin in an event line of the fixed shape, behind the comma of ours.
 *
 * @returns 0 for a line that has another shape or white space before its brace.
 */
function membersOf(bytes: Buffer, start: number, end: number): number {
  if (bytes[start] !== OPENING_BRACE) return 0;
  const shape = eventLineShape(bytes, start, end);
  if (shape === undefined) return 0;
  const next = bytes[shape.members];
  // `{}` has no comma of ours to take away.
  return next === COMMA ? shape.members + 1 : next === CLOSING_BRACE ? shape.members : 0;
}
