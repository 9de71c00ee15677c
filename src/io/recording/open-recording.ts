import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { OpmasError } from '../../core/errors.js';
import { type FileLock, type LockHolder, tryLock } from '../file-lock.js';
import { prepareAppend } from './append.js';
import { createFile, localError, openExisting, type TargetKind, targetKind } from './recording-files.js';
import { type OpenedRecording, RecordingWriter, type RecordOptions } from './recording-writer.js';

/**
 * Opens a recording for writing: creates it (mode 0600) and takes its lock. Lines are compressed when the name ends
 * in `.gz`.
 *
 * @throws {OpmasError} `USAGE`: it exists and neither `append` nor `force` is set, or it is a folder or a link.
 *   `LOCAL`: it is in use or cannot be written. `DATA`: it is not a recording that can be appended to.
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
    return new RecordingWriter({ path, size, lock, ...opened }, options);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** @throws {OpmasError} `LOCAL` when another process has the lock, or it cannot be written. */
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
    throw new OpmasError('USAGE', `${path} is a ${kind}, so it cannot be rotated`);
  }
  const handle = await openExisting(path, kind);
  return new RecordingWriter({ path, handle, size: 0, lock: undefined, isNew: false }, options);
}
