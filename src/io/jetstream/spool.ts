import type { OpmasError } from '../../core/errors.js';
import type { IdKind } from '../../core/jetstream/message-ids.js';
import { LineView } from '../../core/recording/line-view.js';
import { systemClock } from '../clock.js';
import type { ReadProblem } from '../recording/read-problems.js';
import { identityAt, identityOf } from '../recording/recording-files.js';
import { SegmentNames } from '../recording/segment-names.js';
import { LineMessages, type PublishedLine, type PublishSource } from './publish-window.js';
import { BEHIND_BYTES, type PartPlace, SpoolPart } from './spool-part.js';

/** A place in a recording, as a cursor file keeps it. */
export interface SpoolPlace extends PartPlace {
  /** Fingerprint of the part. */
  part: string;
}

/** Options of a {@link Spool}. */
export interface SpoolOptions {
  /** First tokens of the subjects. */
  prefix: string;
  ids: IdKind;
  /** Wait for further lines and parts. */
  follow: boolean;
  signal: AbortSignal;
  onProblem(problem: ReadProblem): void;
  onNotice(message: string): void;
  onRead?: ((bytes: number) => void) | undefined;
}

/** A place while the parts are open. */
interface OpenPlace extends PartPlace {
  part: SpoolPart;
}

/** Interval of the looks for more while {@link Spool.wake} is not called. */
const POLL_MS = 250;
const START: PartPlace = { offset: 0, line: 0 };

/** The lines of a recording with all of its parts, from one place on, also while it is written. */
export class Spool implements PublishSource {
  /** Lines of parts that were deleted before they were read. */
  deletedLines = 0;
  readonly #names: SegmentNames;
  /** For all parts: what one moment brought may stand in several. */
  readonly #messages: LineMessages;
  /** The open parts: from that of the settled place to the one that is read. */
  readonly #parts: SpoolPart[] = [];
  /** The part and the place up to which all lines are settled. */
  #settled: OpenPlace | undefined;
  #hasEnded = false;
  /** The part that its writer has left: it is read once more. */
  #leaving: SpoolPart | undefined;
  #more = new AbortController();
  /** Places up to which the lines of a part were counted, by its fingerprint and file: parts may begin with the same line. */
  #counted = new Map<string, PartPlace>();

  constructor(
    private readonly path: string,
    private readonly options: SpoolOptions,
  ) {
    this.#names = new SegmentNames(path, { continues: true });
    this.#messages = new LineMessages(options.prefix, options.ids);
    this.#hasEnded = !options.follow;
    options.signal.addEventListener('abort', this.wake, { once: true });
  }

  /**
   * Opens the first part.
   *
   * @param start Begins here. Default: at the start of the file that has the name of the recording now.
   * @throws {OpmasError} `LOCAL` when it cannot be read.
   */
  async open(start?: SpoolPlace): Promise<void> {
    // A folder that cannot be listed may still have the file.
    const finished = await this.#names.finished().catch(() => []);
    const paths = (await identityAt(this.path)) === undefined ? finished : [...finished, this.path];
    for (const [at, path] of paths.entries()) {
      const part = await openIfThere(path);
      const isFirst = start === undefined ? path === this.path : await part?.has(start.part, start.offset);
      if (isFirst && part !== undefined) {
        if (start !== undefined) await this.#readBehind(part, start.offset, paths.slice(0, at));
        return this.#begin(part, path, start);
      }
      await part?.close();
    }
    if (start !== undefined) {
      const place = `the part of ${this.path} at which publishing ended the last time is gone`;
      this.options.onNotice(`${place}: if it had further lines, they are not published`);
    }
    const [path = this.path] = paths;
    await this.#begin(await SpoolPart.open(path), path);
  }

  next(): PublishedLine | undefined {
    const part = this.#parts.at(-1);
    if (part === undefined || !part.cursor.next()) return undefined;
    const { line, number, nextOffset } = part.cursor;
    return this.#messages.messageOf(line, number, { part, offset: nextOffset, line: number });
  }

  async fill(): Promise<boolean> {
    let part = this.#parts.at(-1);
    while (part !== undefined && !this.options.signal.aborted) {
      if (await part.cursor.fill()) return true;
      part = await this.#openNext(part);
    }
    return false;
  }

