import type { FrameRun } from './frame-run.js';

/** So many runs are read ahead: one is played, the next is there. */
const RUNS_AHEAD = 2;

/** Reads runs ahead of who plays them, and no further than a little. */
export class RunQueue {
  readonly #runs: FrameRun[] = [];
  readonly #stopping = new AbortController();
  /** Resolves when the first run is there, or the end. */
  readonly ready: Promise<void>;
  /** Resolves when all has been read; rejects when it can't be. */
  readonly #reading: Promise<void>;
  #onChange: () => void;
  #makeRoom: () => void = () => undefined;
  #isRead = false;
  #failure: unknown;

  /** Begins to read at once. @param onChange Called whenever there is more to take, or the end has been reached. */
  constructor(
    read: (signal: AbortSignal) => AsyncIterable<FrameRun>,
    onChange: () => void = () => undefined,
  ) {
    this.#onChange = onChange;
    let markReady!: () => void;
    this.ready = new Promise((resolve) => {
      markReady = resolve;
    });
    this.#reading = this.#read(read, markReady).finally(markReady);
    this.#reading.catch(() => undefined);
  }

  /** Whether everything has been taken. */
  get isOver(): boolean {
    return this.#isRead && this.#runs.length === 0;
  }

  /** Why the recording could not be read to its end. */
  get failure(): unknown {
    return this.#failure;
  }

  /** The next run, if it is there. */
  take(): FrameRun | undefined {
    const run = this.#runs.shift();
    if (run !== undefined) this.#makeRoom();
    return run;
  }

  /** The next run, when it is there; `undefined` at the end. */
  async next(): Promise<FrameRun | undefined> {
    while (this.#runs.length === 0 && !this.#isRead) {
      await new Promise<void>((resolve) => {
        this.#onChange = resolve;
      });
    }
    return this.take();
  }

  /** Reads no further; resolves when the recording is closed. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#makeRoom();
    await this.#reading.catch(() => undefined);
  }

  async #read(read: (signal: AbortSignal) => AsyncIterable<FrameRun>, markReady: () => void): Promise<void> {
    const { signal } = this.#stopping;
    try {
      for await (const run of read(signal)) {
        if (signal.aborted) break;
        this.#runs.push(run);
        markReady();
        this.#onChange();
        while (this.#runs.length >= RUNS_AHEAD && !signal.aborted) {
          await new Promise<void>((resolve) => {
            this.#makeRoom = resolve;
          });
        }
      }
    } catch (error) {
      this.#failure = error;
      throw error;
    } finally {
      this.#isRead = true;
      this.#onChange();
    }
  }
}
