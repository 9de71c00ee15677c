import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, realpath, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OpmasError } from '../../index.js';
import { type FileLock, tryLock } from '../../internal.js';

type Environment = Readonly<Record<string, string | undefined>>;

const FOLDER = 'opmas-ws';
const LOCK_LIMIT_MS = 12_000;
const LOCK_POLL_MS = 25;

/**
 * Returns the path of the configuration: `$XDG_CONFIG_HOME/opmas-ws/config.json`, else `~/.config/…` (on macOS too,
 * where users expect the files of command line tools); `%APPDATA%\opmas-ws\config.json` on Windows.
 */
export function configPath(environment: Environment, platform = process.platform): string {
  const base =
    platform === 'win32'
      ? (absolute(environment.APPDATA) ?? join(homedir(), 'AppData', 'Roaming'))
      : (absolute(environment.XDG_CONFIG_HOME) ?? join(homedir(), '.config'));
  return join(base, FOLDER, 'config.json');
}

/**
 * Returns the folder for credentials without a keychain, apart from the configuration, which users copy around:
 * `$XDG_DATA_HOME/opmas-ws`, else `~/.local/share/…`; `%LOCALAPPDATA%\opmas-ws` on Windows.
 */
export function dataFolder(environment: Environment, platform = process.platform): string {
  const base =
    platform === 'win32'
      ? (absolute(environment.LOCALAPPDATA) ?? join(homedir(), 'AppData', 'Local'))
      : (absolute(environment.XDG_DATA_HOME) ?? join(homedir(), '.local', 'share'));
  return join(base, FOLDER);
}

/** Drops a relative path, as the XDG specification demands. */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}

/**
 * Reads a small text file; `undefined` when there is none.
 *
 * @throws {OpmasError} `LOCAL` when it cannot be read.
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
 * Writes a file that only the user may read, in a folder that only the user may enter. Writes a temporary file and
 * renames it, so that readers and crashes never see a partial file. Follows a symbolic link to its target.
 *
 * @throws {OpmasError} `LOCAL` when it cannot be written.
 */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const target = await realpath(path).catch(() => path);
    const temporary = join(dirname(target), `.${randomUUID()}.tmp`);
    try {
      await writeDurably(temporary, text);
      await rename(temporary, target);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncFolder(dirname(target));
  } catch (error) {
    throw failure('write', path, error);
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

/** Makes a rename survive a power loss, on systems that can do so. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}

/** Removes a file. @returns True if it existed. @throws {OpmasError} `LOCAL` when it cannot be removed. */
export async function removePrivateFile(path: string): Promise<boolean> {
  try {
    await rm(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return false;
    throw failure('remove', path, error);
  }
}

/**
 * Runs the work while this process holds the lock on a file. The lock of a killed process does not count. After 12 s
 * the work runs without a lock, which is safe: the files are always replaced in one step.
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
      // Without write access there is no lock; the work itself then reports the problem.
      return undefined;
    }
    await delay(LOCK_POLL_MS);
  } while (performance.now() < deadline);
  return undefined;
}

function isErrno(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}

function failure(verb: string, path: string, cause: unknown): OpmasError {
  return new OpmasError('LOCAL', `cannot ${verb} ${path}: ${(cause as Error).message}`, { cause });
}
