import { type ReadRecordingOptions, readRecording } from '../../src/index.js';
import { Arrivals } from './arrivals.js';

/** Recordings that are followed. Use it with `await using`. */
export class Following implements AsyncDisposable {
  readonly lines = new Arrivals<string>('lines');
  readonly messages = new Arrivals<string>('messages');
  readonly #stop = new AbortController();
  readonly #end: Promise<void>;

  constructor(sources: readonly string[], options: ReadRecordingOptions) {
    this.#end = this.#read(sources, options);
    this.#end.catch(() => undefined);
  }

  async #read(sources: readonly string[], options: ReadRecordingOptions): Promise<void> {
    const onProblem = ({ message }: { message: string }) => this.messages.add(message);
    try {
      const batches = readRecording(sources, {
        follow: true,
        onProblem,
        signal: this.#stop.signal,
        ...options,
      });
      for await (const { bytes } of batches)
        for (const line of bytes.toString().split('\n').slice(0, -1)) this.lines.add(line);
    } finally {
      this.lines.end();
      this.messages.end();
    }
  }

  /** Stops it. Rejects if it has failed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#end;
  }
}
