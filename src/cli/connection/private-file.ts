import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OpmasError } from '../../index.js';
import { type FileLock, tryLock } from '../../internal.js';

const LOCK_LIMIT_MS = 12_000;
const LOCK_POLL_MS = 25;

/**
 * Reads a small text file; `undefined` when there is none.
 *
 * @throws {OpmasError} `LOCAL` when it can't be read.
 */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined;
    throw failure('read', path, error);
  }
}

/**
 * Writes a file that only the user may read, in a folder that only the user may enter: beside it first, then renamed,
 * so that no reader and no crash ever sees a part of it. A link is followed to the file behind it.
 *
 * @throws {OpmasError} `LOCAL` when it can't be written.
 */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const target = await realpath(path).catch(() => path);
    const beside = join(dirname(target), `.${randomUUID()}.tmp`);
    try {
      await writeDurably(beside, text);
      await rename(beside, target);
    } catch (error) {
      await rm(beside, { force: true });
      throw error;
    }
    await syncFolder(dirname(target));
  } catch (error) {
    throw failure('written', path, error);
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes a rename outlast a power cut. Not every system can; then it is as good as it gets. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}

/** Removes a file. @returns Whether there was one. @throws {OpmasError} `LOCAL` when it can't be removed. */
export async function removePrivateFile(path: string): Promise<boolean> {
  try {
    await rm(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return false;
    throw failure('removed', path, error);
  }
}

/**
 * Runs the work while this process holds the lock on that file. The lock of a killed process does not count; whoever
 * waits longer than 12 s goes on without one, because the files themselves are replaced in one step anyway.
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const lock = await takeLock(path);
  try {
    return await work();
  } finally {
    await lock?.release();
  }
}

async function takeLock(path: string): Promise<FileLock | undefined> {
  const deadline = performance.now() + LOCK_LIMIT_MS;
  do {
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const result = await tryLock(path);
      if ('lock' in result) return result.lock;
    } catch {
      // A place that can't be written has no lock; the work itself says what is wrong with it.
      return undefined;
    }
    await delay(LOCK_POLL_MS);
  } while (performance.now() < deadline);
  return undefined;
}

function isErrno(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}

function failure(what: string, path: string, cause: unknown): OpmasError {
  return new OpmasError('LOCAL', `${path} cannot be ${what}: ${(cause as Error).message}`, { cause });
}
