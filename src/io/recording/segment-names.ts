/** Names of the finished segments of a recording: `capture.ndjson` → `capture.000001.ndjson`. */
import { type FileHandle, link, lstat, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { RECEIVED_AT } from '../../core/recording/format.js';
import type { Clock } from '../clock.js';
import { hasGzipMark } from './gzip.js';
import { createFile, identityAt, identityOf, type OpenedFile, targetKind } from './recording-files.js';

/** Options for the files of a recording, all optional. */
export interface SegmentOptions {
  /** Begin a new file before one grows beyond this size in bytes (compressed bytes in a `.gz`). */
  rotateBytes?: number | undefined;
  /** Begin a new file with the first line after this many milliseconds. */
  rotateMs?: number | undefined;
  /** Number of finished files to keep besides the current one; older ones are deleted. Default: all. */
  keep?: number | undefined;
  /** Mode of new files, whatever the umask. Default 0o600: only their owner can read them. */
  mode?: number | undefined;
  /** Called with a sentence about a change to the file that was handled, such as a repair. */
  onNotice?: ((message: string) => void) | undefined;
  /** Called before a finished file is deleted, which waits for it. */
  onDelete?: ((path: string) => Promise<void>) | undefined;
  clock?: Clock | undefined;
}

/** Digits of a segment's number; `ls` and the shell's `*` then list segments in their order. */
const DIGITS = 6;
/** Numbers with more digits are not exact in JavaScript. */
const MAX_DIGITS = 15;
/** File systems without hard links answer with one of these. */
const NO_LINKS: ReadonlySet<string | undefined> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
]);

interface WrittenSegment {
  path: string;
  identity: string;
}

export class SegmentNames {
  readonly #path: string;
  readonly #folder: string;
  readonly #stem: string;
  readonly #extension: string;
  /** The recording goes on with one of an earlier recorder, whose segments are its own, too. */
  readonly #continues: boolean;
  readonly #mode: number | undefined;
  /** The finished segments of this recorder, in order. */
  readonly #written: WrittenSegment[] = [];

  /** @param path Path of the recording. */
  constructor(path: string, { continues, mode }: { continues: boolean; mode?: number | undefined }) {
    const name = basename(path);
    this.#path = path;
    this.#folder = dirname(path);
    this.#extension = /(?<=.)\.[^.]+(\.gz)?$/.exec(name)?.[0] ?? '';
    this.#stem = name.slice(0, name.length - this.#extension.length);
    this.#continues = continues;
    this.#mode = mode;
  }

