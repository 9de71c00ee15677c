import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { OpmasError } from '../../core/errors.js';

/** A copy of what can be read only once. */
export interface Spool {
  readonly path: string;
  remove(): Promise<void>;
}

/**
 * Copies a stream to a file that nobody else can read, so that it can be read again and again.
 *
 * @param name What messages call it. @throws {OpmasError} `LOCAL` when it can't be read or written.
 */
export async function spool(input: Readable, name: string, signal?: AbortSignal): Promise<Spool> {
  const folder = await mkdtemp(join(tmpdir(), 'opmas-ws-')).catch((error) => failed(name, error));
  const remove = () => rm(folder, { recursive: true, force: true });
  const path = join(folder, 'copy');
  try {
    await pipeline(input, createWriteStream(path, { flags: 'wx', mode: 0o600 }), signal ? { signal } : {});
  } catch (error) {
    await remove();
    // Who stops does not wait for the end of an input that may have none.
    if (signal?.aborted) throw error;
    if (input.errored === error) {
      throw new OpmasError('LOCAL', `${name} cannot be read: ${(error as Error).message}`, { cause: error });
    }
    failed(name, error);
  }
  return { path, remove };
}

function failed(name: string, error: unknown): never {
  throw new OpmasError('LOCAL', `${name} cannot be copied to ${tmpdir()}: ${(error as Error).message}`, {
    hint: 'Set TMPDIR to a folder with room, or replay a file.',
    cause: error,
  });
}
