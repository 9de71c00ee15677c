import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { monotonicMs, shared } from '../clock.js';
import { BEHIND_BYTES, FollowedPart, NOTHING, type Place } from './followed-part.js';
import { SegmentNames } from './segment-names.js';
import { type OpenSource, openingFailed, openSource, type SourceOptions } from './source.js';

/** Interval of the looks at files that are followed. Network file systems tell of no change, and a look costs 0.1 ms. */
export const FOLLOW_POLL_MS = 250;
/** A rotation leaves the path without a file for a moment. */
const MISSING_MS = 200;
/** Parts that are open at a time. Later ones are not looked for, and not counted. */
const MOST_OPEN = 500;

/** Options of a {@link FollowedRecording}. */
export interface FollowOptions extends Partial<Pick<SourceOptions, 'blockSize' | 'onRead'>> {
  /** Called with a sentence when the file is missing or was truncated (its lines may come again), or a place is gone. */
  onChange(message: string, wasTruncated?: boolean): void;
  /**
   * Called when a part was deleted before its lines were settled, with their number and that of all such lines. A part
   * stays open until {@link FollowedRecording.settle} then. Default: until the next one is read.
   */
  onDeleted?: ((lines: number, all: number) => void) | undefined;
}

/**
 * A recording from one place on, with all later parts, also while it is written. The source of a part ends when its
 * writer goes on elsewhere or the file is truncated, and has a next one.
 */
export class FollowedRecording {
  /** No more is written, so the end of the last part is the end. */
  hasEnded = false;
  /** Lines of parts that were deleted before they were settled. */
  deletedLines = 0;
  /** The part that is read. */
  current: FollowedPart | undefined;
  /** The open parts in order, those that were not read yet, too: what is deleted can be read as long as it is open. */
  readonly #parts: FollowedPart[] = [];
  readonly #names: SegmentNames;
  /** Paths of the parts before the first one. */
  #earlier: string[] = [];
  /** The part that its writer has left: it is read once more. */
  #leaving: FollowedPart | undefined;
  /** The time since which there is no file. */
  #missingMs: number | undefined;
  #isClosed = false;

  constructor(
    private readonly path: string,
    private readonly options: FollowOptions,
  ) {
    this.#names = new SegmentNames(path, { continues: true });
  }

