import { constants } from 'node:fs';
import { type FileHandle, lstat, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OpmasError } from '../../core/errors.js';
import { localError } from './part-file.js';

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDWR, O_WRONLY } = constants;

/** Recordings hold what happens in somebody's network: nobody else reads them. */
const MODE = 0o600;
/** How long to wait for somebody to read from a named pipe. */
const PIPE_PATIENCE_MS = 2000;
const PIPE_POLL_MS = 50;

/** What stands at the path of a recording. */
export type TargetKind = 'nothing' | 'file' | 'pipe' | 'device';

/** @throws {OpmasError} `USAGE` for what is never written to: folders, symbolic links and the like. */
export async function targetKind(path: string): Promise<TargetKind> {
  const stats = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw localError(`${path} cannot be written`, error);
  });
  if (stats === undefined) return 'nothing';
  if (stats.isFile()) return 'file';
  if (stats.isFIFO()) return 'pipe';
  if (stats.isCharacterDevice()) return 'device';
  const what = stats.isDirectory() ? 'a folder' : stats.isSymbolicLink() ? 'a symbolic link' : 'no file';
  throw new OpmasError('USAGE', `${path} is ${what}, which is never written to`, {
    hint: stats.isSymbolicLink() ? 'Name the file that it leads to.' : 'Name a file with -o.',
  });
}

/** Creates the file; there must be none. It is in its folder for good, should the power fail. */
export async function createFile(path: string): Promise<FileHandle> {
  try {
    const handle = await open(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, MODE);
    await syncFolder(path);
    return handle;
  } catch (error) {
    throw localError(`${path} cannot be created`, error);
  }
}

/** Makes way for a new file; there may be none. */
export async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw localError(`${path} cannot be replaced`, error);
  });
}

/** Puts a file in the place of another, in one step. */
export async function replaceFile(path: string, by: string): Promise<void> {
  await rename(by, path).catch((error) => {
    throw localError(`${path} cannot be replaced`, error);
  });
  await syncFolder(path);
}

/** Opens what is there, to write at its end. */
export async function openExisting(path: string, kind: Exclude<TargetKind, 'nothing'>): Promise<FileHandle> {
  if (kind === 'pipe') return openPipe(path);
  const handle = await open(path, (kind === 'file' ? O_RDWR : O_WRONLY) | O_APPEND | O_NOFOLLOW).catch(
    (error) => {
      throw localError(`${path} cannot be written`, error);
    },
  );
  // The lock goes by the name, so under another name somebody else may be writing to this very file.
  if (kind === 'file' && (await handle.stat()).nlink > 1) {
    await handle.close();
    throw new OpmasError(
      'USAGE',
      `${path} is a file with several names (hard links), which is never appended to`,
      {
        hint: 'Copy it, and append to the copy.',
      },
    );
  }
  return handle;
}

async function openPipe(path: string): Promise<FileHandle> {
  for (let waited = 0; ; waited += PIPE_POLL_MS) {
    try {
      return await open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO')
        throw localError(`${path} cannot be written`, error);
      if (waited >= PIPE_PATIENCE_MS) {
        throw new OpmasError('LOCAL', `${path} is a named pipe that nobody reads from`, { cause: error });
      }
    }
    await delay(PIPE_POLL_MS);
  }
}

/** Puts names that were created or changed in a folder on the disk. Not every system can. */
export async function syncFolder(path: string): Promise<void> {
  try {
    const handle = await open(dirname(path), constants.O_RDONLY);
    await handle.sync().finally(() => handle.close());
  } catch {
    // Windows opens no folders, and some file systems sync none: they look after it themselves.
  }
}
