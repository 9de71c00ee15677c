import type { Readable } from 'node:stream';
import { OpmasError } from '../../core/errors.js';
import { isStreamAddress } from '../../core/jetstream/address.js';
import { each, type OptionRules } from '../../core/options.js';
import type { LineSelection } from '../../core/recording/line-selection.js';
import type { StreamOptions } from '../jetstream/target.js';
import { openFollowed } from './followed-recording.js';
import { problemOf, type ReadProblem } from './read-problems.js';
import { type OpenSource, openSource } from './source.js';

/** Options for reading recordings, all optional. */
export interface ReadOptions {
  /** Called for each piece of damage that was skipped. */
  onProblem?: ((problem: ReadProblem) => void) | undefined;
  /** Treat damage as an error. Default `false`. */
  strict?: boolean | undefined;
  /** Ends the reading early, without an error. Lines that were read before are still given. */
  signal?: AbortSignal | undefined;
  /** Stream for the source `-`. Default: standard input. */
  stdin?: Readable | undefined;
  /** The login at the NATS server of a source `nats://HOST/STREAM`, and the subjects there. */
  nats?: StreamOptions | undefined;
  /** Called with the number of bytes read from the files, as they are stored there. */
  onRead?: ((bytes: number) => void) | undefined;
}

/** The rules for the options of reading. */
export const READ_RULES: OptionRules<ReadOptions> = {
  ...each(true, 'onProblem', 'strict', 'signal', 'stdin', 'nats', 'onRead'),
};

/** Options of a {@link RecordingReader}. */
export interface ReaderOptions extends ReadOptions {
  /**
   * Do not check the JSON of event lines that we wrote: several times as fast, but `frame` of their views is unusable.
   * Torn lines are found all the same. Default `false`.
   */
  skipJsonCheck?: boolean | undefined;
  /** Note the members of `data` that tell device and severity, so that `frame` has them without a parse. Default `false`. */
  noteData?: boolean | undefined;
  /** Report times that go back. Default `true`; costs a little where the times are not read otherwise. */
  checkTimes?: boolean | undefined;
  /** Names of sources in messages, where the path would say nothing (a spooled stdin). */
  names?: ReadonlyMap<string, string> | undefined;
  /** Upper limit for one read from a file, in bytes; at least 16 KiB. Default 512 KiB. */
  maxBlockBytes?: number | undefined;
  /** Wait for further lines at the end of files, until the signal is aborted: see {@link openFollowed}. */
  follow?: boolean | undefined;
  /** Offsets in files at which to begin, by path: the starts of lines. In streams, numbers of messages. */
  starts?: ReadonlyMap<string, number> | undefined;
  /** Lines before this time are not wanted, in milliseconds since 1970; a source may begin there. Default: its start. */
  sinceMs?: number | undefined;
  /** Selects lines; all others are passed over. Default: every line is given. */
  selection?: LineSelection | undefined;
  /** Called when the reader is closed. */
  onClose?: (() => Promise<void>) | undefined;
}

/** Memory for the blocks of all sources together. */
const TOTAL_BLOCK_BYTES = 4 * 1024 * 1024;
const MAX_BLOCK_BYTES = 512 * 1024;
const MIN_BLOCK_BYTES = 16 * 1024;

/** End of the name of the file that keeps up to where a recording was published. */
export const CURSOR_SUFFIX = '.cursor';
/** A lock, and what stands beside it for a moment while it is judged; a cursor. */
const LOCK_NAME = /\.lock(\.guard|\.[\da-f-]{36})?$|\.cursor$/;

/** Returns, for each source, the handler of changes while it is followed. */
export function changeHandler(onProblem: ReadOptions['onProblem']) {
  return (source: string) => (message: string) => onProblem?.(problemOf('followed', source, message));
}

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
  const onChange = changeHandler(options.onProblem);
  const opened: OpenSource[] = [];
  try {
    for (const path of sources) {
      const opening = { ...options, blockSize, start: options.starts?.get(path) };
      const source = await (options.follow && !isStreamAddress(path)
        ? openFollowed(path, opening, onChange(path))
        : openSource(path, { ...opening, onChange: onChange(path) }));
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

/**
 * Leaves out the locks of recordings, which `night*` names, too.
 *
 * @throws {OpmasError} `USAGE` when there is nothing else.
 */
export function withoutLocks(
  paths: readonly string[],
  onProblem?: (problem: ReadProblem) => void,
): readonly string[] {
  const sources = paths.filter((path) => !LOCK_NAME.test(path));
  if (sources.length === 0 && paths.length > 0) {
    throw new OpmasError('USAGE', `${paths[0]} is ${sideFileOf(paths[0]!)}, not a recording`);
  }
  for (const source of paths.filter((path) => LOCK_NAME.test(path))) {
    onProblem?.(leftOut(source, `it is ${sideFileOf(source)}`));
  }
  return sources;
}

function sideFileOf(path: string): string {
  return path.endsWith(CURSOR_SUFFIX) ? 'the cursor of a recording' : 'the lock of a recording';
}

/** Makes the problem of a source that is not read. */
export function leftOut(source: string, why: string): ReadProblem {
  return problemOf('left out', source, `${source} was left out: ${why}`);
}