  /**
   * Opens the part that has a place, else the first one.
   *
   * @param place Default: the start of the file that has the name of the recording now.
   * @throws {OpmasError} `USAGE` when there is none, `LOCAL` when it cannot be read.
   */
  async open(place?: Place<string>): Promise<OpenSource> {
    // A folder that cannot be listed may still have the file.
    const paths = [...(await this.#names.finished().catch(() => [])), this.path];
    for (const [at, path] of paths.entries()) {
      const part = await FollowedPart.open(path);
      if (part !== undefined && (place === undefined ? path === this.path : await part.has(place))) {
        this.#earlier = place === undefined ? [] : paths.slice(0, at);
        return this.#begin(part, place);
      }
      await part?.handle.close();
    }
    if (place !== undefined) {
      const what = `the part of ${this.path} at which publishing ended the last time is gone`;
      this.options.onChange(`${what}: if it had further lines, they are not published`);
    }
    const part = await FollowedPart.open(paths[0]!);
    if (part === undefined) throw openingFailed(this.path, Object.assign(new Error(), { code: 'ENOENT' }));
    return this.#begin(part);
  }

  /** Opens the file that has the name of the recording, now or later. */
  async openNow(offset = 0): Promise<OpenSource> {
    const part = await FollowedPart.open(this.path);
    return part === undefined ? this.#gap() : this.#begin(part, { offset });
  }

  /** Returns what stands before a place in the first part, in earlier ones, too: whole lines, about 1 MiB. */
  async before({ part, offset }: Place<FollowedPart>): Promise<Buffer> {
    let behind = await part.before(offset);
    for (const path of this.#earlier.reverse()) {
      if (behind.length >= BEHIND_BYTES) break;
      const before = await FollowedPart.open(path);
      behind = Buffer.concat([(await before?.before()) ?? NOTHING, behind]);
      await before?.handle.close();
    }
    return behind;
  }

  /** There may be later parts that are not open, and not counted. */
  get isFull(): boolean {
    return this.#parts.length >= MOST_OPEN;
  }

  /** Closes the parts before one, whose lines are not needed any more. */
  settle(part: FollowedPart): void {
    while (this.#parts[0] !== part) void this.#parts.shift()!.handle.close();
  }

  /**
   * Counts the lines that come after a place.
   *
   * @param isLast Those of deleted parts cannot be read again: they are deleted.
   */
  async countAfter(place: Place<FollowedPart>, isLast = false): Promise<number> {
    await this.lookAhead();
    let count = 0;
    for (const part of this.#parts.slice(Math.max(0, this.#parts.indexOf(place.part)))) {
      const known = part === place.part ? place : undefined;
      const lines = part.wasTruncated ? 0 : (await part.countLines(known)) - (known?.line ?? 0);
      if (isLast && (await part.isDeleted())) this.#onDeleted(lines);
      else count += lines;
    }
    return count;
  }

  /** Looks for later parts, and for those that were deleted unread. To be called before parts are deleted, or often. */
  async lookAhead(): Promise<void> {
    if (this.current === undefined) return;
    await this.#findLater();
    for (const part of this.#after(this.current)) {
      if (!(await part.isDeleted())) continue;
      const lines = await part.countLines();
      // Meanwhile, reading may have come to it.
      if (!this.#after(this.current).includes(part)) continue;
      this.#parts.splice(this.#parts.indexOf(part), 1);
      await part.handle.close();
      this.#onDeleted(lines);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#findLater().catch(() => undefined);
    for (const part of this.#parts) await part.handle.close();
  }

  #onDeleted(lines: number): void {
    this.deletedLines += lines;
    if (lines > 0) this.options.onDeleted?.(lines, this.deletedLines);
  }

  #begin(part: FollowedPart, { offset = 0, line }: { offset?: number; line?: number } = {}): OpenSource {
    if (!this.#parts.includes(part)) this.#parts.push(part);
    this.current = part;
    if (this.options.onDeleted === undefined) this.settle(part);
    return {
      name: part.path,
      identity: part.identity,
      start: offset,
      line,
      blocks: part.blocks(offset, { ...this.options, goesOn: () => this.#goesOn(part) }),
      next: () => this.#next(part),
      close: () => this.close(),
    };
  }

  /** Stands for a part that has not come yet. */
  #gap(last?: FollowedPart): OpenSource {
    const blocks = this.#waitAfter(last);
    return { name: this.path, blocks, next: () => this.#next(last), close: () => this.close() };
  }

  async *#waitAfter(last?: FollowedPart): AsyncGenerator<Buffer> {
    do {
      yield NOTHING;
      await this.#findLater();
    } while (!this.hasEnded && this.#after(last).length === 0);
  }

  /** Returns whether a part may get more. */
  async #goesOn(part: FollowedPart): Promise<boolean> {
    if (this.hasEnded) return false;
    await this.#findLater();
    const [next, ...others] = this.#after(part);
    // Of several later parts, all but the last are left, too.
    if (others.length > 0) return false;
    // Someone else may have renamed the part and made the next file, while its writer has not gone on in that yet.
    if (next === undefined || (await next.handle.stat()).size === 0) return true;
    const isLeaving = this.#leaving === part;
    this.#leaving = part;
    return !isLeaving;
  }

  /** Begins the part after another one. @returns `undefined` at the end. */
  async #next(last?: FollowedPart): Promise<OpenSource | undefined> {
    const { hasEnded } = this;
    const again = last?.wasTruncated ? await FollowedPart.open(last.path) : undefined;
    if (again !== undefined) {
      this.#parts.splice(this.#parts.indexOf(last!) + 1, 0, again);
      this.options.onChange(`${this.path} was truncated: reading goes on from its start`, true);
    }
    await this.#findLater();
    const [next] = this.#after(last);
    if (this.#isClosed) return undefined;
    if (next !== undefined) return this.#begin(next);
    return hasEnded ? undefined : this.#gap(last);
  }

  /** Returns the open parts after one. */
  #after(part: FollowedPart | undefined): FollowedPart[] {
    return this.#parts.slice(part === undefined ? 0 : this.#parts.indexOf(part) + 1);
  }

  /** Opens the parts that have come after the last one. */
  readonly #findLater = shared(async (): Promise<void> => {
    const laterPaths = () => this.#names.after(this.#parts.at(-1)?.handle);
    const paths = this.isFull || this.#isClosed ? [] : await laterPaths();
    for (const path of paths.slice(0, MOST_OPEN - this.#parts.length)) {
      const part = this.#isClosed ? undefined : await FollowedPart.open(path);
      if (part === undefined) break;
      // A rotation may have put another file at the path of the recording, before it was opened.
      if (path !== this.path || (await laterPaths())[0] === path) this.#parts.push(part);
      else await part.handle.close();
    }
    if (await stat(this.path).then(Boolean, () => false)) this.#missingMs = undefined;
    else this.#missingMs ??= monotonicMs();
    if (monotonicMs() - (this.#missingMs ?? Number.POSITIVE_INFINITY) < MISSING_MS) return;
    this.#missingMs = Number.POSITIVE_INFINITY;
    this.options.onChange(`${this.path} is not there: waiting for it`);
  });
}

/**
 * Opens a recording that is being written, or will be. Its blocks have no end: an empty one says that all has been
 * read. It goes on with the file that comes after it when the recorder or `logrotate` renames the file, and from the
 * start when it is truncated. A pipe ends with its writer.
 *
 * @param onChange Called with a sentence when the file is missing or was truncated.
 * @throws {OpmasError} `USAGE` when neither the file nor its folder exists.
 */
export async function openFollowed(
  path: string,
  options: SourceOptions,
  onChange: (message: string) => void,
): Promise<OpenSource> {
  const stats = await stat(path).catch(() => undefined);
  const mayCome = stats?.isFile() ?? (await stat(dirname(path)).then(Boolean, () => false));
  if (path === '-' || !mayCome) return openSource(path, options);
  return new FollowedRecording(path, { ...options, onChange }).openNow(options.start);
}
