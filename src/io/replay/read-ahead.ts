import { Schedule } from '../../core/replay/schedule.js';
import { deferred } from '../clock.js';
import type { RecordingReader } from '../recording/reader.js';
import { ChunkPool, type FrameChunk } from './frame-chunk.js';
import { LineChooser, openPlan, type ReplayPlan } from './replay-plan.js';

/** There may be many playbacks by the clock, each with memory of its own. */
const CLOCKED = { chunkBytes: 64 * 1024, blockBytes: 64 * 1024 };
/** At full speed the cost of one write and of one read is shared by many events. */
const FULL_SPEED = { chunkBytes: 512 * 1024, blockBytes: 1024 * 1024 };
/** One chunk is played while the next one waits. */
const CHUNKS_AHEAD = 2;

/** Reads a recording, pass after pass, a little ahead of its playback. */
export class ReadAhead {
  /** The error that ended the reading too soon. */
  failure: unknown;
  readonly #plan: ReplayPlan;
  readonly #wants: (endpoint: number) => boolean;
  readonly #onChange: () => void;
  readonly #sizes: typeof CLOCKED;
  readonly #pool: ChunkPool;
  readonly #schedule: Schedule;
  readonly #chunks: FrameChunk[] = [];
  readonly #ready = deferred();
  readonly #stopping = new AbortController();
  readonly #reading: Promise<void>;
  #isRead = false;
  /** Goes on with the reading that waits for room. */
  #proceed: () => void = () => undefined;

  /**
   * Begins to read at once.
   *
   * @param wants Returns whether frames of that endpoint are wanted.
   * @param onChange Called when there is more to take, and at the end.
   */
  constructor(plan: ReplayPlan, wants: (endpoint: number) => boolean, onChange: () => void) {
    this.#plan = plan;
    this.#wants = wants;
    this.#onChange = onChange;
    this.#sizes = plan.speed === 'max' ? FULL_SPEED : CLOCKED;
    this.#pool = new ChunkPool(this.#sizes.chunkBytes);
    this.#schedule = new Schedule(plan.schedule);
    this.#reading = this.#read();
  }

  /** Resolves when the first chunk, or the end, has been read. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** `true` when everything has been taken. */
  get isOver(): boolean {
    return this.#isRead && this.#chunks.length === 0;
  }

  /** The next chunk, if it has been read. Its reference passes to the caller. */
  take(): FrameChunk | undefined {
    const chunk = this.#chunks.shift();
    this.#proceed();
    return chunk;
  }

  /** Stops the reading. Resolves when the recording is closed. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#proceed();
    await this.#reading;
  }

  async #read(): Promise<void> {
    try {
      await this.#readPasses();
    } catch (error) {
      this.failure = error;
    }
    this.#isRead = true;
    this.#tell();
  }

  async #readPasses(): Promise<void> {
    const { passes, strict, speed, onProblem, onNotice } = this.#plan;
    const { signal } = this.#stopping;
    const checkTimes = speed !== 'max';
    const reading = { signal, strict, onProblem, checkTimes, maxBlockBytes: this.#sizes.blockBytes };
    for (let pass = 0; pass < passes; pass++) {
      this.#schedule.restart();
      await using reader = await openPlan(this.#plan, reading);
      const { lines, events } = await this.#readPass(reader);
      if (signal.aborted) return;
      if (events === 0) onNotice({ kind: 'nothing' });
      // An empty pass, repeated forever, would be a loop without an end.
      if (lines === 0) return;
    }
  }

  async #readPass(reader: RecordingReader): Promise<{ lines: number; events: number }> {
    const { endpoints, speed, onNotice } = this.#plan;
    const chooser = new LineChooser(this.#plan);
    let chunk = this.#pool.take();
    let lines = 0;
    let events = 0;
    do {
      for (let line = reader.next(); line !== undefined && !chooser.isOver; line = reader.next()) {
        if (!chooser.chooses(line)) continue;
        lines++;
        if (line.kind !== 'connection') events++;
        if (!chunk.hasRoomFor(line)) {
          await this.#put(chunk);
          chunk = this.#pool.take();
        }
        if (line.endpoint === undefined) onNotice({ kind: 'unnamed', type: line.frame.type ?? '(none)' });
        const endpoint = endpoints.indexOf(line.endpoint);
        // At full speed, the lines of a chunk may all be due with the first of them.
        const isTimed = speed !== 'max' || chunk.count === 0;
        const due = isTimed ? this.#schedule.next(line.receivedAt, reader.isUnsorted) : chunk.due;
        chunk.add(line, due, endpoint, this.#wants(endpoint));
      }
      if (chunk.count > 0) {
        // The next read overwrites the lines. Lines before damage are as good as ever.
        await this.#put(chunk);
        chunk = this.#pool.take();
      }
    } while (!chooser.isOver && (await reader.fill()));
    chunk.release();
    return { lines, events };
  }

  /** Makes a chunk ready to be taken. Resolves when there is room for another one. */
  async #put(chunk: FrameChunk): Promise<void> {
    chunk.layOut();
    this.#chunks.push(chunk);
    this.#tell();
    while (this.#chunks.length >= CHUNKS_AHEAD && !this.#stopping.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#proceed = resolve;
      });
    }
    this.#stopping.signal.throwIfAborted();
  }

  #tell(): void {
    this.#ready.resolve();
    if (!this.#stopping.signal.aborted) this.#onChange();
  }
}
