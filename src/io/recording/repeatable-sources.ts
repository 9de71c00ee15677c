import { rmSync } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { clearTimeout, setTimeout } from 'node:timers';
import { OpmasError } from '../../core/errors.js';
import { isStreamAddress } from '../../core/jetstream/address.js';
import { unlessStopped } from '../clock.js';
import type { StreamReadOptions } from '../jetstream/target.js';
import { reasonOf } from './recording-files.js';
import { type OpenSource, openSource } from './source.js';

/** Recordings that can be read again and again, merged by time. */
export interface RepeatableSources {
  paths: readonly string[];
  /** Names of copies in messages, where the path would say nothing. */
  names: ReadonlyMap<string, string>;
  /** Removes the copies. */
  removeCopies(): Promise<void>;
}

/** A copy that takes longer than this is reported. */
const SLOW_AFTER_MS = 1000;
const BLOCK_BYTES = 256 * 1024;

/**
 * Copies sources that can be read only once, standard input and pipes, to temporary files: every client and every pass
 * of a loop reads a recording from its start.
 *
 * @param onSlow Called when the copying of a source takes long.
 * @param streams Returns how a stream of NATS is read, to copy it, too. Default: it is read again and again.
 * @throws {OpmasError} `USAGE`: standard input is named twice. `LOCAL`: a source cannot be copied.
 * @throws The reason of the signal.
 */
export async function repeatable(
  paths: readonly string[],
  onSlow: (name: string) => void,
  signal: AbortSignal | undefined,
  stdin: Readable = process.stdin,
  streams?: (address: string) => StreamReadOptions,
): Promise<RepeatableSources> {
  if (paths.indexOf('-') !== paths.lastIndexOf('-')) {
    throw new OpmasError('USAGE', 'stdin (-) can be read only once');
  }
  signal?.throwIfAborted();
  const failing = new AbortController();
  const stop = signal === undefined ? failing.signal : AbortSignal.any([signal, failing.signal]);
  const folders: string[] = [];
  const names = new Map<string, string>();
  const removeNow = () => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', removeNow);
  const removeCopies = async () => {
    process.off('exit', removeNow);
    await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
  };
  const pathOf = async (path: string): Promise<string> => {
    const isStream = isStreamAddress(path);
    const stream = isStream ? streams?.(path) : undefined;
    if (isStream ? stream === undefined : path !== '-' && !(await isReadOnce(path))) return path;
    const name = path === '-' ? 'stdin' : path;
    const timer = setTimeout(onSlow, SLOW_AFTER_MS, name);
    try {
      const folder = await mkdtemp(join(tmpdir(), 'opmas-ws-')).catch((error) => cannotCopy(name, error));
      folders.push(folder);
      const target = join(folder, 'copy');
      const reading = { ...stream, stdin, signal: stop, isRaw: true, blockSize: BLOCK_BYTES };
      const source = await openSource(path, reading);
      // A stop does not wait for an input that has no end, nor for a read that does not return.
      const close = () => void source.close().catch(() => undefined);
      await unlessStopped(copy(source, target), stop).finally(close);
      stop.throwIfAborted();
      names.set(target, name);
      return target;
    } finally {
      clearTimeout(timer);
    }
  };
  // All at once, because the writer of several pipes may write to them in turn.
  const copying = paths.map(pathOf);
  try {
    return { paths: await Promise.all(copying), names, removeCopies };
  } catch (error) {
    failing.abort();
    await Promise.allSettled(copying);
    await removeCopies();
    throw error;
  }
}

/** Copies a source to a file that only its owner can read. */
async function copy({ name, blocks }: OpenSource, path: string): Promise<void> {
  await writeFile(path, blocks, { flag: 'wx', mode: 0o600 }).catch((error: unknown) => {
    throw error instanceof OpmasError ? error : cannotCopy(name, error);
  });
}

function cannotCopy(name: string, error: unknown): never {
  throw new OpmasError('LOCAL', `${name} cannot be copied to ${tmpdir()}: ${reasonOf(error)}`, {
    hint: 'Set TMPDIR to a folder with room, or name a file.',
    cause: error,
  });
}

/** Named pipes, process substitution and terminals. A missing file is reported when it is opened. */
async function isReadOnce(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats !== undefined && !stats.isFile() && !stats.isDirectory();
}
