import type { ConnectionEvent } from '../../core/recording/connection-event.js';
import type { LineView } from '../../core/recording/line-view.js';
import {
  frameHeaderLength,
  OPCODE_BINARY,
  OPCODE_TEXT,
  writeFrameHeader,
} from '../../core/websocket-frame.js';

const OPENING_BRACE = 0x7b;
/** A header is this long at most, and takes the place of a line's LF at least. */
const LONGEST_HEADER = 10;
/** No line of ours is shorter. A chunk takes no more lines than this allows, so its arrays are small. */
const SHORTEST_LINE = 64;
/** Chunks that are kept for reuse; more are never under way with fast clients. */
const MOST_SPARE_CHUNKS = 8;

/** Receives the lines of a chunk as they are due. */
export interface ChunkReceiver {
  /** Takes frames of one endpoint that follow each other. Call `chunk.retain` before keeping them any longer. */
  onFrames(endpoint: number, frames: Buffer, events: number, chunk: FrameChunk): void;
  onLifecycle(endpoint: number, connection: ConnectionEvent): void;
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
  readonly #pool: ChunkPool;
  #memory: Buffer;
  #references = 0;
  /** By line: due time, endpoint, and end of its frame in the block of its endpoint. */
  readonly #due: Float64Array;
  readonly #endpoints: Uint16Array;
  readonly #ends: Uint32Array;
  /** By line, until {@link layOut}: where the server's members stand. Lines without a frame have no source. */
  readonly #from: Uint32Array;
  readonly #to: Uint32Array;
  #sources: (Buffer | undefined)[] = [];
  /** By line: frames that stand in no line as they were sent. */
  readonly #copies = new Map<number, { payload: Buffer; opcode: number }>();
  /** By line: lines that have no frame because they tell of a connection. */
  readonly #lifecycle = new Map<number, ConnectionEvent>();
  /** Bytes that the lines need at most. */
  #reserved = 0;
  /** By endpoint: length of its block, its start in memory, and what {@link pass} has handed on and passed of it. */
  #lengths: number[] = [];
  #starts: number[] = [];
  #handedOn: number[] = [];
  #passed: number[] = [];
  #passedEvents: number[] = [];
  /** Endpoints of which frames have been passed and not handed on. */
  #touched: number[] = [];
  /** The next line to pass. */
  #next = 0;

  constructor(pool: ChunkPool, bytes: number) {
    const mostLines = Math.ceil(bytes / SHORTEST_LINE);
    this.#pool = pool;
    this.#memory = Buffer.allocUnsafeSlow(bytes);
    this.#due = new Float64Array(mostLines);
    this.#endpoints = new Uint16Array(mostLines);
    this.#ends = new Uint32Array(mostLines);
    this.#from = new Uint32Array(mostLines);
    this.#to = new Uint32Array(mostLines);
  }

  retain(): void {
    this.#references++;
  }

  /** Gives one reference back. An arrow function, so that it is the callback of a write. */
  readonly release = (): void => {
    this.#references--;
    if (this.#references === 0) this.#pool.takeBack(this);
  };

  /** Returns whether the line fits. An empty chunk takes a line of any length. */
  hasRoomFor(line: LineView): boolean {
    if (this.count === 0) return true;
    const needed = this.#reserved + line.end - line.start + LONGEST_HEADER;
    return this.count < this.#due.length && needed <= this.#pool.chunkBytes;
  }

  /**
   * Adds a line. Its bytes must stay as they are until {@link layOut}.
   *
   * @param isWanted `false`: the line takes its time but gets no frame.
   */
  add(line: LineView, due: number, endpoint: number, isWanted: boolean): void {
    const i = this.count++;
    this.#due[i] = due;
    this.#endpoints[i] = endpoint;
    const connection = line.kind === 'connection' ? line.connection : undefined;
    if (connection !== undefined) this.#lifecycle.set(i, connection);
    else if (isWanted) this.#addFrame(i, line, endpoint);
    this.#ends[i] = this.#lengths[endpoint] ?? 0;
  }

  #addFrame(i: number, line: LineView, endpoint: number): void {
    this.#reserved += line.end - line.start + LONGEST_HEADER;
    let payloadLength: number;
    if (line.members > 0) {
      this.#sources[i] = line.bytes;
      this.#from[i] = line.members;
      this.#to[i] = line.end;
      payloadLength = line.end - line.members + 1;
    } else {
      const payload = line.payload() ?? Buffer.alloc(0);
      this.#copies.set(i, { payload, opcode: line.isBinary ? OPCODE_BINARY : OPCODE_TEXT });
      payloadLength = payload.length;
    }
    const length = frameHeaderLength(payloadLength) + payloadLength;
    this.#lengths[endpoint] = (this.#lengths[endpoint] ?? 0) + length;
  }

