import { OpmasError } from '../../core/errors.js';
import type { Filter } from '../../core/filter/filter.js';
import { each, type OptionRules } from '../../core/options.js';
import { isBefore, LineSelection, type Moment } from '../../core/recording/line-selection.js';
import type { LineView } from '../../core/recording/line-view.js';
import { parseTimestamp } from '../../core/recording/timestamp.js';
import { unlessStopped } from '../clock.js';
import { type ReaderOptions, withoutLocks } from './open-sources.js';
import { problemOf } from './read-problems.js';
import { RecordingReader } from './reader.js';
import { endOf, startsOf } from './recording-end.js';
import { type RepeatableSources, repeatable } from './repeatable-sources.js';

/** Options that choose a part of a recording, all optional. */
export interface PartOptions {
  /**
   * First line: an RFC 3339 time with its zone, or an offset in milliseconds: from the first line of the recording, or
   * below 0 from its last line. Default: its start.
   */
  from?: string | number | undefined;
  /** Last line, in the same form. Default: the end of the recording. */
  to?: string | number | undefined;
  /** Only this many events: the last ones that `from`, `to` and the filter keep, and the lines between them. */
  last?: number | undefined;
  /** A filter from {@link compileFilter}. Default: everything. */
  filter?: Filter | undefined;
}

/** The rules for the options of a part. */
export const PART_RULES: OptionRules<PartOptions> = {
  ...each(true, 'from', 'to'),
  filter: [(filter) => typeof filter?.matches === 'function', 'must be what compileFilter resolves to'],
  last: [(last) => Number.isInteger(last) && last > 0, 'must be a whole number above 0'],
};

/** A part with its ends read. */
interface Part {
  from?: Moment | undefined;
  to?: Moment | undefined;
  last?: number | undefined;
  filter?: Filter | undefined;
}

/** Memory for the events of `last`. */
export const DEFAULT_BUFFER_BYTES = 64 * 1024 ** 2;

/** Reads the ends of a part. @throws {OpmasError} `USAGE` */
export function partOf({ from, to, last, filter }: PartOptions): Part {
  const judging = filter?.passesAll ? undefined : filter;
  const part = { from: momentOf(from, 'from'), to: momentOf(to, 'to'), last, filter: judging };
  if (!isBefore(part.to, part.from)) return part;
  throw new OpmasError('USAGE', 'the end (to) comes before the start (from)');
}

function momentOf(moment: string | number | undefined, name: string): Moment | undefined {
  if (moment === undefined) return undefined;
  if (typeof moment === 'number' && Number.isFinite(moment)) {
    const isFromStart = moment > 0 || Object.is(moment, 0);
    return { from: isFromStart ? 'start' : 'end', micros: moment * 1000 };
  }
  const at = typeof moment === 'string' ? parseTimestamp(moment) : undefined;
  if (at !== undefined) return { from: '1970', micros: at };
  throw new OpmasError('USAGE', `${name}: ${JSON.stringify(moment)} is neither a time nor an offset`, {
    hint: 'Write an RFC 3339 time with its zone, 2026-11-22T21:50:00Z, or an offset from the start.',
  });
}

/** Returns whether the end of the recording must be known before it is read. */
function needsEnd({ from, to }: Part): boolean {
  return from?.from === 'end' || to?.from === 'end';
}

/** Finds the ends of a part that count from the end of the recording. @param paths Files that can be read again. */
export async function withKnownEnds<One extends Part>(
  part: One,
  paths: readonly string[],
  { signal, follow, nats }: Pick<ReaderOptions, 'signal' | 'follow' | 'nats'>,
): Promise<One> {
  const end = !needsEnd(part)
    ? 0
    : await unlessStopped(endOf(paths, signal, nats), signal).catch((error: unknown) => {
        // A file that is followed may come later.
        if (follow) return Number.NaN;
        throw error;
      });
  const known = (moment: Moment | undefined): Moment | undefined =>
    moment?.from === 'end' ? { from: '1970', micros: (end ?? Number.NaN) + moment.micros } : moment;
  return { ...part, from: known(part.from), to: known(part.to) };
}

/** Returns the time before which nothing of a part is wanted, in milliseconds since 1970, as far as it is known. */
export function sinceOf({ from, to }: Part): number | undefined {
  // What counts from the first line needs that line.
  if (to?.from === 'start' || from?.from !== '1970' || Number.isNaN(from.micros)) return undefined;
  return from.micros / 1000;
}

/** Options of {@link openPart}. */
export interface PartReaderOptions extends PartOptions, ReaderOptions {
  /** Labels of the endpoints whose lines are wanted. Default: all. */
  endpoints?: readonly string[] | undefined;
  maxBufferBytes?: number | undefined;
  /** Called with each line before `from`. */
  onBefore?: ((line: LineView) => void) | undefined;
  /** Called with each line of the part, before the filter judges it. */
  onLine?: ((line: LineView) => void) | undefined;
  /** Called with the lines behind `to`: those of a minute, and the first ones after it. */
  onBehind?: ((line: LineView) => void) | undefined;
}

/**
 * Opens a part of recordings. Sources that can be read only once are copied when the part counts from their end.
 *
 * @throws {OpmasError} As `RecordingReader.open`, and `USAGE` when the ends of the part are wrong.
 */
export async function openPart(
  paths: readonly string[],
  options: PartReaderOptions,
): Promise<RecordingReader> {
  const { endpoints, maxBufferBytes: maxBytes = DEFAULT_BUFFER_BYTES, signal, onProblem } = options;
  const { onBefore, onLine, onBehind } = options;
  const part = partOf(options);
  if (Object.values({ ...part, endpoints, onLine }).every((rule) => rule === undefined)) {
    return RecordingReader.open(paths, options);
  }
  let copies: RepeatableSources | undefined;
  try {
    if (needsEnd(part)) {
      const onSlow = (source: string) => {
        const message = `${source} is read to its end first, because the part counts from there`;
        onProblem?.(problemOf('selection', source, message));
      };
      copies = await repeatable(withoutLocks(paths, onProblem), onSlow, signal, options.stdin);
    }
    const sources = copies?.paths ?? paths;
    const { last, ...known } = await withKnownEnds(part, sources, options);
    const takesAll = Object.values({ ...known, endpoints, onBefore, onLine }).every(
      (rule) => rule === undefined,
    );
    const isSeekable = last !== undefined && takesAll && !sources.includes('-');
    const selection = new LineSelection({
      ...known,
      last,
      endpoints: endpoints && new Set(endpoints),
      maxBytes,
      onBefore,
      onLine,
      onBehind,
    });
    return await RecordingReader.open(sources, {
      ...options,
      names: new Map([...(options.names ?? []), ...(copies?.names ?? [])]),
      selection,
      // Only the end of a large file is read.
      sinceMs: sinceOf(known),
      starts: isSeekable ? await unlessStopped(startsOf(sources, last, options.nats), signal) : undefined,
      onClose: copies?.removeCopies,
    });
  } catch (error) {
    await copies?.removeCopies();
    // A stop ends the copying.
    if (signal?.aborted) return RecordingReader.open([], { signal });
    throw error;
  }
}
