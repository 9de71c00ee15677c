import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { OpmasError } from '../../core/errors.js';
import type { LineBatch } from '../../core/recording/format.js';
import type { Clock } from '../clock.js';
import { type FileLock, type LockHolder, tryLock } from '../file-lock.js';
import { prepareAppend } from './append.js';
import { FileRecording, type OpenedRecording } from './file-recording.js';
import { localError } from './part-file.js';
import { createFile, openExisting, type TargetKind, targetKind } from './target.js';

/** What {@link openRecording} takes besides the path; all of it optional. */
export interface RecordOptions {
  /** Add to an existing recording; it is created if need be. A torn tail is cut off first. */
  append?: boolean | undefined;
  /** Replace an existing file, with the first line; it stays when there is none. */
  force?: boolean | undefined;
  /** Begin a new part before a file grows over so many bytes (compressed ones in a `.gz`). */
  rotateBytes?: number | undefined;
  /** Begin a new part with the first line after so many milliseconds. */
  rotateMs?: number | undefined;
  /** Keep so many finished parts besides the one that is written; delete older ones. Default: all. */
  keep?: number | undefined;
  /** Told, in a sentence, of what happened to the file and was dealt with. */
  onNotice?: ((message: string) => void) | undefined;
  clock?: Clock | undefined;
}

/** A recording that is being written. */
export interface RecordingWriter {
  /** The file that lines go to now. */
  readonly path: string;
  /** Lines that are in the files, and their bytes before compression. */
  readonly lines: number;
  readonly bytes: number;
  /** Bytes of the files that this recorder has written to. */
  readonly size: number;
  /** How many files those are. */
  readonly parts: number;
  /**
   * Appends the lines. They are in the file when it resolves (in a `.gz` at most half a second later), and on the disk
   * within a second. Until then the batch must stay as it is. Do not call it again and again without waiting: what
   * waits for a slow disk takes memory. A few batches at a time are written as one.
   *
   * @throws {OpmasError} `LOCAL` when they can't be written. The file then ends with the last whole line that could;
   *   {@link lostLines} says how many could not. Every later call throws the same.
   */
  write(batch: LineBatch): Promise<void>;
  /** Lines that were handed over and are not in the files. */
  readonly lostLines: number;
  /**
   * Puts everything on the disk and gives the file up; a new one that got no line goes. Call it also after a failure.
   *
   * @throws {OpmasError} `LOCAL`, when something could not be written that no {@link write} has told of.
   */
  close(): Promise<void>;
}

/**
 * Opens a recording for writing: creates it (mode 0600) and takes its lock. Lines are compressed when the name ends
 * in `.gz`.
 *
 * @throws {OpmasError} `USAGE`: it exists and neither `append` nor `force` is set, or it is nothing to write to.
 *   `LOCAL`: it is in use or can't be written. `DATA`: it is nothing that can be appended to.
 */
export async function openRecording(path: string, options: RecordOptions = {}): Promise<RecordingWriter> {
  if (options.append && options.force)
    throw new OpmasError('USAGE', '--append and --force exclude each other');
  const kind = await targetKind(path);
  if (kind === 'pipe' || kind === 'device') return openStreaming(path, kind, options);
  const lock = await lockRecording(path);
  try {
    const opened = await openLocked(path, options);
    const { size } = await opened.handle.stat();
    return new FileRecording({ path, size, lock, ...opened }, options);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** @throws {OpmasError} `LOCAL` when another process has the lock, or it can't be written. */
async function lockRecording(path: string): Promise<FileLock> {
  const result = await tryLock(path).catch((error: unknown) => {
    throw localError(`${path} cannot be written`, error);
  });
  if ('holder' in result) throw inUse(path, result.holder);
  return result.lock;
}

function inUse(path: string, { pid, host }: LockHolder): OpmasError {
  const where = host === hostname() ? '' : ` on ${host}`;
  return new OpmasError('LOCAL', `${path} is in use by pid ${pid}${where}`, {
    hint: 'Another recorder writes to it. Choose another file with -o.',
  });
}

async function openLocked(
  path: string,
  options: RecordOptions,
): Promise<Pick<OpenedRecording, 'handle' | 'isNew' | 'provisionalPath'>> {
  const kind = await targetKind(path);
  if (kind === 'nothing') return { handle: await createFile(path), isNew: true };
  if (options.force) {
    const provisionalPath = join(dirname(path), `.${randomUUID()}.tmp`);
    return { handle: await createFile(provisionalPath), isNew: true, provisionalPath };
  }
  if (!options.append) {
    throw new OpmasError('USAGE', `${path} exists`, {
      hint: 'Use --append to add to it, --force to replace it, or -o to name another file.',
    });
  }
  const handle = await openExisting(path, 'file');
  try {
    const repair = await prepareAppend(path, handle, path.endsWith('.gz'));
    if (repair !== undefined) options.onNotice?.(repair);
    return { handle, isNew: false };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function openStreaming(
  path: string,
  kind: Exclude<TargetKind, 'nothing'>,
  options: RecordOptions,
): Promise<RecordingWriter> {
  if (options.rotateBytes !== undefined || options.rotateMs !== undefined) {
    throw new OpmasError('USAGE', `${path} is no file, so it cannot be rotated`);
  }
  const handle = await openExisting(path, kind);
  return new FileRecording({ path, handle, size: 0, lock: undefined, isNew: false }, options);
}
