import { OpmasError } from '../../core/errors.js';
import { isStreamAddress } from '../../core/jetstream/address.js';
import { openFollowed } from './follow.js';
import type { ReaderOptions } from './read-options.js';
import { leftOut, type OpenSource, openSource, withoutLocks } from './source.js';

/** Memory for the blocks of all sources together. */
const TOTAL_BLOCK_BYTES = 4 * 1024 * 1024;
const MAX_BLOCK_BYTES = 512 * 1024;
const MIN_BLOCK_BYTES = 16 * 1024;

/**
 * Opens the sources of a reader; one that has several names is read once.
 *
 * @throws {OpmasError} `USAGE` when there is no such file, `LOCAL` when it cannot be opened.
 */
export async function openSources(paths: readonly string[], options: ReaderOptions): Promise<OpenSource[]> {
  const sources = withoutLocks(paths, options.onProblem);
  if (sources.filter((path) => path === '-').length > 1) {
    throw new OpmasError('USAGE', 'stdin (-) can be read only once');
  }
  const { maxBlockBytes = MAX_BLOCK_BYTES, names } = options;
  const perSource = Math.floor(TOTAL_BLOCK_BYTES / (2 * sources.length));
  const blockSize = Math.max(MIN_BLOCK_BYTES, Math.min(maxBlockBytes, perSource));
  const onChange = (source: string) => (message: string) =>
    options.onProblem?.({ kind: 'followed', source, line: 0, offset: 0, message });
  const opened: OpenSource[] = [];
  try {
    for (const path of sources) {
      const opening = { ...options, blockSize, start: options.starts?.get(path) };
      const source = await (options.follow && !isStreamAddress(path)
        ? openFollowed(path, opening, onChange(path))
        : openSource(path, opening));
      const same = opened.find(({ identity }) => identity !== undefined && identity === source.identity);
      if (same === undefined)
        opened.push({ ...source, name: names?.get(path) ?? source.name, start: opening.start });
      else {
        await source.close();
        // A recorder that was killed during a rotation leaves two names of one file.
        options.onProblem?.(leftOut(path, `it is the same file as ${same.name}`));
      }
    }
  } catch (error) {
    for (const source of opened) await source.close();
    throw error;
  }
  return opened;
}
