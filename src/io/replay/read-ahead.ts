import { Schedule } from '../../core/replay/schedule.js';
import type { RecordingReader } from '../recording/reader.js';
import { ChunkPool, type FrameChunk } from './frame-chunk.js';
import { LineChooser, openPlan, type ReplayPlan } from './replay-plan.js';

export interface ReadAheadOptions {
  /** Bytes of a chunk and of one read. Large ones cost less for each event, small ones hold less memory. */
  chunkBytes: number;
  blockBytes: number;
  /** `false`: the lines of a chunk may all be due with the first of them. */
  timed: boolean;
  /** Returns whether frames of that endpoint are wanted. */
  wants: (endpoint: number) => boolean;
  /** Called when there is more to take, and at the end. */
  onChange: () => void;
}

/** One chunk is played while the next one waits. */
const CHUNKS_AHEAD = 2;

/** Reads a recording, pass after pass, a little ahead of its playback. */
export class ReadAhead {
  /** Resolves when the first chunk, or the end, has been read. */
  readonly ready: Promise<void>;
  readonly #plan: ReplayPlan;
  readonly #options: ReadAheadOptions;
  readonly #chunks: FrameChunk[] = [];
  readonly #source: AsyncGenerator<FrameChunk, void, undefined>;
  readonly #stopping = new AbortController();
  /** The reading that is under way. */
  #reading: Promise<void> | undefined;
  #isRead = false;
  /** The error that ended the reading too soon. */
  failure: unknown;

  /** Begins to read at once. */
  constructor(plan: ReplayPlan, options: ReadAheadOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#source = this.#readPasses();
    this.ready = this.#readOne();
    void this.ready.then(() => this.#fill());
  }

  /** `true` when everything has been taken. */
  get isOver(): boolean {
    return this.#isRead && this.#chunks.length === 0;
  }

  /** The next chunk, if it has been read. Its reference passes to the caller. */
  take(): FrameChunk | undefined {
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) this.#fill();
    return chunk;
  }

  /** Stops the reading. Resolves when the recording is closed. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#reading;
    await this.#source.return();
    this.#isRead = true;
  }

  #fill(): void {
    if (this.#reading !== undefined || this.#isRead || this.#stopping.signal.aborted) return;
    if (this.#chunks.length >= CHUNKS_AHEAD) return;
    void this.#readOne().then(() => this.#fill());
  }

  #readOne(): Promise<void> {
    this.#reading = this.#readChunk();
    return this.#reading;
  }

  async #readChunk(): Promise<void> {
    try {
      const { done, value } = await this.#source.next();
      if (done) this.#isRead = true;
      else this.#chunks.push(value);
    } catch (error) {
      this.#isRead = true;
      this.failure = error;
    }
    this.#reading = undefined;
    if (!this.#stopping.signal.aborted) this.#options.onChange();
  }

  async *#readPasses(): AsyncGenerator<FrameChunk, void, undefined> {
    const { passes, schedule: rules, strict, onProblem, onNothing } = this.#plan;
    const { blockBytes, chunkBytes } = this.#options;
    const { signal } = this.#stopping;
    const pool = new ChunkPool(chunkBytes);
    const schedule = new Schedule(rules);
    for (let pass = 0; pass < passes; pass++) {
      schedule.restart();
      const reader = await openPlan(this.#plan, { signal, strict, onProblem, maxBlockBytes: blockBytes });
      const found = { lines: 0, events: 0 };
      try {
        yield* this.#readPass(reader, pool, schedule, found);
      } finally {
        await reader.close();
      }
      if (signal.aborted) return;
      if (found.events === 0) onNothing();
      // Nothing, repeated for ever, would be a loop without an end.
      if (found.lines === 0) return;
    }
  }

  async *#readPass(
    reader: RecordingReader,
    pool: ChunkPool,
    schedule: Schedule,
    found: { lines: number; events: number },
  ): AsyncGenerator<FrameChunk, void, undefined> {
    const { endpoints } = this.#plan;
    const { timed, wants } = this.#options;
    const chooser = new LineChooser(this.#plan);
    let chunk = pool.take();
    do {
      for (let line = reader.next(); line !== undefined && !chooser.isOver; line = reader.next()) {
        if (!chooser.chooses(line)) continue;
        found.lines++;
        if (line.kind !== 'connection') found.events++;
        if (!chunk.hasRoomFor(line)) {
          chunk.layOut();
          yield chunk;
          chunk = pool.take();
        }
        const endpoint = endpoints.indexOf(line.endpoint);
        const due = timed || chunk.count === 0 ? schedule.next(line.receivedAt) : chunk.due;
        chunk.add(line, due, endpoint, wants(endpoint));
      }
      if (chunk.count > 0) {
        // The next read overwrites the lines. Lines before damage are as good as ever.
        chunk.layOut();
        yield chunk;
        chunk = pool.take();
      }
    } while (!chooser.isOver && (await reader.fill()));
    chunk.release();
  }
}