  /** Writes the frames, endpoint by endpoint, before the bytes of the lines are overwritten. */
  layOut(): void {
    if (this.#reserved > this.#memory.length) this.#memory = Buffer.allocUnsafeSlow(this.#reserved);
    const memory = this.#memory;
    let end = 0;
    this.#starts = this.#lengths.map((length) => {
      end += length;
      return end - length;
    });
    const next = [...this.#starts];
    for (let i = 0; i < this.count; i++) {
      const endpoint = this.#endpoints[i] as number;
      const at = next[endpoint] ?? 0;
      const source = this.#sources[i];
      if (source !== undefined) {
        const from = this.#from[i] as number;
        const to = this.#to[i] as number;
        const payload = writeFrameHeader(memory, at, OPCODE_TEXT, to - from + 1);
        memory[payload] = OPENING_BRACE;
        next[endpoint] = payload + 1 + source.copy(memory, payload + 1, from, to);
      } else if (this.#copies.size > 0) {
        next[endpoint] = this.#writeCopy(i, at);
      }
    }
    this.#sources = [];
    this.#copies.clear();
  }

  #writeCopy(i: number, at: number): number {
    const copy = this.#copies.get(i);
    if (copy === undefined) return at;
    const payload = writeFrameHeader(this.#memory, at, copy.opcode, copy.payload.length);
    return payload + copy.payload.copy(this.#memory, payload);
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
      const frameEnd = this.#ends[this.#next] as number;
      if (frameEnd > (this.#passed[endpoint] ?? 0)) this.#passFrame(endpoint, frameEnd);
    }
    this.#handOn(receiver);
  }

  #passFrame(endpoint: number, end: number): void {
    const events = this.#passedEvents[endpoint] ?? 0;
    if (events === 0) this.#touched.push(endpoint);
    this.#passedEvents[endpoint] = events + 1;
    this.#passed[endpoint] = end;
  }

  #handOn(receiver: ChunkReceiver): void {
    if (this.#touched.length === 0) return;
    for (const endpoint of this.#touched) {
      const start = this.#starts[endpoint] as number;
      const passed = this.#passed[endpoint] as number;
      const frames = this.#memory.subarray(start + (this.#handedOn[endpoint] ?? 0), start + passed);
      const events = this.#passedEvents[endpoint] as number;
      this.#handedOn[endpoint] = passed;
      this.#passedEvents[endpoint] = 0;
      receiver.onFrames(endpoint, frames, events, this);
    }
    this.#touched = [];
  }

  /** Makes the chunk empty, with one reference for its new owner. */
  reset(): this {
    this.count = 0;
    this.#references = 1;
    this.#lifecycle.clear();
    this.#reserved = 0;
    this.#lengths = [];
    this.#handedOn = [];
    this.#passed = [];
    this.#passedEvents = [];
    this.#next = 0;
    if (this.#memory.length > this.#pool.chunkBytes) {
      this.#memory = Buffer.allocUnsafeSlow(this.#pool.chunkBytes);
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
    return (this.#spare.pop() ?? new FrameChunk(this, this.chunkBytes)).reset();
  }

  /** Takes a chunk to which no reference is left. */
  takeBack(chunk: FrameChunk): void {
    if (this.#spare.length < MOST_SPARE_CHUNKS) this.#spare.push(chunk);
  }
}
