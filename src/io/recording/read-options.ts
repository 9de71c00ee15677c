import type { Readable } from 'node:stream';
import { OpmasError } from '../../core/errors.js';
import { each, type OptionRules } from '../../core/options.js';
import type { LineSelection } from '../../core/recording/line-selection.js';
import type { StreamOptions } from '../jetstream/target.js';
import type { ReadProblem } from './read-problems.js';

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
  /** Offsets in files at which to begin, by path: the starts of lines. */
  starts?: ReadonlyMap<string, number> | undefined;
  /** Nothing before this time is wanted, in milliseconds since 1970; a source may begin there. Default: its start. */
  sinceMs?: number | undefined;
  /** Selects lines; all others are passed over. Default: every line is given. */
  selection?: LineSelection | undefined;
  /** Called when the reader is closed. */
  onClose?: (() => Promise<void>) | undefined;
}

const HARMLESS: ReadonlySet<ReadProblem['kind']> = new Set(['disorder', 'left out', 'followed', 'selection']);

/** Returns whether something of the recording was lost. */
export function isDamage({ kind }: ReadProblem): boolean {
  return !HARMLESS.has(kind);
}

/** Returns the handler for problems; in strict reading, damage throws. */
export function problemHandler({ strict, onProblem }: ReadOptions): (problem: ReadProblem) => void {
  if (!strict) return onProblem ?? (() => undefined);
  return (problem) => {
    if (!isDamage(problem)) return onProblem?.(problem);
    throw new OpmasError('DATA', problem.message, { hint: 'Without `strict`, damage is skipped.' });
  };
}
