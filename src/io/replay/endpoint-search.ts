import type { Programme } from './read-frames.js';
import { lookThrough } from './survey.js';

/** Looks for endpoints in the parts of a recording that nothing has read yet. It reads them once, for all who ask. */
export class EndpointSearch {
  readonly #programme: Programme;
  readonly #stopping = new AbortController();
  #reading: Promise<void> | undefined;
  #onFound: (() => void)[] = [];

  constructor(programme: Programme) {
    this.#programme = programme;
  }

  /** Whether the recording has anything of that endpoint; `false` also when it can't be read further. */
  async find(endpoint: string): Promise<boolean> {
    const { lanes } = this.#programme;
    this.#reading ??= this.#read();
    let isRead = false;
    const end = this.#reading.then(() => {
      isRead = true;
    });
    while (!lanes.has(endpoint) && !isRead) {
      await Promise.race([end, new Promise<void>((resolve) => this.#onFound.push(resolve))]);
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
      const known = lanes.size;
      lanes.indexOf(line.endpoint);
      if (lanes.size > known) for (const resolve of this.#onFound.splice(0)) resolve();
      return false;
    };
    // Who plays the recording says what is wrong with it.
    await lookThrough(this.#programme, look, this.#stopping.signal).catch(() => undefined);
  }
}
