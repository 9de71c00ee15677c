import type { ConnectionEvent } from '../../core/recording/connection-event.js';
import type { LineView } from '../../core/recording/line-view.js';
import { OPCODE_BINARY, OPCODE_TEXT, writeFrameHeader } from '../../core/websocket-frame.js';

const OPENING_BRACE = 0x7b;
const LONGEST_HEADER = 10;
/** Chunks that are kept for reuse; more are never under way with fast clients. */
const MOST_SPARE_CHUNKS = 8;
/** Memory for the frames of an endpoint, until it needs more. */
const SMALLEST_BLOCK_BYTES = 1024;
const NOTHING = Buffer.alloc(0);

/** Receives the lines of a chunk as they are due. */
export interface ChunkReceiver {
  /** Takes frames of one endpoint that follow each other. Call `chunk.retain` before keeping them any longer. */
  onFrames(endpoint: string, frames: Buffer, events: number, chunk: FrameChunk): void;
  onLifecycle(endpoint: string, connection: ConnectionEvent): void;
}

/** The frames of one endpoint in a chunk. */
interface EndpointBlock {
  readonly endpoint: string;
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
  /** By line: due time, block of its endpoint, and end of its frame there. They are longer than `count`. */
  readonly #due: number[] = [];
  readonly #blockOf: EndpointBlock[] = [];
  readonly #ends: number[] = [];
  /** By line: lines that have no frame because they tell of a connection. */
  readonly #lifecycle = new Map<number, ConnectionEvent>();
  /** By endpoint. */
  readonly #blocks = new Map<string, EndpointBlock>();
  /** Bytes of all frames. */
  #length = 0;
  /** The next line to pass. */
  #next = 0;

  constructor(private readonly pool: ChunkPool) {}

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
    return this.count === 0 || this.#length + lengthLimit(line) <= this.pool.chunkBytes;
  }

  /** Adds a line. @param isWanted `false`: the line takes its time but gets no frame. */
  add(line: LineView, due: number, endpoint: string, isWanted: boolean): void {
    let block = this.#blocks.get(endpoint);
    if (block === undefined) {
      block = { endpoint, memory: NOTHING, length: 0, passed: 0, handedOn: 0, events: 0 };
      this.#blocks.set(endpoint, block);
    }
    const connection = line.kind === 'connection' ? line.connection : undefined;
    if (connection !== undefined) this.#lifecycle.set(this.count, connection);
    else if (isWanted) this.#addFrame(line, block);
    this.#due[this.count] = due;
    this.#blockOf[this.count] = block;
    this.#ends[this.count] = block.length;
    this.count++;
  }

  #addFrame(line: LineView, block: EndpointBlock): void {
    makeRoom(block, lengthLimit(line));
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

  /** Due time of the next line, in microseconds of the schedule; infinite when all have been passed. */
  get due(): number {
    return this.#next < this.count ? (this.#due[this.#next] as number) : Number.POSITIVE_INFINITY;
  }

  /** Passes the lines that are due at a position. Frames of an endpoint are handed on in one piece. @param most Limit. */
  pass(position: number, receiver: ChunkReceiver, most = Number.POSITIVE_INFINITY): void {
    const end = Math.min(this.count, this.#next + most);
    for (; this.#next < end && (this.#due[this.#next] as number) <= position; this.#next++) {
      const block = this.#blockOf[this.#next] as EndpointBlock;
      const frameEnd = this.#ends[this.#next] as number;
      const connection = this.#lifecycle.size > 0 ? this.#lifecycle.get(this.#next) : undefined;
      if (connection !== undefined) {
        this.#handOn(receiver);
        receiver.onLifecycle(block.endpoint, connection);
      } else if (frameEnd > block.passed) {
        block.events++;
        block.passed = frameEnd;
      }
    }
    this.#handOn(receiver);
  }

  #handOn(receiver: ChunkReceiver): void {
    for (const block of this.#blocks.values()) {
      const { endpoint, memory, passed, handedOn, events } = block;
      if (events === 0) continue;
      block.handedOn = passed;
      block.events = 0;
      receiver.onFrames(endpoint, memory.subarray(handedOn, passed), events, this);
    }
  }

  /** Makes the chunk empty, with one reference for its new owner. */
  reset(): this {
    this.count = 0;
    this.#references = 1;
    this.#lifecycle.clear();
    this.#length = 0;
    this.#next = 0;
    let bytes = 0;
    for (const block of this.#blocks.values()) {
      bytes += block.memory.length;
      Object.assign(block, { length: 0, passed: 0, handedOn: 0, events: 0 });
    }
    // A very long line, or endpoints that have changed.
    if (bytes > 2 * this.pool.chunkBytes) this.#blocks.clear();
    return this;
  }
}

/** No frame of the line is longer. */
function lengthLimit(line: LineView): number {
  return line.end - line.start + LONGEST_HEADER;
}

function makeRoom(block: EndpointBlock, bytes: number): void {
  const { memory, length } = block;
  if (length + bytes <= memory.length) return;
  block.memory = Buffer.allocUnsafeSlow(Math.max(SMALLEST_BLOCK_BYTES, 2 * memory.length, length + bytes));
  memory.copy(block.memory, 0, 0, length);
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
