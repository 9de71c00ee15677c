import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { OpmasError } from '../../core/errors.js';
import { identityOf } from './recording-files.js';
import { SegmentNames } from './segment-names.js';
import {
  isGzip,
  type OpenSource,
  openingFailed,
  openSource,
  readingFailed,
  type SourceOptions,
} from './source.js';

/** Interval of the looks at files that are followed. Network file systems tell of no change, and a look costs 0.1 ms. */
export const FOLLOW_POLL_MS = 250;

const NOTHING = Buffer.alloc(0);
const LINE_FEED = Buffer.from('\n');
/** This many bytes are read again at each look: if they have changed, the file was truncated, whatever its size. */
const TAIL_BYTES = 512;
/** A rotation leaves the path without a file for a moment. */
const LOOKS_UNTIL_MISSING = 2;

/**
 * Opens a recording that is being written, or will be. Its blocks have no end: an empty one says that all has been
 * read. It goes on with the file that comes after it when the recorder or `logrotate` renames the file, and from the
 * start when it is truncated. A pipe ends with its writer.
 *
 * @param onChange Called with a sentence when the file is missing or was truncated.
 * @throws {OpmasError} `USAGE` when it is compressed, or neither the file nor its folder exists.
 */
export async function openFollowed(
  path: string,
  options: SourceOptions,
  onChange: (message: string) => void,
): Promise<OpenSource> {
  const existing = (one: string) => stat(one).catch(() => undefined);
  const stats = path === '-' ? undefined : await existing(path);
  const isFile = stats === undefined ? path !== '-' && (await existing(dirname(path))) : stats.isFile();
  if (!isFile) return openSource(path, options);
  if (path.endsWith('.gz')) throw compressed(path);
  const file = new FollowedFile(path, options, onChange);
  if (stats !== undefined) await file.open(path, options.start);
  const identity = stats && identityOf(stats);
  return { name: path, identity, blocks: file.blocks(), close: () => file.close() };
}

function compressed(path: string): OpmasError {
  return new OpmasError('USAGE', `${path} is compressed, so it cannot be followed`, {
    hint: 'Record to a file whose name does not end in .gz, or read the recording as far as it goes.',
  });
}

class FollowedFile {
  readonly #names: SegmentNames;
  #handle: FileHandle | undefined;
  #position = 0;
  /** The bytes before the position. */
  #tail: Buffer = NOTHING;
  #misses = 0;

  constructor(
    private readonly path: string,
    private readonly options: SourceOptions,
    private readonly onChange: (message: string) => void,
  ) {
    this.#names = new SegmentNames(path, { continues: true });
  }

  /** @returns `false` when there is no such file any more; the next look finds what is there then. */
  async open(path: string, start = 0): Promise<boolean> {
    const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw openingFailed(path, error);
    });
    if (handle === undefined) return false;
    if (await isGzip(handle)) {
      await handle.close();
      throw compressed(path);
    }
    await this.#handle?.close();
    this.#handle = handle;
    this.#position = start;
    return true;
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  async *blocks(): AsyncGenerator<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(this.options.blockSize);
    for (;;) {
      let isTruncated = yield* this.#rest(buffer);
      const next = isTruncated ? undefined : await this.#next();
      // Its writer may have added lines before it went on elsewhere.
      if (next !== undefined) isTruncated = yield* this.#rest(buffer);
      if (isTruncated) {
        this.onChange(`${this.path} was truncated: reading goes on from its start`);
        yield* this.#begin();
      } else if (next !== undefined) {
        if (await this.open(next)) yield* this.#begin();
      } else {
        yield NOTHING;
      }
    }
  }

  /** Ends a line of which no more comes. */
  *#begin(): Generator<Buffer> {
    if (this.#tail.length > 0 && this.#tail.at(-1) !== LINE_FEED[0]) yield LINE_FEED;
    this.#tail = NOTHING;
    this.#position = 0;
  }

  /** @returns Whether the file was truncated: what was read last stands there no more. */
  async *#rest(buffer: Buffer): AsyncGenerator<Buffer, boolean> {
    for (;;) {
      const known = this.#tail.length;
      const read = this.#handle?.read(buffer, 0, buffer.length, this.#position - known);
      const { bytesRead = 0 } =
        (await read?.catch((error) => {
          throw readingFailed(this.path, error);
        })) ?? {};
      if (bytesRead < known || !this.#tail.equals(buffer.subarray(0, known))) return true;
      if (bytesRead === known) return false;
      this.#position += bytesRead - known;
      this.#tail = Buffer.from(buffer.subarray(Math.max(0, bytesRead - TAIL_BYTES), bytesRead));
      this.options.onRead?.(bytesRead - known);
      yield buffer.subarray(known, bytesRead);
    }
  }

  /** @returns The path of the file that comes after this one; `undefined` while there is none. */
  async #next(): Promise<string | undefined> {
    const [next] = this.#handle === undefined ? [] : await this.#names.after(this.#handle);
    const isThere = next !== undefined || (await stat(this.path).then(Boolean, () => false));
    this.#misses = isThere ? 0 : this.#misses + 1;
    if (this.#misses === LOOKS_UNTIL_MISSING) this.onChange(`${this.path} is not there: waiting for it`);
    return this.#handle === undefined && isThere ? this.path : next;
  }
}
