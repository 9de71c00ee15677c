import type { ConnectionEvent } from '../../core/recording/connection-event.js';
import type { LineView } from '../../core/recording/line-view.js';
import { OPCODE_BINARY, OPCODE_TEXT, writeFrameHeader } from '../../core/websocket-frame.js';

const OPENING_BRACE = 0x7b;
const LONGEST_HEADER = 10;
/** No line of ours is shorter. A chunk takes no more lines than this allows, so its arrays are small. */
const SHORTEST_LINE = 64;
/** Chunks that are kept for reuse; more are never under way with fast clients. */
const MOST_SPARE_CHUNKS = 8;
/** Memory for the frames of an endpoint, until it needs more. */
const SMALLEST_BLOCK_BYTES = 1024;
const NOTHING = Buffer.alloc(0);

/** Receives the lines of a chunk as they are due. */
export interface ChunkReceiver {
  /** Takes frames of one endpoint that follow each other. Call `chunk.retain` before keeping them any longer. */
  onFrames(endpoint: number, frames: Buffer, events: number, chunk: FrameChunk): void;
  onLifecycle(endpoint: number, connection: ConnectionEvent): void;
}

/** The frames of one endpoint in a chunk. */
interface EndpointBlock {
  memory: Buffer;
  /** Bytes of frames in it, bytes that have been passed, and bytes that have been handed on. */
  length: number;
  passed: number;
  handedOn: number;
  /** Events that have been passed and not handed on. */
  events: number;
}

/**
 * Lines of a recording as WebSocket frames: a block of whole frames for each endpoint, shared by all its clients.
 *
 * A chunk is filled once, passed once from its first line to its last, and then used again. **References keep its
 * memory**: the playback holds one, and each socket holds one for each write, until the write's callback releases it.
 * The pool gets the chunk back when the count is 0, never earlier.
 */
export class FrameChunk {
  /** Number of lines. */
  count = 0;
  #references = 0;
  /** By line: due time, endpoint, and end of its frame in the block of its endpoint. */
  readonly #due: Float64Array;
  readonly #endpoints: Uint16Array;
  readonly #ends: Uint32Array;
  /** By line: lines that have no frame because they tell of a connection. */
  readonly #lifecycle = new Map<number, ConnectionEvent>();
  /** By endpoint. */
  #blocks: (EndpointBlock | undefined)[] = [];
  /** Bytes of all frames, and of the memory of all blocks. */
  #length = 0;
  #capacity = 0;
  /** Blocks with frames that have been passed and not handed on, by endpoint. */
  #touched: number[] = [];
  /** The next line to pass. */
  #next = 0;

  constructor(private readonly pool: ChunkPool) {
    const mostLines = Math.ceil(pool.chunkBytes / SHORTEST_LINE);
    this.#due = new Float64Array(mostLines);
    this.#endpoints = new Uint16Array(mostLines);
    this.#ends = new Uint32Array(mostLines);
  }

  retain(): void {
    this.#references++;
  }

  /** Gives one reference back. An arrow function, so that it is the callback of a write. */
  readonly release = (): void => {
    this.#references--;
    if (this.#references === 0) this.pool.takeBack(this);
  };

  /** Returns whether the line fits. An empty chunk takes a line of any length. */
  hasRoomFor(line: LineView): boolean {
    if (this.count === 0) return true;
    const needed = this.#length + line.end - line.start + LONGEST_HEADER;
    return this.count < this.#due.length && needed <= this.pool.chunkBytes;
  }

  /** Adds a line. @param isWanted `false`: the line takes its time but gets no frame. */
  add(line: LineView, due: number, endpoint: number, isWanted: boolean): void {
    const i = this.count++;
    this.#due[i] = due;
    this.#endpoints[i] = endpoint;
    const connection = line.kind === 'connection' ? line.connection : undefined;
    if (connection !== undefined) this.#lifecycle.set(i, connection);
    else if (isWanted) this.#addFrame(line, endpoint);
    this.#ends[i] = this.#blocks[endpoint]?.length ?? 0;
  }

  #addFrame(line: LineView, endpoint: number): void {
    const block = this.#blockWithRoom(line.end - line.start + LONGEST_HEADER, endpoint);
    const { memory, length } = block;
    if (line.members > 0) {
      const payload = writeFrameHeader(memory, length, OPCODE_TEXT, line.end - line.members + 1);
      memory[payload] = OPENING_BRACE;
      block.length = payload + 1 + line.bytes.copy(memory, payload + 1, line.members, line.end);
    } else {
      // A frame that does not stand in its line as it was sent; it is never longer than the line.
      const sent = line.payload() ?? NOTHING;
      const opcode = line.isBinary ? OPCODE_BINARY : OPCODE_TEXT;
      const payload = writeFrameHeader(memory, length, opcode, sent.length);
      block.length = payload + sent.copy(memory, payload);
    }
    this.#length += block.length - length;
  }