  /** Creates the file of a further segment: at the path of the recording, or beside it when the path is taken. */
  async createNext(): Promise<OpenedFile> {
    const isFree = (await targetKind(this.#path)) === 'nothing';
    return createFile(isFree ? this.#path : this.#pathOf(await this.#nextNumber()), this.#mode);
  }

  /** Returns the paths of all finished segments, in order, those of earlier recorders included. */
  async finished(): Promise<string[]> {
    return (await this.#numbers()).sort((left, right) => left - right).map((number) => this.#pathOf(number));
  }

  /** Gives a finished segment its number. No file is overwritten, even one that is created at the same time. */
  async moveToNext(path: string): Promise<string> {
    for (let number = await this.#nextNumber(); ; number++) {
      const numbered = this.#pathOf(number);
      if (!(await move(path, numbered))) continue;
      await this.add(numbered);
      return numbered;
    }
  }

  /**
   * Finds the files of the recording that come after one of them, in order.
   *
   * @param file It has to be open, whether or not it is deleted: else another file may have its identity.
   */
  async after(file: FileHandle | undefined): Promise<string[]> {
    if (file === undefined) return [this.#path];
    const identity = identityOf(await file.stat());
    // A file that has left this path has its number when those are read.
    const current = await stat(this.#path).then(identityOf, () => undefined);
    if (current === identity) return [];
    const paths = await this.finished().catch(() => []);
    const later: { path: string; mtimeMs: number }[] = [];
    let isFound = false;
    // The newest first: mostly, few are later.
    for (let at = paths.length - 1; at >= 0 && !isFound; at--) {
      const stats = await stat(paths[at]!).catch(() => undefined);
      isFound = stats !== undefined && identityOf(stats) === identity;
      if (stats !== undefined && !isFound) later.unshift({ path: paths[at]!, mtimeMs: stats.mtimeMs });
    }
    // Of a deleted file only its time tells what is later. One that someone else has renamed was the newest.
    const { nlink, mtimeMs } = await file.stat();
    const finished = later.filter((each) => isFound || (nlink === 0 && each.mtimeMs >= mtimeMs));
    return [...finished.map(({ path }) => path), ...(current === undefined ? [] : [this.#path])];
  }

  /** The finished segment that is the last one of this recorder. */
  get last(): string | undefined {
    return this.#written.at(-1)?.path;
  }

  /** Takes note of a finished segment. */
  async add(path: string): Promise<void> {
    const identity = await identityAt(path);
    if (identity !== undefined) this.#written.push({ path, identity });
  }

  /**
   * Deletes the finished segments of this recording except the newest `keep`. Other files stay, whatever their name.
   *
   * @returns The sizes of those that this recorder has written.
   */
  async prune({ keep = Number.POSITIVE_INFINITY, onDelete }: SegmentOptions): Promise<number[]> {
    const sizes: number[] = [];
    if (keep === Number.POSITIVE_INFINITY) return sizes;
    const earlier = this.#continues ? await this.#earlier() : [];
    const all = [...earlier, ...this.#written];
    for (const segment of all.slice(0, Math.max(0, all.length - keep))) {
      const stats = await lstat(segment.path).catch(() => undefined);
      if (!stats?.isFile() || identityOf(stats) !== segment.identity) continue;
      await onDelete?.(segment.path);
      const isDeleted = await unlink(segment.path).then(
        () => true,
        () => false,
      );
      if (isDeleted && this.#written.includes(segment)) sizes.push(stats.size);
    }
    this.#written.splice(0, this.#written.length - keep);
    return sizes;
  }

  /** Finds the segments of earlier recorders: those whose numbers come right before the first one of this recorder. */
  async #earlier(): Promise<WrittenSegment[]> {
    const found: WrittenSegment[] = [];
    const first = this.#numberOf(basename(this.#written[0]?.path ?? '')) ?? 0;
    for (let number = first - 1; number > 0; number--) {
      const path = this.#pathOf(number);
      const identity = (await isRecording(path)) ? await identityAt(path) : undefined;
      if (identity === undefined) break;
      found.unshift({ path, identity });
    }
    return found;
  }

  async #nextNumber(): Promise<number> {
    return Math.max(0, ...(await this.#numbers())) + 1;
  }

  /** Finds the numbers of segments. A much larger number, such as a date, is not ours. */
  async #numbers(): Promise<number[]> {
    const all = (await readdir(this.#folder)).flatMap((entry) => this.#numberOf(entry) ?? []);
    for (let end = 10 ** DIGITS; ; end *= 10) {
      const numbers = all.filter((number) => number < end);
      if (!numbers.includes(end - 1)) return numbers;
    }
  }

  #pathOf(number: number): string {
    return join(this.#folder, `${this.#stem}.${String(number).padStart(DIGITS, '0')}${this.#extension}`);
  }

  #numberOf(entry: string): number | undefined {
    if (!entry.startsWith(`${this.#stem}.`) || !entry.endsWith(this.#extension)) return undefined;
    const digits = entry.slice(this.#stem.length + 1, entry.length - this.#extension.length);
    const isNumber = digits.length >= DIGITS && digits.length <= MAX_DIGITS && /^\d+$/.test(digits);
    return isNumber ? Number(digits) : undefined;
  }
}

/** Renames a file. @returns `false` when the new name is taken. */
async function move(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    await unlink(from);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    if (!NO_LINKS.has(code)) throw error;
  }
  // An empty file of our own holds the name until the rename replaces it.
  const handle = await open(to, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return undefined;
    throw error;
  });
  if (handle === undefined) return false;
  await handle.close();
  await rename(from, to);
  return true;
}

/** Returns `true` for a file that begins as our recordings do, compressed or not; `false` when it cannot be read. */
async function isRecording(path: string): Promise<boolean> {
  const beginning = Buffer.alloc(RECEIVED_AT.length);
  try {
    // Opening a named pipe would wait for its writer.
    if (!(await lstat(path)).isFile()) return false;
    const file = await open(path);
    await file.read(beginning, 0, beginning.length, 0).finally(() => file.close());
  } catch {
    return false;
  }
  return hasGzipMark(beginning) || beginning.equals(Buffer.from(RECEIVED_AT));
}
