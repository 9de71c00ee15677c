import { lstatSync } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cutTornTail } from './append.js';
import { identityAt, identityOf, type OpenedFile, removeFile, replaceFile } from './recording-files.js';
import { DELETED, Segment, type WrittenLines } from './segment.js';
import type { SegmentOptions } from './segment-names.js';

const LF = 0x0a;

/** A segment and its place in the file system. Others may rename, delete or cut the file meanwhile. */
export class PlacedSegment extends Segment {
  /** It was found renamed and goes on all the same. */
  wasRenamed = false;
  /** It has lines besides those that every further segment begins with. */
  hasLines: boolean;
  readonly #file: OpenedFile;
  readonly #startMs: number;

  /** @param written Counts the lines that are in the file. */
  constructor(file: OpenedFile, written: WrittenLines, startMs: number) {
    super(file.path, file.handle, file.size, written);
    this.#startMs = startMs;
    this.#file = { ...file };
    this.hasLines = file.size > 0;
  }

  /** The recorder has created it. */
  get isNew(): boolean {
    return this.#file.isNew;
  }

  /** Will replace the file at its path; see {@link install}. */
  get isProvisional(): boolean {
    return this.#file.provisionalPath !== undefined;
  }

  /** Puts a provisional file in its place, with all lines so far in it. */
  async install(): Promise<void> {
    const { provisionalPath } = this.#file;
    if (provisionalPath === undefined) return;
    await this.flush();
    await replaceFile(this.path, provisionalPath);
    this.#file.provisionalPath = undefined;
  }

  /** Closes the file, and removes it. */
  async discard(): Promise<void> {
    await this.close().catch(() => undefined);
    await removeFile(this.#placePath);
  }

  get #placePath(): string {
    return this.#file.provisionalPath ?? this.path;
  }

  /** Resolves to `true` when the file is still at its path. */
  async isThere(): Promise<boolean> {
    return this.#isAt(this.#placePath);
  }

  /** Does the same at once, for signal handlers. */
  isThereNow(): boolean {
    try {
      return identityOf(lstatSync(this.#placePath)) === this.#file.identity;
    } catch {
      return false;
    }
  }

  /** Finds the name that the file has now; `undefined` when it has none, or one in a folder that is not known. */
  async currentName(): Promise<string | undefined> {
    if (await this.isThere()) return this.path;
    // Linux knows the name in any folder.
    const known = await readlink(`/proc/self/fd/${this.#file.handle.fd}`).catch(() => '');
    if (known !== '' && (await this.#isAt(known))) return known;
    const folder = dirname(this.path);
    for (const entry of await readdir(folder).catch(() => [])) {
      if (await this.#isAt(join(folder, entry))) return join(folder, entry);
    }
    return undefined;
  }

  /** Finds out what someone else has done to it since the last examination. */
  async examinePlace(): Promise<{ change: string | undefined; isThere: boolean }> {
    const change = await this.examine();
    const isThere = await this.isThere();
    return { change: change ?? (isThere || this.wasRenamed ? undefined : 'renamed'), isThere };
  }

  /** Returns how many bytes of the lines fit into the file; 0 when it is full or old. It takes at least one line. */
  async lengthThatFits(lines: Buffer, options: SegmentOptions, nowMs: number): Promise<number> {
    const { rotateBytes: limit = Number.POSITIVE_INFINITY, rotateMs = Number.POSITIVE_INFINITY } = options;
    if (this.hasLines && nowMs - this.#startMs >= rotateMs) return 0;
    if (this.mostSize + lines.length <= limit) return lines.length;
    // Only a flush tells the compressed size of the lines so far.
    await this.flush();
    const room = limit - this.mostSize;
    if (lines.length <= room) return lines.length;
    const end = room > 0 ? lines.lastIndexOf(LF, room - 1) + 1 : 0;
    return end > 0 || this.hasLines ? end : lines.indexOf(LF) + 1 || lines.length;
  }

  /** Writes the first lines of a further segment. None of them stays after a failure. @throws {OpmasError} `LOCAL` */
  async begin(lines: Buffer): Promise<void> {
    const { size } = this;
    try {
      await this.append(lines, 0);
      await this.flush();
    } catch (error) {
      await this.#file.handle.truncate(size).catch(() => undefined);
      if (this.isNew && (await this.isThere())) await this.discard().catch(() => undefined);
      await this.close().catch(() => undefined);
      throw error;
    }
  }

  /**
   * Makes the file whole again when someone has cut it. Compressed data begins anew: what follows the cut could not be
   * unpacked.
   *
   * @param firstLines Returns the lines for the start of a file that was emptied.
   * @returns A word for the change; `undefined` when it was not cut.
   * @throws {OpmasError} `LOCAL`
   */
  async goOnAfterCut(firstLines: () => Buffer): Promise<string | undefined> {
    const change = await this.examine();
    if (change === undefined || change === DELETED) return undefined;
    const { handle } = this.#file;
    await cutTornTail(this.path, handle, this.isCompressed);
    const { size } = await handle.stat();
    await this.restartAt(size, size === 0 ? firstLines() : Buffer.alloc(0));
    return change;
  }

  async #isAt(path: string): Promise<boolean> {
    return (await identityAt(path)) === this.#file.identity;
  }
}
