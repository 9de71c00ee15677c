import { fstatSync, lstatSync } from 'node:fs';
import { type FileHandle, readdir, readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cutTornTail } from './append.js';
import { identityAt, identityOf, type OpenedFile, removeEmptyFile } from './recording-files.js';
import { DELETED, Segment, type WrittenLines } from './segment.js';
import type { SegmentOptions } from './segment-names.js';

const LF = 0x0a;

/** A segment and its place in the file system. Others may rename, delete or cut the file meanwhile. */
export class PlacedSegment extends Segment {
  /** It was found renamed and goes on all the same. */
  wasRenamed = false;
  /** It has lines besides those that every further segment begins with. */
  hasLines: boolean;
  readonly #handle: FileHandle;
  readonly #identity: string;
  readonly #isNew: boolean;
  readonly #startMs: number;

  /** @param written Counts the lines that are in the file. */
  constructor({ path, handle, size, isNew }: OpenedFile, written: WrittenLines, startMs: number) {
    super(path, handle, size, written);
    this.#startMs = startMs;
    this.#handle = handle;
    this.#identity = identityOf(fstatSync(handle.fd));
    this.#isNew = isNew;
    this.hasLines = size > 0;
  }

  /** Resolves to `true` when the file is still at its path. */
  async isThere(): Promise<boolean> {
    return this.#isAt(this.path);
  }

  /** Does the same at once, for signal handlers. */
  isThereNow(): boolean {
    try {
      return identityOf(lstatSync(this.path)) === this.#identity;
    } catch {
      return false;
    }
  }

  /** Finds the name that the file has now; `undefined` when it has none, or one in a folder that is not known. */
  async currentName(): Promise<string | undefined> {
    if (await this.isThere()) return this.path;
    // Linux knows the name in any folder.
    const known = await readlink(`/proc/self/fd/${this.#handle.fd}`).catch(() => '');
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

  /**
   * Writes the first lines. When that fails, nothing of them stays, nor the file if it is new.
   *
   * @throws {OpmasError} `LOCAL`
   */
  async begin(lines: Buffer): Promise<void> {
    const { size } = this;
    try {
      if (lines.length > 0) await this.append(lines, 0);
      await this.flush();
    } catch (error) {
      await this.#handle.truncate(size).catch(() => undefined);
      await this.close().catch(() => undefined);
      if (this.#isNew) await removeEmptyFile(this.path);
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
    await cutTornTail(this.path, this.#handle, this.isCompressed);
    const { size } = await this.#handle.stat();
    await this.restartAt(size, size === 0 ? firstLines() : Buffer.alloc(0));
    return change;
  }

  async #isAt(path: string): Promise<boolean> {
    return (await identityAt(path)) === this.#identity;
  }
}
