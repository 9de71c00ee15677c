import { readFile } from 'node:fs/promises';
import { clearInterval, setInterval } from 'node:timers';
import type { IdKind } from '../../core/jetstream/message-ids.js';
import { LineView } from '../../core/recording/line-view.js';
import { systemClock } from '../clock.js';
import { RecordingCursor } from '../recording/cursor.js';
import type { FollowedPart, Place } from '../recording/followed-part.js';
import { FOLLOW_POLL_MS, FollowedRecording } from '../recording/followed-recording.js';
import { CURSOR_SUFFIX } from '../recording/open-sources.js';
import type { ReadProblem } from '../recording/read-problems.js';
import { writeInOneStep } from '../recording/recording-files.js';
import { LineMessages, type PublishedLine, type PublishSource } from './publish-window.js';
import { Publisher, type PublisherOptions } from './publisher.js';
import type { StreamTarget } from './target.js';

/** Options of a {@link RecordingPublisher}. */
export interface RecordingPublisherOptions
  extends Pick<PublisherOptions, 'createStream' | 'persists' | 'onConnect' | 'onNotice'> {
  ids: IdKind;
  /** The recording is new: what is known of one with its name does not count. Default false. */
  isFresh?: boolean | undefined;
  /** Wait for further lines, until {@link RecordingPublisher.end} or the signal. */
  follow: boolean;
  signal: AbortSignal;
  onProblem(problem: ReadProblem): void;
  /** Called with the number of bytes that are settled since the last call. */
  onRead?: ((bytes: number) => void) | undefined;
  /** Called when a part was deleted before its lines were published, with their number and that of all such lines. */
  onDeleted(lines: number, all: number): void;
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
  async read(): Promise<Place<string> | undefined> {
    const place = (await this.#content()).streams[this.#key];
    const counts = [place?.offset, place?.line] as number[];
    const isWhole = counts.every((count) => Number.isSafeInteger(count) && count >= 0);
    return isWhole && typeof place?.part === 'string' ? place : undefined;
  }

  /** Writes the place, in one step. @throws {Error} when the file cannot be written. */
  async save(place: Place<string>): Promise<void> {
    const text = JSON.stringify(place);
    if (text === this.#saved) return;
    const content = await this.#content();
    content.streams[this.#key] = place;
    await writeInOneStep(this.path, `${JSON.stringify(content, undefined, 2)}\n`);
    this.#saved = text;
  }

  async #content(): Promise<{ version: 1; streams: Record<string, Place<string>> }> {
    try {
      const content = JSON.parse(await readFile(this.path, 'utf8'));
      if (content.version === 1 && content.streams instanceof Object) return content;
    } catch {
      // There is none, or none that can be used.
    }
    return { version: 1, streams: {} };
  }
}

/** Publishes a recording with all of its parts, from the place where that was left, also while it is written. */
export class RecordingPublisher implements PublishSource {
  readonly publisher: Publisher;
  readonly recording: FollowedRecording;
  /** Number of the line with which the last time ended; 0 = none. */
  linesBefore = 0;
  readonly #cursorFile: CursorFile;
  #messages: LineMessages;
  #lines: RecordingCursor | undefined;
  /** The place up to which all lines are settled. */
  #settled: Place<FollowedPart> | undefined;
  readonly #stopping = new AbortController();
  readonly #signal: AbortSignal;
  #more = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #cannotSave = false;

  constructor(
    path: string,
    target: StreamTarget,
    private readonly options: RecordingPublisherOptions,
  ) {
    const createMessages = () => new LineMessages(target.prefix, options.ids);
    this.#messages = createMessages();
    this.#cursorFile = RecordingPublisher.cursorOf(path, target, options.ids);
    this.recording = new FollowedRecording(path, {
      onDeleted: options.onDeleted,
      onChange: (message, wasTruncated) => {
        options.onNotice(message);
        // Lines that come again are the same ones.
        if (wasTruncated) this.#messages = createMessages();
      },
    });
    this.recording.hasEnded = !options.follow;
    this.#signal = AbortSignal.any([options.signal, this.#stopping.signal]);
    this.#signal.addEventListener('abort', this.wake, { once: true });
    const onConnect: PublisherOptions['onConnect'] = (facts) => {
      options.onConnect?.(facts);
      const how = `to publish the lines of before again, delete ${this.#cursorFile.path}`;
      if (facts.isEmpty && this.linesBefore > 0) options.onNotice(`the stream is empty: ${how}`);
    };
    this.publisher = new Publisher(this, { ...target, ...options, onConnect, signal: this.#signal });
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

  next(): PublishedLine | undefined {
    const part = this.recording.current;
    if (part === undefined || !this.#lines?.next()) return undefined;
    const { line, number, nextOffset } = this.#lines;
    return this.#messages.messageOf(line, number, { part, offset: nextOffset, line: number });
  }

  async fill(): Promise<boolean> {
    while (!this.#signal.aborted && (await this.#lines?.fill())) {
      if (!this.#lines?.isCaughtUp) return true;
      this.#more = new AbortController();
      await systemClock.sleep(FOLLOW_POLL_MS, this.#more.signal);
    }
    return false;
  }

  onSettled(place: unknown): void {
    const settled = place as Place<FollowedPart>;
    const { part, offset } = this.#settled!;
    this.#settled = settled;
    this.options.onRead?.(settled.offset - (part === settled.part ? offset : 0));
    this.recording.settle(settled.part);
  }

  /** Call when something was written. */
  readonly wake = (): void => this.#more.abort();

  /** Counts the lines that are not published. */
  async countRest(isLast = false): Promise<number> {
    return this.#settled === undefined ? 0 : this.recording.countAfter(this.#settled, isLast);
  }

  /** Call when no more is written: waits this long for the rest to be published. */
  async end(limitMs: number): Promise<void> {
    this.recording.hasEnded = true;
    this.wake();
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
    const rest = await this.countRest(true);
    await this.recording.close();
    return rest;
  }

  async #run(): Promise<void> {
    const { isFresh, onProblem, onRead } = this.options;
    const start = isFresh ? undefined : await this.#cursorFile.read();
    this.linesBefore = start?.line ?? 0;
    const source = await this.recording.open(start);
    const { start: offset = 0, line = 0 } = source;
    this.#settled = { part: this.recording.current!, offset, line };
    onRead?.(offset);
    // Lines that are identical to those right before the place get their numbers.
    const behind = await this.recording.before(this.#settled);
    const view = new LineView();
    for (let at = 0, end = behind.indexOf('\n'); end >= 0; at = end + 1, end = behind.indexOf('\n', at)) {
      if (view.read(behind, at, end) !== undefined) this.#messages.messageOf(view, 0);
    }
    const reading = { skipJsonCheck: false, noteData: false, checkTimes: false, isOnly: false };
    this.#lines = new RecordingCursor(source, reading, (problem) => {
      // A read that a stop has cut short looks torn, and nothing new may have come.
      if (!this.#signal.aborted && problem.kind !== 'empty') onProblem(problem);
    });
    this.#timer = setInterval(() => void this.#save(), SAVE_MS);
    await this.publisher.run();
  }

  async #save(): Promise<void> {
    await this.recording.lookAhead().catch(() => undefined);
    // The server takes lines that were removed when it has forgotten them, so the next time begins before them.
    if (this.publisher.window.counts.removed > 0) return;
    const { part, offset = 0, line = 0 } = this.#settled ?? {};
    const fingerprint = await part?.fingerprint().catch(() => undefined);
    // A part without a line has none.
    if (fingerprint === undefined) return;
    await this.#cursorFile.save({ part: fingerprint, offset, line }).catch((error: Error) => {
      if (!this.#cannotSave)
        this.options.onNotice(`the progress of publishing cannot be saved: ${error.message}`);
      this.#cannotSave = true;
    });
  }
}
