import { constants } from 'node:fs';
import { access, mkdir, open, realpath, rm } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OpmasError } from '../../index.js';
import { type FileLock, reasonOf, tryLock, writeInOneStep } from '../../internal.js';

/** The hint about a file that an option names. */
export const OTHER_PLACE = 'Name a file in a folder that you can write to.';
const FOLDER = 'opmas-ws';
const OWN_FOLDERS =
  'Set HOME, or XDG_CONFIG_HOME and XDG_DATA_HOME, to folders of your own. With --url and a token no file is needed.';
/** A configuration or a login is much smaller. */
const MAX_BYTES = 1024 * 1024;
const LOCK_LIMIT_MS = 12_000;
const LOCK_POLL_MS = 25;
const FOREIGN_POLL_MS = 250;

/**
 * Returns the path of the configuration: `$XDG_CONFIG_HOME/opmas-ws/config.json`, else `~/.config/…` (on macOS too,
 * where users expect the files of command line tools); `%APPDATA%\opmas-ws\config.json` on Windows. `undefined` when
 * the user has no home folder.
 */
export function configPath(environment: NodeJS.ProcessEnv, platform = process.platform): string | undefined {
  const [variable, ...names] =
    platform === 'win32' ? ['APPDATA', 'AppData', 'Roaming'] : ['XDG_CONFIG_HOME', '.config'];
  const base = absolute(environment[variable!]) ?? inHome(environment, ...names);
  return base && join(base, FOLDER, 'config.json');
}

/**
 * Returns the folder for credentials without a keychain, apart from the configuration, which users copy around:
 * `$XDG_DATA_HOME/opmas-ws`, else `~/.local/share/…`; `%LOCALAPPDATA%\opmas-ws` on Windows. `undefined` when
 * the user has no home folder.
 */
export function dataFolder(environment: NodeJS.ProcessEnv, platform = process.platform): string | undefined {
  const [variable, ...names] =
    platform === 'win32' ? ['LOCALAPPDATA', 'AppData', 'Local'] : ['XDG_DATA_HOME', '.local', 'share'];
  const base = absolute(environment[variable!]) ?? inHome(environment, ...names);
  return base && join(base, FOLDER);
}

/**
 * Returns a folder in the home folder. A `HOME` that is not absolute counts as none: a configuration in the current
 * folder may belong to another user, and names a command to run.
 */
export function inHome(environment: NodeJS.ProcessEnv, ...names: string[]): string | undefined {
  const home = absolute(environment.HOME) ?? absolute(environment.USERPROFILE) ?? accountHome();
  return home && join(home, ...names);
}

function accountHome(): string | undefined {
  try {
    return absolute(userInfo().homedir);
  } catch {
    // The user has no entry in the list of accounts, as in many containers.
    return undefined;
  }
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
export async function readPrivateFile(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    // A pipe at this place would wait for ever, and a device has no end.
    await using file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    if (!(await file.stat()).isFile()) throw new Error('it is not a file');
    const bytes = Buffer.alloc(MAX_BYTES + 1);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    if (bytesRead > MAX_BYTES) throw new Error('it is larger than 1 MiB');
    return bytes.toString('utf8', 0, bytesRead);
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined;
    throw failure('read', path, error);
  }
}

/**
 * Writes a file that only the user may read, in a folder that only the user may enter, in one step. Follows a symbolic
 * link to its target.
 *
 * @param hint What to do when permission is denied. @returns The path.
 * @throws {OpmasError} `LOCAL` when it cannot be written.
 */
export async function writePrivateFile(
  path: string | undefined,
  text: string,
  hint = OWN_FOLDERS,
): Promise<string> {
  if (path === undefined) {
    throw new OpmasError('LOCAL', 'there is no home folder to write to', {
      hint: 'Set HOME to an absolute path, or XDG_CONFIG_HOME and XDG_DATA_HOME.',
    });
  }
  try {
    await makeFolder(dirname(path));
    await writeInOneStep(await realpath(path).catch(() => path), text, { isDurable: true });
    return path;
  } catch (error) {
    throw failure('write', path, error, hint);
  }
}

/** Makes a folder and those above it. `mkdir` of Node never ends with `recursive` in `/proc`. */
async function makeFolder(path: string): Promise<void> {
  const make = () => mkdir(path, { mode: 0o700 });
  try {
    await make();
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return;
    if (!isErrno(error, 'ENOENT') || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await make().catch((again) => {
      if (!isErrno(again, 'EEXIST')) throw again;
    });
  }
}

/** Removes a file. @returns True if it existed. @throws {OpmasError} `LOCAL` when it cannot be removed. */
export async function removePrivateFile(path: string | undefined): Promise<boolean> {
  if (path === undefined) return false;
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
export async function withLock<T>(path: string | undefined, work: () => Promise<T>): Promise<T> {
  const lock = path === undefined ? undefined : await takeLock(path);
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
      await makeFolder(dirname(path));
      const result = await tryLock(path);
      if ('lock' in result) return result.lock;
      // A holder that cannot be seen is judged by a file that is made each time.
      if (result.holder.leaseMs !== undefined) await delay(FOREIGN_POLL_MS);
    } catch {
      // Without write access there is no lock; the work itself then reports the problem.
      return undefined;
    }
    await delay(LOCK_POLL_MS);
  } while (performance.now() < deadline);
  return undefined;
}

/** A file that an option names, and how an earlier file of that kind is recognized. */
interface ReplaceableFile {
  option: string;
  /** Names its content: `a report`. */
  what: string;
  /** An earlier file begins with one of these texts, of at most 256 bytes. */
  starts: readonly string[];
}

/**
 * Checks that a file can be created, or replaced because it is an earlier one, or empty.
 *
 * @throws {OpmasError} `USAGE` for any other file, folder, pipe or device. `LOCAL` when its folder takes no file.
 */
export async function checkReplaceable(path: string, file: ReplaceableFile): Promise<void> {
  if (path === '' || path === '-') {
    throw new OpmasError('USAGE', `${file.option}: ${JSON.stringify(path)} is not a file`, {
      hint: 'Name a file.',
    });
  }
  try {
    await access(dirname(path), constants.W_OK);
    // A named pipe would wait for its writer.
    await using handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    if ((await handle.stat()).isFile()) {
      const { bytesRead, buffer } = await handle.read({ length: 256 });
      const text = buffer.toString('utf8', 0, bytesRead);
      if (text === '' || file.starts.some((each) => text.startsWith(each))) return;
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT') && (error as NodeJS.ErrnoException).path === path) return;
    throw new OpmasError('LOCAL', failure('write', path, error).message, { cause: error, hint: OTHER_PLACE });
  }
  throw new OpmasError('USAGE', `${path} exists and is not ${file.what} of opmas-ws`, {
    hint: 'Name another file.',
  });
}

function isErrno(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}

function failure(verb: string, path: string, cause: unknown, hint = OWN_FOLDERS): OpmasError {
  const isDenied = ['EACCES', 'EPERM', 'EROFS'].some((code) => isErrno(cause, code));
  return new OpmasError('LOCAL', `cannot ${verb} ${path}: ${reasonOf(cause)}`, {
    cause,
    hint: isDenied ? hint : undefined,
  });
}
