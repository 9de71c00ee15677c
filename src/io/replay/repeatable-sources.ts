import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { OpmasError } from '../../core/errors.js';
import type { ReplayNotice } from './replay-source.js';
import { type Spool, spool } from './spool.js';

/** Recordings that can be read again and again. */
export interface RepeatableSources {
  paths: readonly string[];
  /** What messages call those that are copies. */
  names: ReadonlyMap<string, string>;
  /** Takes the copies away. */
  remove(): Promise<void>;
}

/** Who waits for longer is told why. */
const NOTICE_AFTER_MS = 1000;

/**
 * Copies what can be read only once, standard input and pipes, to temporary files. Every client and every pass of a
 * loop reads a recording from its start.
 *
 * @throws {OpmasError} `USAGE` when standard input is named twice, `LOCAL` when something can't be copied; the reason of
 *   the signal.
 */
export async function repeatable(
  paths: readonly string[],
  options: {
    stdin?: Readable;
    signal?: AbortSignal;
    onNotice?: (notice: ReplayNotice) => void;
  },
): Promise<RepeatableSources> {
  if (paths.indexOf('-') !== paths.lastIndexOf('-')) {
    throw new OpmasError('USAGE', 'stdin (-) can be read only once');
  }
  const { stdin = process.stdin, signal, onNotice } = options;
  signal?.throwIfAborted();
  const failing = new AbortController();
  const stop = signal === undefined ? failing.signal : AbortSignal.any([signal, failing.signal]);
  const copies: Spool[] = [];
  const names = new Map<string, string>();
  const remove = async () => {
    await Promise.all(copies.map((copy) => copy.remove()));
  };
  const copyOf = async (input: Readable, name: string): Promise<string> => {
    const notice = setTimeout(() => onNotice?.({ kind: 'copying', source: name }), NOTICE_AFTER_MS);
    const copy = await spool(input, name, stop).finally(() => clearTimeout(notice));
    copies.push(copy);
    names.set(copy.path, name);
    return copy.path;
  };
  const pathOf = async (path: string): Promise<string> => {
    if (path === '-') return copyOf(stdin, 'stdin');
    return (await isReadOnce(path)) ? copyOf(createReadStream(path), path) : path;
  };
  // All at once, for whoever writes to several pipes may write to them in turn.
  const copying = paths.map(pathOf);
  try {
    return { paths: await Promise.all(copying), names, remove };
  } catch (error) {
    failing.abort();
    await Promise.allSettled(copying);
    await remove();
    throw error;
  }
}

/** Named pipes, process substitution, terminals. What does not exist is somebody else's to complain of. */
async function isReadOnce(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats !== undefined && !stats.isFile() && !stats.isDirectory();
}
