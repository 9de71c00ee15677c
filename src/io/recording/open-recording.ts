import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { OpmasError } from '../../core/errors.js';
import { checkOptions, each, type OptionRules } from '../../core/options.js';
import { systemClock } from '../clock.js';
import { type FileLock, type LockHolder, tryLock } from '../file-lock.js';
import { openToAppend } from './append.js';
import {
  createFile,
  localError,
  type OpenedFile,
  openExisting,
  type TargetKind,
  targetKind,
} from './recording-files.js';
import { RecordingWriter, type RecordOptions } from './recording-writer.js';

/** Interval of the looks at a lock whose holder cannot be seen. */
const LOCK_POLL_MS = 250;

const RECORD_RULES: OptionRules<RecordOptions> = {
  ...each(
    true,
    'append',
    'force',
    'rotateBytes',
    'rotateMs',
    'keep',
    'onNotice',
    'onDelete',
    'clock',
    'signal',
  ),
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
  if (options.append && options.force) throw new OpmasError('USAGE', 'give `append` or `force`, not both');
  const kind = await targetKind(path);
  if (kind === 'pipe' || kind === 'device') return openStreaming(path, kind, options);
  const lock = await lockRecording(path, options);
  try {
    return new RecordingWriter(await openLocked(path, options), lock, options);
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
    await systemClock.sleep(LOCK_POLL_MS, signal);
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

async function openLocked(path: string, options: RecordOptions): Promise<OpenedFile> {
  const isFree = (await targetKind(path)) === 'nothing';
  if (options.append || isFree) return openToAppend(path, options);
  if (options.force) {
    const provisionalPath = join(dirname(path), `.${randomUUID()}.tmp`);
    return { ...(await createFile(provisionalPath, options.mode)), path, provisionalPath };
  }
  throw new OpmasError('USAGE', `${path} exists`, {
    hint: 'Use `append` to add to it, `force` to replace it, or `path` to name another file.',
  });
}

async function openStreaming(
  path: string,
  kind: Exclude<TargetKind, 'nothing'>,
  options: RecordOptions,
): Promise<RecordingWriter> {
  if (options.rotateBytes !== undefined || options.rotateMs !== undefined) {
    throw new OpmasError('USAGE', `${path} is a ${kind}, so it cannot be rotated`);
  }
  return new RecordingWriter(await openExisting(path, kind), undefined, options);
}
