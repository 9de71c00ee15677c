import type { Programme } from './read-frames.js';
import { lookThrough } from './survey.js';

/** Looks for endpoints in the parts of a recording that nothing has read yet. It reads them once, for all who ask. */
export class EndpointSearch {
  readonly #programme: Programme;
  readonly #stopping = new AbortController();
  #reading: Promise<void> | undefined;
  #isRead = false;
  /** How many endpoints were known at the last look. */
  #known = 0;
  #onProgress: (() => void)[] = [];

  constructor(programme: Programme) {
    this.#programme = programme;
  }

  /** Whether the recording has anything of that endpoint; `false` also when it can't be read further. */
  async find(endpoint: string): Promise<boolean> {
    const { lanes } = this.#programme;
    this.#reading ??= this.#read();
    while (!lanes.has(endpoint) && !this.#isRead) {
      await new Promise<void>((resolve) => this.#onProgress.push(resolve));
    }
    return lanes.has(endpoint);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const { lanes } = this.#programme;
    const look = (line: { endpoint: string | undefined }) => {
      lanes.indexOf(line.endpoint);
      // A playback may have met it first.
      if (lanes.size > this.#known) this.#tell();
      return false;
    };
    // Who plays the recording says what is wrong with it.
    await lookThrough(this.#programme, look, this.#stopping.signal).catch(() => undefined);
    this.#isRead = true;
    this.#tell();
  }

  #tell(): void {
    this.#known = this.#programme.lanes.size;
    for (const resolve of this.#onProgress.splice(0)) resolve();
  }
}
