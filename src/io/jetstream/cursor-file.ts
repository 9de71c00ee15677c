import { readFile } from 'node:fs/promises';
import { writeInOneStep } from '../recording/recording-files.js';
import { CURSOR_SUFFIX } from '../recording/source.js';
import type { SpoolPlace } from './spool.js';

/** The file beside a recording that keeps up to where it was published. */
export class CursorFile {
  readonly path: string;
  readonly #key: string;
  #saved = '';

  /** @param key Names the stream, and how lines become its messages. */
  constructor(recording: string, key: string) {
    this.path = `${recording}${CURSOR_SUFFIX}`;
    this.#key = key;
  }

  /** @returns `undefined` where nothing is known: then the lines in the stream decide. */
  async read(): Promise<SpoolPlace | undefined> {
    const place = (await this.#content()).streams[this.#key];
    const counts = [place?.offset, place?.line] as number[];
    const isWhole = counts.every((count) => Number.isSafeInteger(count) && count >= 0);
    return isWhole && typeof place?.part === 'string' ? place : undefined;
  }

  /** Writes the place, in one step. @throws {Error} when the file cannot be written. */
  async save(place: SpoolPlace): Promise<void> {
    const text = JSON.stringify(place);
    if (text === this.#saved) return;
    const content = await this.#content();
    content.streams[this.#key] = place;
    await writeInOneStep(this.path, `${JSON.stringify(content, undefined, 2)}\n`);
    this.#saved = text;
  }

  async #content(): Promise<{ version: 1; streams: Record<string, SpoolPlace> }> {
    try {
      const content = JSON.parse(await readFile(this.path, 'utf8'));
      if (content.version === 1 && content.streams instanceof Object) return content;
    } catch {
      // There is none, or none that can be used.
    }
    return { version: 1, streams: {} };
  }
}
