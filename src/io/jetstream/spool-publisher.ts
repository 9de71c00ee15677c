import { readFile } from 'node:fs/promises';
import { clearInterval, setInterval } from 'node:timers';
import type { IdKind } from '../../core/jetstream/message-ids.js';
import { systemClock } from '../clock.js';
import type { ReadProblem } from '../recording/read-problems.js';
import { writeInOneStep } from '../recording/recording-files.js';
import { CURSOR_SUFFIX } from '../recording/source.js';
import { Publisher, type PublisherOptions } from './publisher.js';
import { Spool, type SpoolPlace } from './spool.js';
import type { StreamTarget } from './target.js';

/** Options of a {@link SpoolPublisher}. */
export interface SpoolPublisherOptions
  extends Pick<PublisherOptions, 'createStream' | 'persists' | 'onConnect' | 'onNotice'> {
  ids: IdKind;
  /** The recording is new: what is known of one with its name does not count. Default false. */
  isFresh?: boolean | undefined;
  /** Wait for further lines, until {@link SpoolPublisher.end} or the signal. */
  follow: boolean;
  signal: AbortSignal;
  onProblem(problem: ReadProblem): void;
  /** Called with the number of bytes that are settled since the last call. */
  onRead?: ((bytes: number) => void) | undefined;
}

const SAVE_MS = 500;

/** The file beside a recording that keeps up to where it was published. */
class CursorFile {
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

/** Publishes a recording from the place where that was left, also while it is written. */
export class SpoolPublisher {
  readonly publisher: Publisher;
  readonly spool: Spool;
  /** Number of the line with which the last time ended; 0 = none. */
  linesBefore = 0;
  readonly #cursor: CursorFile;
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #cannotSave = false;

  constructor(
    path: string,
    target: StreamTarget,
    private readonly options: SpoolPublisherOptions,
  ) {
    this.#cursor = SpoolPublisher.cursorOf(path, target, options.ids);
    this.spool = new Spool(path, { ...options, prefix: target.prefix });
    const signal = AbortSignal.any([options.signal, this.#stopping.signal]);
    const onConnect: PublisherOptions['onConnect'] = (facts) => {
      options.onConnect?.(facts);
      if (!facts.isEmpty || this.linesBefore === 0) return;
      const how = `to publish the lines of before again, delete ${this.#cursor.path}`;
      options.onNotice(`the stream is empty: ${how}`);
    };
    this.publisher = new Publisher(this.spool, { ...target, ...options, onConnect, signal });
  }

  /** Returns the cursor of a recording for a stream. */
  static cursorOf(path: string, { address, prefix }: StreamTarget, ids: IdKind): CursorFile {
    return new CursorFile(path, `${address.text} ${prefix} ${ids}`);
  }

  /**
   * Publishes to the end, or until the signal aborts.
   *
   * @throws {OpmasError} `LOCAL` when the recording cannot be read; others as `Publisher.run`.
   */
  run(): Promise<void> {
    this.#running = this.#run();
    return this.#running;
  }

  async #run(): Promise<void> {
    const start = this.options.isFresh ? undefined : await this.#cursor.read();
    this.linesBefore = start?.line ?? 0;
    await this.spool.open(start);
    this.#timer = setInterval(() => void this.#save(), SAVE_MS);
    await this.publisher.run();
  }

  /** Call when no more is written: waits this long for the rest to be published. */
  async end(limitMs: number): Promise<void> {
    this.spool.end();
    const late = new AbortController();
    await Promise.race([
      this.#running.catch(() => undefined),
      systemClock.sleep(limitMs, AbortSignal.any([late.signal, this.options.signal])),
    ]);
    late.abort();
  }

  /**
   * Keeps the place and closes the files.
   *
   * @returns The number of lines that are not published.
   */
  async close(): Promise<number> {
    this.#stopping.abort();
    await this.#running.catch(() => undefined);
    clearInterval(this.#timer);
    await this.#save();
    const rest = await this.spool.countRest(true);
    await this.spool.close();
    return rest;
  }

  async #save(): Promise<void> {
    // The server takes lines that were removed when it has forgotten them, so the next time begins before them.
    if (this.publisher.window.counts.removed > 0) return;
    const place = await this.spool.place().catch(() => undefined);
    if (place === undefined) return;
    await this.#cursor.save(place).catch((error: Error) => {
      if (!this.#cannotSave)
        this.options.onNotice(`the progress of publishing cannot be saved: ${error.message}`);
      this.#cannotSave = true;
    });
  }
}