  onSettled(place: unknown): void {
    const settled = place as OpenPlace;
    const { part, offset } = this.#settled!;
    this.#settled = settled;
    this.options.onRead?.(settled.offset - (part === settled.part ? offset : 0));
    while (this.#parts[0] !== settled.part) void this.#parts.shift()!.close();
  }

  /** Call when something was written. */
  readonly wake = (): void => this.#more.abort();

  /** Call when no more will be written. */
  end(): void {
    this.#hasEnded = true;
    this.wake();
  }

  /** The place up to which all lines are settled; `undefined` before the part has a line. */
  async place(): Promise<SpoolPlace | undefined> {
    const { part, offset = 0, line = 0 } = this.#settled ?? {};
    const fingerprint = await part?.fingerprint();
    return fingerprint === undefined ? undefined : { part: fingerprint, offset, line };
  }

  /** Counts the lines that are not settled. @param isLast Those of a deleted part cannot be read again: they are deleted. */
  async countRest(isLast = false): Promise<number> {
    if (this.#settled === undefined) return 0;
    const { part, line } = this.#settled;
    const counted = new Map<string, PartPlace>();
    let count = Math.max(0, (await this.#linesOf(part, this.#settled, counted)) - line);
    if (isLast && (await part.handle.stat()).nlink === 0) {
      this.deletedLines += count;
      count = 0;
    }
    for (const path of await this.#names.after(part.handle)) count += await this.#linesAt(path, counted);
    // Forgets the parts that are published or deleted: they are not counted again.
    this.#counted = counted;
    return count;
  }

  /** Counts the lines of a part that is about to be deleted, if it was not begun. */
  async beforeDelete(path: string): Promise<void> {
    const part = this.#parts.at(-1);
    if (part === undefined || !(await this.#names.after(part.handle)).includes(path)) return;
    this.deletedLines += await this.#linesAt(path);
  }

  async #linesAt(path: string, counted = this.#counted): Promise<number> {
    const part = await openIfThere(path).catch(() => undefined);
    if (part === undefined) return 0;
    return this.#linesOf(part, START, counted).finally(() => part.close());
  }

  /** Counts the lines of a part; those that were there the last time are not read again. */
  async #linesOf(part: SpoolPart, from: PartPlace, counted: Map<string, PartPlace>): Promise<number> {
    const name = `${await part.fingerprint()} ${identityOf(await part.handle.stat())}`;
    const place = await part.countFrom(this.#counted.get(name) ?? from);
    this.#counted.set(name, place);
    counted.set(name, place);
    return place.line;
  }

  async close(): Promise<void> {
    for (const part of this.#parts) await part.close();
  }

  /** Counts the lines right before a place, so that those identical to them get their numbers. */
  async #readBehind(part: SpoolPart, offset: number, earlier: string[]): Promise<void> {
    let behind = await part.before(offset);
    for (const path of earlier.reverse()) {
      if (behind.length >= BEHIND_BYTES) break;
      const before = await openIfThere(path);
      behind = Buffer.concat([(await before?.before()) ?? Buffer.alloc(0), behind]);
      await before?.close();
    }
    const line = new LineView();
    for (let at = 0, end = behind.indexOf('\n'); end >= 0; at = end + 1, end = behind.indexOf('\n', at)) {
      if (line.read(behind, at, end) !== undefined) this.#messages.messageOf(line, 0);
    }
  }

  async #begin(part: SpoolPart, name: string, start = START): Promise<void> {
    this.#parts.push(part);
    if (this.#settled === undefined) this.options.onRead?.(start.offset);
    this.#settled ??= { ...start, part };
    const onDamage = (problem: ReadProblem) => {
      // A read that a stop has cut short looks torn, and a part may end where it is begun.
      if (!this.options.signal.aborted && problem.kind !== 'empty') this.options.onProblem(problem);
    };
    await part.begin(name, start, () => this.#waitFor(part), onDamage);
  }

  /** Waits until the part may have more bytes. @returns `false` when it gets no more. */
  async #waitFor(part: SpoolPart): Promise<boolean> {
    if (this.options.signal.aborted || this.#hasEnded || this.#leaving === part) return false;
    // Its writer may take a moment to leave it, and goes on with a file that only someone else has renamed.
    const { length } = await this.#names.after(part.handle);
    if (length > 0) this.#leaving = part;
    // Of several later parts, all but the last are left, too.
    if (length < 2) await this.#waitForMore();
    return true;
  }

  async #waitForMore(): Promise<void> {
    this.#more = new AbortController();
    await systemClock.sleep(POLL_MS, this.#more.signal);
  }

  /** Opens the part after the current one. @returns `undefined` when there is none and none will come. */
  async #openNext(last: SpoolPart): Promise<SpoolPart | undefined> {
    for (;;) {
      const hadEnded = this.#hasEnded;
      const [path] = await this.#names.after(last.handle);
      const part = path === undefined ? undefined : await openIfThere(path);
      if (path !== undefined && part !== undefined) {
        await this.#begin(part, path);
        return part;
      }
      if (this.options.signal.aborted || (hadEnded && path === undefined)) return undefined;
      await this.#waitForMore();
    }
  }
}

/** Opens a part, which may have been deleted or renamed since it was found: then there is another one. */
async function openIfThere(path: string): Promise<SpoolPart | undefined> {
  return SpoolPart.open(path).catch((error: OpmasError) =>
    error.code === 'USAGE' ? undefined : Promise.reject(error),
  );
}
