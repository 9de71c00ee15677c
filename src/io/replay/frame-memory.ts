import type { LineView } from '../../core/recording/line-view.js';
import {
  frameHeaderLength,
  OPCODE_BINARY,
  OPCODE_TEXT,
  writeFrameHeader,
} from '../../core/websocket-frame.js';

const OPENING_BRACE = 0x7b;
/** A header is that long at most, and takes the place of a line's LF at least. */
const LONGEST_HEADER = 10;
/** Lines that are no further apart than that are copied in one go with what lies between them. */
const SMALL_GAP = 16;
const NOTHING = Buffer.alloc(0);

/**
 * The memory of one run of frames. Lines are copied into its first half, many at a time, as they stand in the
 * recording. Their frames are put together in the second half, lane by lane, within the same memory: moving bytes
 * there needs no object for each, which would cost more than the bytes.
 */
export class FrameMemory {
  /** By lane: how many frames it has. */
  events: (number | undefined)[] = [];
  readonly #standardBytes: number;
  #memory: Buffer;
  /** Where the second half begins. */
  #middle: number;
  /** At most so much is needed in each half so far. */
  #reserved = 0;
  /** By lane: how long its block is. */
  #lengths: (number | undefined)[] = [];
  /** By line: where the server's own members are in the first half; 0 to 0 for lines that are not there. */
  readonly #from: Uint32Array;
  readonly #to: Uint32Array;
  /** Frames that stand in no line as they were sent. */
  readonly #others = new Map<number, { payload: Buffer; opcode: number }>();
  /** Lines that have been added but not copied: `#span[#spanStart..#spanEnd)`, to `#spanTarget`. */
  #span: Buffer = NOTHING;
  #spanStart = 0;
  #spanEnd = 0;
  #spanTarget = 0;

  /** @param bytes Of the frames of a run; a single line may be longer. */
  constructor(bytes: number, mostLines: number) {
    this.#standardBytes = bytes;
    this.#middle = bytes;
    this.#memory = Buffer.allocUnsafeSlow(2 * bytes);
    this.#from = new Uint32Array(mostLines);
    this.#to = new Uint32Array(mostLines);
  }

  hasRoomFor(line: LineView): boolean {
    return this.#reserved + line.end - line.start + LONGEST_HEADER + SMALL_GAP <= this.#middle;
  }

  /** Length of a lane's block so far. */
  lengthOf(lane: number): number {
    return this.#lengths[lane] ?? 0;
  }

  /**
   * Adds line `i`. Its bytes have to stay as they are until {@link settle}.
   *
   * @returns Where its frame will end in the block of its lane.
   */
  add(i: number, line: LineView, lane: number): number {
    this.#reserve(line.end - line.start + LONGEST_HEADER + SMALL_GAP);
    const payloadLength = line.members > 0 ? this.#addEvent(i, line) : this.#addOther(i, line);
    this.events[lane] = (this.events[lane] ?? 0) + 1;
    const length = this.lengthOf(lane) + frameHeaderLength(payloadLength) + payloadLength;
    this.#lengths[lane] = length;
    return length;
  }

  /** Copies what has been added, before its block is used again. */
  settle(): void {
    this.#span.copy(this.#memory, this.#spanTarget, this.#spanStart, this.#spanEnd);
    this.#spanTarget += this.#spanEnd - this.#spanStart;
    this.#span = NOTHING;
    this.#spanStart = 0;
    this.#spanEnd = 0;
  }

  /** Puts the frames together. @returns The blocks, by lane. */
  layOut(count: number, lanes: Uint16Array): (Buffer | undefined)[] {
    this.settle();
    const memory = this.#memory;
    const next: number[] = [];
    let at = this.#middle;
    const blocks = this.#lengths.map((length, lane) => {
      next[lane] = at;
      if (length === undefined) return undefined;
      at += length;
      return memory.subarray(at - length, at);
    });
    for (let i = 0; i < count; i++) {
      const lane = lanes[i] as number;
      const from = this.#from[i] as number;
      const to = this.#to[i] as number;
      if (to > 0) {
        const payload = writeFrameHeader(memory, next[lane] as number, OPCODE_TEXT, to - from + 1);
        memory[payload] = OPENING_BRACE;
        memory.copyWithin(payload + 1, from, to);
        next[lane] = payload + 1 + to - from;
      } else if (this.#others.size > 0) {
        next[lane] = this.#layOutOther(i, next[lane] ?? 0);
      }
    }
    return blocks;
  }

  clear(): void {
    this.events = [];
    this.#lengths = [];
    this.#from.fill(0);
    this.#to.fill(0);
    this.#others.clear();
    this.#reserved = 0;
    this.#spanTarget = 0;
    if (this.#middle === this.#standardBytes) return;
    this.#middle = this.#standardBytes;
    this.#memory = Buffer.allocUnsafeSlow(2 * this.#middle);
  }

  #reserve(bytes: number): void {
    this.#reserved += bytes;
    if (this.#reserved <= this.#middle) return;
    // Only the first line of a run comes without having asked for room.
    this.#middle = this.#reserved;
    this.#memory = Buffer.allocUnsafeSlow(2 * this.#middle);
  }

  #addEvent(i: number, { bytes, start, members, end }: LineView): number {
    if (bytes !== this.#span || start < this.#spanEnd || start - this.#spanEnd > SMALL_GAP) {
      this.settle();
      this.#span = bytes;
      this.#spanStart = start;
    }
    this.#spanEnd = end;
    const from = this.#spanTarget + members - this.#spanStart;
    this.#from[i] = from;
    this.#to[i] = from + end - members;
    return end - members + 1;
  }

  #addOther(i: number, line: LineView): number {
    const payload = line.payload() ?? NOTHING;
    this.#others.set(i, { payload, opcode: line.isBinary ? OPCODE_BINARY : OPCODE_TEXT });
    return payload.length;
  }

  /** @returns Where the next frame of its lane goes. */
  #layOutOther(i: number, at: number): number {
    const other = this.#others.get(i);
    if (other === undefined) return at;
    const start = writeFrameHeader(this.#memory, at, other.opcode, other.payload.length);
    return start + other.payload.copy(this.#memory, start);
  }
}