  /** Returns the block of an endpoint, with room for so many bytes. */
  #blockWithRoom(bytes: number, endpoint: number): EndpointBlock {
    const block = this.#blocks[endpoint] ?? { memory: NOTHING, length: 0, passed: 0, handedOn: 0, events: 0 };
    this.#blocks[endpoint] = block;
    const { memory, length } = block;
    if (length + bytes > memory.length) {
      const size = Math.max(SMALLEST_BLOCK_BYTES, 2 * memory.length, length + bytes);
      block.memory = Buffer.allocUnsafeSlow(size);
      memory.copy(block.memory, 0, 0, length);
      this.#capacity += size - memory.length;
    }
    return block;
  }

  /** Due time of the next line, in microseconds of the schedule; infinite when all have been passed. */
  get due(): number {
    return this.#next < this.count ? (this.#due[this.#next] as number) : Number.POSITIVE_INFINITY;
  }

  /** Passes the lines that are due at a position. Frames of an endpoint are handed on in one piece. @param most Limit. */
  pass(position: number, receiver: ChunkReceiver, most = Number.POSITIVE_INFINITY): void {
    const end = Math.min(this.count, this.#next + most);
    for (; this.#next < end && (this.#due[this.#next] as number) <= position; this.#next++) {
      const endpoint = this.#endpoints[this.#next] as number;
      const connection = this.#lifecycle.size > 0 ? this.#lifecycle.get(this.#next) : undefined;
      if (connection !== undefined) {
        this.#handOn(receiver);
        receiver.onLifecycle(endpoint, connection);
        continue;
      }
      const block = this.#blocks[endpoint];
      const frameEnd = this.#ends[this.#next] as number;
      if (block === undefined || frameEnd === block.passed) continue;
      if (block.events === 0) this.#touched.push(endpoint);
      block.events++;
      block.passed = frameEnd;
    }
    this.#handOn(receiver);
  }

  #handOn(receiver: ChunkReceiver): void {
    if (this.#touched.length === 0) return;
    for (const endpoint of this.#touched) {
      const block = this.#blocks[endpoint] as EndpointBlock;
      const { memory, passed, handedOn, events } = block;
      block.handedOn = passed;
      block.events = 0;
      receiver.onFrames(endpoint, memory.subarray(handedOn, passed), events, this);
    }
    this.#touched = [];
  }

  /** Makes the chunk empty, with one reference for its new owner. */
  reset(): this {
    this.count = 0;
    this.#references = 1;
    this.#lifecycle.clear();
    this.#length = 0;
    this.#next = 0;
    if (this.#capacity > 2 * this.pool.chunkBytes) {
      // A very long line, or endpoints that have changed.
      this.#blocks = [];
      this.#capacity = 0;
    }
    for (const block of this.#blocks) {
      if (block !== undefined) Object.assign(block, { length: 0, passed: 0, handedOn: 0, events: 0 });
    }
    return this;
  }
}

/** The chunks of one playback. New memory for each chunk would cost as much as everything else. */
export class ChunkPool {
  readonly #spare: FrameChunk[] = [];

  /** @param chunkBytes Size of a chunk. A longer line gets a chunk of its own. */
  constructor(readonly chunkBytes: number) {}

  /** An empty chunk, with one reference that belongs to the caller. */
  take(): FrameChunk {
    return (this.#spare.pop() ?? new FrameChunk(this)).reset();
  }

  /** Takes a chunk to which no reference is left. */
  takeBack(chunk: FrameChunk): void {
    if (this.#spare.length < MOST_SPARE_CHUNKS) this.#spare.push(chunk);
  }
}
