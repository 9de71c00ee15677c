import { randomUUID } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OpmasError } from '../../core/errors.js';
import { checkOptions, each, type OptionRules } from '../../core/options.js';
import { type FileLock, type LockHolder, tryLock } from '../file-lock.js';
import { prepareAppend } from './append.js';
import {
  createFile,
  localError,
  type OpenedFile,
  openExisting,
  removeFile,
  type TargetKind,
  targetKind,
} from './recording-files.js';
import { RecordingWriter, type RecordOptions } from './recording-writer.js';
import { SegmentNames } from './segment-names.js';

/** Interval of the looks at a lock whose holder cannot be seen. */
const LOCK_POLL_MS = 250;

const RECORD_RULES: OptionRules<RecordOptions> = {
  ...each(true, 'append', 'force', 'rotateBytes', 'rotateMs', 'keep', 'onNotice', 'clock', 'signal'),
  mode: [isMode, 'must let the owner read and write, such as 0o640'],
};

function isMode(mode: number): boolean {
  return Number.isInteger(mode) && (mode & 0o600) === 0o600 && mode <= 0o777;
}

/**
 * Opens a recording for writing: creates it and takes its lock. Lines are compressed when the name ends
 * in `.gz`.
 *
 * @throws {OpmasError} `USAGE`: it exists and neither `append` nor `force` is set, or it is a folder or a link.
 *   `LOCAL`: it is in use or cannot be written. `DATA`: it is not a recording that can be appended to.
 */
export async function openRecording(path: string, options: RecordOptions = {}): Promise<RecordingWriter> {
  checkOptions('openRecording', options, RECORD_RULES);
  if (options.append && options.force) throw new OpmasError('USAGE', 'append and force exclude each other');
  const kind = await targetKind(path);
  if (kind === 'pipe' || kind === 'device') return openStreaming(path, kind, options);
  const lock = await lockRecording(path, options);
  try {
    const opened = await openLocked(path, options);
    const { size } = await opened.handle.stat();
    return new RecordingWriter({ path, size, ...opened }, lock, options);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/**
 * Takes the lock of a recording. Waits while its holder cannot be seen from here and shows no sign of life, as after
 * the end of a container: until its lease has run out.
 *
 * @throws {OpmasError} `LOCAL` when another process has the lock, or it cannot be written.
 */
async function lockRecording(path: string, { onNotice, signal }: RecordOptions): Promise<FileLock> {
  let first: LockHolder | undefined;
  for (;;) {
    const result = await tryLock(path).catch((error: unknown) => {
      throw localError(`${path} cannot be written`, error);
    });
    if ('lock' in result) return result.lock;
    const { holder } = result;
    const isRenewed = first !== undefined && first.renewedMs !== holder.renewedMs;
    if (holder.leaseMs === undefined || isRenewed || signal?.aborted) throw inUse(path, holder);
    if (first === undefined) {
      const seconds = Math.ceil(holder.leaseMs / 1000);
      onNotice?.(
        `${path} is locked by ${nameOf(holder)}; waiting up to ${seconds} s for a sign of life from it`,
      );
    }
    first ??= holder;
    await delay(LOCK_POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}

function nameOf({ pid, host, leaseMs }: LockHolder): string {
  if (leaseMs === undefined) return `pid ${pid}`;
  return `pid ${pid} ${host === hostname() ? 'in another container' : `on ${host}`}`;
}

function inUse(path: string, holder: LockHolder): OpmasError {
  return new OpmasError('LOCAL', `${path} is in use by ${nameOf(holder)}`, {
    hint: 'Another recorder writes to it. Choose another file (`path`).',
  });
}

async function openLocked(
  path: string,
  options: RecordOptions,
): Promise<Pick<OpenedFile, 'handle' | 'isNew' | 'provisionalPath'>> {
  const kind = await targetKind(path);
  if (kind === 'nothing') return { handle: await createFile(path, options.mode), isNew: true };
  if (options.force) {
    const provisionalPath = join(dirname(path), `.${randomUUID()}.tmp`);
    return { handle: await createFile(provisionalPath, options.mode), isNew: true, provisionalPath };
  }
  if (!options.append) {
    throw new OpmasError('USAGE', `${path} exists`, {
      hint: 'Use `append` to add to it, `force` to replace it, or `path` to name another file.',
    });
  }
  if (await finishRotation(path)) return { handle: await createFile(path, options.mode), isNew: true };
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

/** Completes the renaming of a segment whose recorder was killed meanwhile, so that the file has both names. */
async function finishRotation(path: string): Promise<boolean> {
  const { nlink } = await lstat(path);
  const segment = nlink > 1 ? await new SegmentNames(path, { continues: true }).sameAs(path) : undefined;
  if (segment !== undefined) await removeFile(path);
  return segment !== undefined;
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
  return new RecordingWriter({ path, handle, size: 0, isNew: false }, undefined, options);
}
