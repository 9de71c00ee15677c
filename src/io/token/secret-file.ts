import { constants, type Stats } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { OpmasError } from '../../core/errors.js';
import { monotonicMs } from '../clock.js';
import { reasonOf } from '../recording/recording-files.js';

/** The result of {@link readSecretFile}. */
export interface SecretFile {
  /** At most one byte more than the limit. */
  bytes: Buffer;
  /** It is a pipe or the like, which gives its content only once. */
  once: boolean;
  /** A problem of its permissions, with the fix; one line. */
  warning: string | undefined;
}

/** The waits of {@link readSecretFile}. */
export interface SecretFileOptions {
  /** The time that the writer of a named pipe may take. Default 10 s. */
  pipeLimitMs?: number | undefined;
  /** Called once when a named pipe has given nothing for a second. */
  onWait?: (() => void) | undefined;
}

const PIPE_LIMIT_MS = 10_000;
const SILENCE_MS = 1000;
const PIPE_POLL_MS = 20;

/** The next steps after failures. */
const STEPS: Readonly<Record<string, string>> = {
  ENOENT: 'Check the path.',
  EISDIR: 'Give the path of a file.',
  EACCES: 'Let this user read it.',
  EPERM: 'Let this user read it.',
};

/**
 * Reads a small file that holds a secret. Named pipes work too (`--token-file <(vault read …)`).
 *
 * @param name The name of the file in errors. @param maxBytes Reading stops one byte later.
 * @throws {OpmasError} `AUTH` when it cannot be read.
 */
export async function readSecretFile(
  path: string,
  name: string,
  maxBytes: number,
  options: SecretFileOptions = {},
): Promise<SecretFile> {
  let file: FileHandle | undefined;
  try {
    // Without O_NONBLOCK, a named pipe without a writer would block a thread forever. Windows has no such flag.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const stats = await file.stat();
    const bytes = await readSome(file, stats, maxBytes + 1, options);
    return { bytes, once: !stats.isFile(), warning: await exposure(file, path, name) };
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : reasonOf(error);
    throw new OpmasError('AUTH', `${name} cannot be read: ${why}`, { hint: STEPS[code], cause: error });
  } finally {
    await file?.close();
  }
}

async function readSome(
  file: FileHandle,
  stats: Stats,
  most: number,
  { pipeLimitMs = PIPE_LIMIT_MS, onWait }: SecretFileOptions,
): Promise<Buffer> {
  const buffer = Buffer.alloc(most);
  const start = monotonicMs();
  let reportWait = onWait;
  let length = 0;
  while (length < most) {
    const count = await readOnce(file, buffer, length);
    // A pipe whose writer has not come yet looks like an empty one.
    const waits = count === 'later' || (count === 0 && length === 0 && stats.isFIFO());
    if (waits) {
      const waited = monotonicMs() - start;
      if (waited > pipeLimitMs) throw new Error(`nothing came through the pipe in ${pipeLimitMs / 1000} s`);
      if (waited > SILENCE_MS) {
        reportWait?.();
        reportWait = undefined;
      }
      await delay(PIPE_POLL_MS);
    } else if (count === 0) break;
    else length += count;
  }
  return buffer.subarray(0, length);
}

async function readOnce(file: FileHandle, buffer: Buffer, offset: number): Promise<number | 'later'> {
  try {
    return (await file.read(buffer, offset, buffer.length - offset, null)).bytesRead;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 'later';
    throw error;
  }
}

/**
 * Finds out whether other users may read an open file; answers as a sentence with the fix. A file on a read-only mount
 * (a secret of a container) has the mode that the mount gives it, so there is no fix for that.
 */
export async function exposure(file: FileHandle, path: string, name: string): Promise<string | undefined> {
  const stats = await file.stat();
  if (process.platform === 'win32' || !stats.isFile() || (await isOnReadOnlyMount(file))) return undefined;
  const user = process.getuid?.();
  const mayChange = user === stats.uid || user === 0;
  if ((stats.mode & 0o077) !== 0) {
    const shown = /^[\w./-]+$/.test(path) ? path : `'${path}'`;
    const fix = mayChange ? `run: chmod 600 ${shown}` : 'only its owner can change that';
    return `other users of this machine may read ${name}; ${fix}`;
  }
  return mayChange || stats.uid === 0
    ? undefined
    : `${name} belongs to another user, who can change the token`;
}

/** Returns whether the mount of an open file is read-only, as far as Linux tells. */
async function isOnReadOnlyMount({ fd }: FileHandle): Promise<boolean> {
  const read = (name: string) => readFile(`/proc/self/${name}`, 'utf8').catch(() => '');
  const [, id] = /^mnt_id:\s*(\d+)/m.exec(await read(`fdinfo/${fd}`)) ?? [];
  const mounts = id === undefined ? '' : await read('mountinfo');
  // The options of the mount, then those of the file system: `36 35 98:0 /a /b ro,noatime - ext4 /dev/sda1 rw`.
  return new RegExp(`^${id} (?:\\S+ ){4}(?:ro\\b|.* - \\S+ \\S+ ro\\b)`, 'm').test(mounts);
}
