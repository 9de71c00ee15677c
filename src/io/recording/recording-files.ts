/** Creates, opens, names and removes the files of recordings. */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OpmasError } from '../../core/errors.js';

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDWR, O_WRONLY } = constants;

/** An opened file that a `SegmentedWriter` writes to, and its size in bytes. */
export interface OpenedFile {
  path: string;
  handle: FileHandle;
  size: number;
  /** Tells the file from all others, whatever its name. */
  identity: string;
  /** `true` when the file was created just now; it is removed again when nothing is recorded. */
  isNew: boolean;
  /** Path of the file until its first lines are written; then it replaces the file at `path`. */
  provisionalPath?: string | undefined;
}

/** A recording tells what happens in a network, so only its owner may read it. */
const MODE = 0o600;
/** Longest wait for the reader of a named pipe. */
const PIPE_WAIT_MS = 2000;
const PIPE_POLL_MS = 50;

/** Kind of thing at the path of a recording. */
export type TargetKind = 'nothing' | 'file' | 'pipe' | 'device';

/** @throws {OpmasError} `USAGE` for things that are never written to: folders, symbolic links and the like. */
export async function targetKind(path: string): Promise<TargetKind> {
  const stats = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw localError(`${path} cannot be written`, error);
  });
  if (stats === undefined) return 'nothing';
  if (stats.isFile()) return 'file';
  if (stats.isFIFO()) return 'pipe';
  if (stats.isCharacterDevice()) return 'device';
  const what = stats.isDirectory() ? 'a folder' : stats.isSymbolicLink() ? 'a symbolic link' : 'not a file';
  throw new OpmasError('USAGE', `${path} is ${what}, so no recording is written to it`, {
    hint: stats.isSymbolicLink() ? 'Name the file that it leads to.' : 'Name a file (`path`).',
  });
}

/** Identifies a file whatever its name. */
export function identityOf({ dev, ino }: { dev: number; ino: number }): string {
  return `${dev}/${ino}`;
}

/** Identifies the file at a path; `undefined` when there is none that can be seen. */
export function identityAt(path: string): Promise<string | undefined> {
  return lstat(path).then(identityOf, () => undefined);
}

/**
 * Creates a file where there is none. Its entry in the folder survives a power failure.
 *
 * @param mode Of the file, whatever the umask.
 */
export async function createFile(path: string, mode = MODE): Promise<OpenedFile> {
  try {
    const handle = await open(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, MODE);
    if (mode !== MODE) await handle.chmod(mode);
    await syncFolder(path);
    return { path, handle, size: 0, identity: identityOf(await handle.stat()), isNew: true };
  } catch (error) {
    throw localError(`${path} cannot be created`, error);
  }
}

/** Removes a file if there is one. */
export async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw localError(`${path} cannot be replaced`, error);
  });
}

/** Removes a file if it is empty. */
export async function removeEmptyFile(path: string): Promise<boolean> {
  const stats = await lstat(path).catch(() => undefined);
  if (!stats?.isFile() || stats.size > 0) return false;
  return unlink(path).then(
    () => true,
    () => false,
  );
}

/**
 * Writes a small file in one step: readers and crashes never see a part of it.
 *
 * @param mode Default 0o600. @param temporary Path beside it, where there is nothing yet.
 * @param isDurable It survives a power failure.
 */
export async function writeInOneStep(
  path: string,
  text: string,
  { mode = MODE, temporary = join(dirname(path), `.${randomUUID()}.tmp`), isDurable = false } = {},
): Promise<void> {
  try {
    const file = await open(temporary, 'wx', MODE);
    try {
      await file.writeFile(text);
      if (mode !== MODE) await file.chmod(mode);
      if (isDurable) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  if (isDurable) await syncFolder(path);
}

/** Puts another file in the place of a file, in one step. */
export async function replaceFile(path: string, by: string): Promise<void> {
  await rename(by, path).catch((error: NodeJS.ErrnoException) => {
    // Its folder is there: lines were written into it.
    const why =
      error.code === 'ENOENT' ? `${by}, which was to replace it, has been deleted` : reasonOf(error);
    throw new OpmasError('LOCAL', `${path} cannot be replaced: ${why}`, { cause: error });
  });
  await syncFolder(path);
}

/** Opens a file, pipe or device to write at its end. */
export async function openExisting(path: string, kind: Exclude<TargetKind, 'nothing'>): Promise<OpenedFile> {
  const flags = (kind === 'file' ? O_RDWR : O_WRONLY) | O_APPEND | O_NOFOLLOW;
  const opening = kind === 'pipe' ? openPipe(path) : open(path, flags);
  const handle = await opening.catch((error: NodeJS.ErrnoException | OpmasError) => {
    throw error instanceof OpmasError ? error : localError(`${path} cannot be written`, error);
  });
  const stats = await handle.stat();
  if (kind !== 'file' || stats.nlink <= 1) {
    return { path, handle, size: stats.size, identity: identityOf(stats), isNew: false };
  }
  await handle.close();
  // A lock holds for one name, so another recorder could write to this very file under another name.
  throw new OpmasError('USAGE', `${path} has several names (hard links), so nothing is appended to it`, {
    hint: 'Copy it, and append to the copy.',
  });
}

async function openPipe(path: string): Promise<FileHandle> {
  for (let waitedMs = 0; ; waitedMs += PIPE_POLL_MS) {
    try {
      return await open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW);
    } catch (error) {
      const hasNoReader = (error as NodeJS.ErrnoException).code === 'ENXIO';
      if (!hasNoReader) throw error;
      if (waitedMs >= PIPE_WAIT_MS) {
        throw new OpmasError('LOCAL', `${path} is a named pipe without a reader`, { cause: error });
      }
    }
    await delay(PIPE_POLL_MS);
  }
}

/** Puts created or changed names of a folder on the disk. Not every system can. */
async function syncFolder(path: string): Promise<void> {
  try {
    const handle = await open(dirname(path), constants.O_RDONLY);
    await handle.sync().finally(() => handle.close());
  } catch {
    // Windows opens no folders, and some file systems sync none: they do this themselves.
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would be larger than this process may write',
  EIO: 'the disk or device has failed',
  EPIPE: 'its reader has gone away',
  ENOENT: 'its folder does not exist',
  ENOTDIR: 'the path to its folder leads through a file',
  EISDIR: 'it is a directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENAMETOOLONG: 'the name is too long',
};

/** Says in words why a file operation failed. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = REASONS[code ?? ''];
  // The text after the comma names the system call, and perhaps a temporary file.
  return reason === undefined ? message.replace(/^(E[A-Z\d]+: [^,]+),.*/s, '$1') : `${reason} (${code})`;
}

/** Turns the error of a file operation into an error for the user. @param problem As in `x.ndjson cannot be written`. */
export function localError(problem: string, error: unknown): OpmasError {
  const { code = '' } = error as NodeJS.ErrnoException;
  const hint = STEPS[code] ?? 'Choose another file (`path`).';
  return new OpmasError('LOCAL', `${problem}: ${reasonOf(error)}`, { cause: error, hint });
}

/** Next steps where another file is not the only way. */
const STEPS: Readonly<Record<string, string>> = {
  ENOSPC: 'Make room, or choose another disk (`path`).',
  EDQUOT: 'Make room, or choose another disk (`path`).',
  EFBIG: 'Raise the limit of this process (ulimit -f), or write smaller files (`rotateBytes`).',
  ENOENT: 'Make the folder first, or choose another file (`path`).',
};
