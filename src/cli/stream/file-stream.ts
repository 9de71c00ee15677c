import {
  compileFilter,
  escapeUnsafe,
  type Filter,
  type LineBatch,
  type LineView,
  OpmasError,
  readRecording,
  systemClock,
} from '../../index.js';
import { ProblemCounts } from '../../internal.js';
import { natsOf } from '../connection/nats-access.js';
import { counted, formatDuration } from '../options/quantity.js';
import {
  endpointsOf,
  type FilterCommandOptions,
  filterOptionsOf,
  type PartCommandOptions,
  partOptionsOf,
} from '../options/selection.js';
import type { RouteCommandOptions } from '../options/server-options.js';
import type { Session } from '../session.js';
import { ProblemMessages } from '../terminal/reading-messages.js';
import { standardInput } from '../terminal/standard-streams.js';
import { FilterMessages } from './filter-messages.js';
import type { StreamCommandOptions } from './stream-options.js';

/**
 * Prepares the reading of recordings: checks the options that choose lines, and the messages about damage and about a
 * filter that matches nothing.
 *
 * @param given A filter in place of that of the options, and the options about the way to a server where there are some.
 * @returns The options for functions of the library, and the messages, which have to be ended.
 * @throws {OpmasError} `USAGE`
 */
export async function prepareReading(
  session: Session,
  sources: readonly string[],
  options: FilterCommandOptions & PartCommandOptions,
  given: { filter?: Filter | undefined; route?: RouteCommandOptions } = {},
) {
  const { messages } = session.terminal;
  const part = partOptionsOf(options);
  const filter = given.filter ?? (await compileFilter(filterOptionsOf(options)));
  messages.warn(...filter.hints);
  const nats = await natsOf(session, options, sources, given.route);
  const problems = new ProblemMessages(messages);
  const stdin = sources.includes('-') ? standardInput() : undefined;
  const { onProblem } = problems;
  return {
    reading: { ...part, filter, nats, onProblem, stdin, signal: session.stop },
    problems,
    filtering: new FilterMessages(messages, filter),
  };
}

/** Options of commands that read recordings in the place of a live stream. */
export interface FileStreamOptions extends StreamCommandOptions, PartCommandOptions {
  file: string[];
  /** Waits for further lines at the end. */
  follow?: boolean;
}

/** The work of a command on recordings. */
interface FileTask {
  /** Takes a line that the filters keep. @returns True if a batch is to contain it. */
  keep(line: LineView): boolean;
  /** Takes the lines that are kept. */
  take?(batch: LineBatch): Promise<void>;
  /** Gets each line of the part, before the filters. */
  onLine?(line: LineView): void;
  /** Gets the number of bytes that were read from the files. */
  onRead?(bytes: number): void;
  /** Gets each line before the part. */
  onBefore?(line: LineView): void;
  /** Default: that of the filter options. */
  filter?: Filter;
  /** Ends the reading early. */
  signal?: AbortSignal;
  /** Problems that were printed. */
  counts?: ProblemCounts;
}

/**
 * Reads recordings with the options of a live stream, and prints a summary on stderr.
 *
 * @throws {OpmasError} `USAGE`, `LOCAL` or `DATA` as `readRecording`; `INCOMPLETE` when less came than was asked for.
 */
export async function runFileStream(
  session: Session,
  endpoints: readonly string[],
  options: FileStreamOptions,
  {
    keep,
    take,
    onBefore,
    onLine,
    onRead,
    filter: givenFilter,
    signal = session.stop,
    counts = new ProblemCounts(),
  }: FileTask,
): Promise<void> {
  const { out, messages } = session.terminal;
  const { reading, problems, filtering } = await prepareReading(session, options.file, options, {
    filter: givenFilter,
    route: options,
  });
  const startedAt = performance.now();
  const late = new AbortController();
  if (options.duration !== undefined) {
    void session.requests.endAfter(options.duration);
    void systemClock.sleep(options.duration, late.signal).then(() => late.abort());
  }
  session.exitMessage = () =>
    out.stalledMs > 0 ? [messages.warningText('the rest was not written: stdout was not read')] : [];
  let events = 0;
  let lines = 0;
  const batches = readRecording(options.file, {
    ...reading,
    endpoints: endpoints.length === 0 ? undefined : endpointsOf(endpoints),
    maxBufferBytes: options.maxBuffer,
    follow: options.follow,
    onBefore,
    onLine,
    count: options.count,
    before: options.before,
    after: options.after,
    keep: (line) => {
      if (line.kind === 'event') {
        events++;
        // Parts such as --last leave out some of those that the filter has counted.
        if (options.problems) counts.addFrame(line.frame);
      }
      return keep(line);
    },
    onRead,
    signal: AbortSignal.any([session.stop, late.signal, signal]),
  });
  let isLate = false;
  const summarize = () => {
    const took = formatDuration(performance.now() - startedAt);
    const hasContext = options.before !== undefined || options.after !== undefined;
    const context = hasContext ? [`${lines - events} around them`] : [];
    const parts = [`${counted(events, 'event')} in ${took}`, ...context, ...filtering.end(counts)];
    messages.say(messages.palette.dim(escapeUnsafe(parts.join(', '))));
  };
  try {
    for await (const batch of batches) {
      lines += batch.count - (batch.lifecycle?.length ?? 0);
      await take?.(batch);
    }
    isLate = late.signal.aborted;
  } catch (error) {
    if (options.follow && events > 0) summarize();
    throw error;
  } finally {
    late.abort();
    problems.end();
  }
  summarize();
  if (options.count === undefined || events >= options.count || session.stop.aborted) return;
  const end = isLate ? '--duration' : 'the recording';
  throw new OpmasError('INCOMPLETE', `${events} of ${options.count} events had come when ${end} ended`);
}
