import { OpmasError } from '../../core/errors.js';
import { keepsLine } from '../../core/filter/filter.js';
import { checkOptions, each } from '../../core/options.js';
import { BatchBuilder } from '../../core/recording/encoder.js';
import {
  CONTEXT_RULE,
  type ContextOptions,
  checkContext,
  EventContext,
} from '../../core/recording/event-context.js';
import type { LineBatch } from '../../core/recording/format.js';
import { mebibytes, timesMissing } from '../../core/recording/line-selection.js';
import type { LineView } from '../../core/recording/line-view.js';
import { type RecordingReport, RecordingStatistics } from '../../core/statistics/recording-statistics.js';
import { READ_RULES, type ReadOptions } from './open-sources.js';
import { DEFAULT_BUFFER_BYTES, openPart, PART_RULES, type PartOptions, partOf } from './part.js';
import { isDamage, problemOf, type ReadProblem } from './read-problems.js';

const BATCH_BYTES = 256 * 1024;
const CONTEXT_HINT = 'Give a number of events instead of a time.';

/** Options of {@link readRecording}, all optional. */
export interface ReadRecordingOptions extends ReadOptions, PartOptions, ContextOptions {
  /** Labels of the endpoints whose lines are wanted: `devices`, or a path. Default: all. */
  endpoints?: readonly string[] | undefined;
  /** Wait for further lines at the end of the files until `signal` is aborted, across rotation and truncation. */
  follow?: boolean | undefined;
  /** End after so many events that the filter keeps, and the context after the last. Default: no limit. */
  count?: number | undefined;
  /** Memory for the events of `last` and `before`. Default 64 MiB. */
  maxBufferBytes?: number | undefined;
  /** Decides for each line that the filter keeps whether the batches contain it. The view is valid during the call only. Default: all. */
  keep?: ((line: LineView) => boolean) | undefined;
  /** Called with each line before `from`, and each lifecycle line before those that `last` leaves, of any endpoint. The view is valid during the call only. */
  onBefore?: ((line: LineView) => void) | undefined;
  /** Called with each line of the part and the endpoints, before the filter judges it. The view is valid during the call only. */
  onLine?: ((line: LineView) => void) | undefined;
}

/**
 * Reads recordings in batches of whole lines, in constant memory; several sources are merged by time. Lines are given
 * as they stand, without byte order marks, blank lines and carriage returns at their ends.
 *
 * @param sources Paths; `-` is standard input. Nothing is opened before the iteration begins; then all are.
 * @throws {OpmasError} `USAGE`, at once, for wrong options. From the iteration, as `RecordingReader.open` and `fill` do: `USAGE`, `LOCAL` or `DATA`.
 */
export function readRecording(
  sources: string | readonly string[],
  options: ReadRecordingOptions = {},
): AsyncGenerator<LineBatch, void, undefined> {
  checkOptions('readRecording', options, {
    ...READ_RULES,
    ...PART_RULES,
    ...each(true, 'keep', 'onBefore', 'onLine', 'endpoints', 'follow', 'maxBufferBytes'),
    ...each(CONTEXT_RULE, 'before', 'after'),
    count: [(count) => count > 0, 'must be a number above 0'],
  });
  partOf(options);
  const hasContext = checkContext(options);
  if (!hasContext || options.last === undefined) return readBatches(sources, options, hasContext);
  throw new OpmasError('USAGE', '`last` cannot be combined with `before` or `after`', {
    hint: 'Choose the part by its time, with `from`.',
  });
}

async function* readBatches(
  sources: string | readonly string[],
  options: ReadRecordingOptions,
  hasContext: boolean,
): AsyncGenerator<LineBatch, void, undefined> {
  const ready: LineBatch[] = [];
  const lines = new WantedLines(options, hasContext, (batch) => ready.push(batch));
  const paths = typeof sources === 'string' ? [sources] : sources;
  // With context, the lines that the filter leaves out are needed, too.
  await using reader = await openPart(paths, hasContext ? { ...options, filter: undefined } : options);
  do {
    try {
      for (let line = reader.next(); line !== undefined && !lines.isOver; line = reader.next()) {
        lines.take(line);
        if (ready.length === 0) continue;
        yield* ready.splice(0);
        if (options.signal?.aborted) return;
      }
    } catch (error) {
      // A filter that fails at this line has judged the lines before.
      lines.flush();
      yield* ready.splice(0);
      throw error;
    }
    lines.flush();
    yield* ready.splice(0);
  } while (!lines.isOver && (await reader.fill()));
  lines.end();
  yield* ready.splice(0);
}

/** Puts the lines that are wanted, and those around them, into batches. */
class WantedLines {
  /** True when no more lines are wanted. */
  isOver = false;
  readonly #batch: BatchBuilder;
  readonly #context: EventContext | undefined;
  #left: number;
  /** The context cannot be told without times. */
  #needsTime: boolean;

  constructor(
    private readonly options: ReadRecordingOptions,
    hasContext: boolean,
    private readonly onBatch: (batch: LineBatch) => void,
  ) {
    const { before, after, maxBufferBytes = DEFAULT_BUFFER_BYTES } = options;
    this.#batch = new BatchBuilder(BATCH_BYTES, onBatch);
    this.#left = options.count ?? Number.POSITIVE_INFINITY;
    this.#needsTime = [before, after].some((span) => span !== undefined && 'ms' in span);
    if (!hasContext) return;
    this.#context = new EventContext(options, maxBufferBytes, (line, lifecycle) =>
      this.#batch.addLine(line, 0, line.length - 1, lifecycle),
    );
  }

  take(line: LineView): void {
    const { bytes, start, end, kind, receivedAt, connection, endpoint = '', frame } = line;
    const { filter, keep, after } = this.options;
    const context = this.#context;
    if (context !== undefined && kind !== 'connection') {
      if (this.#needsTime && Number.isNaN(receivedAt)) throw timesMissing(CONTEXT_HINT);
      this.#needsTime = false;
      // Each event after the last wanted one is its context, even if it matches.
      if (this.#left <= 0 || !keepsLine(filter, kind, frame, endpoint, line)) {
        this.#takeOther(line, context);
        return;
      }
    }
    if (kind === 'event') this.isOver = --this.#left <= 0 && after === undefined;
    if (keep !== undefined && !keep(line)) return;
    const lifecycle =
      kind === 'connection' && connection !== undefined ? { endpoint, connection } : undefined;
    if (context !== undefined) {
      if (kind === 'connection' && context.waits(receivedAt)) {
        context.hold(bytes, start, end, lifecycle);
        return;
      }
      if (kind !== 'connection') this.#give(context.match(receivedAt));
    }
    this.#batch.addLine(bytes, start, end, lifecycle);
  }

  /** Takes an event that is wanted only around others. */
  #takeOther({ bytes, start, end, receivedAt }: LineView, context: EventContext): void {
    const place = context.place(receivedAt);
    if (place === 'give') this.#batch.addLine(bytes, start, end);
    else if (this.#left <= 0) this.isOver = true;
    else if (place === 'hold') context.hold(bytes, start, end);
  }

  /** Hands out the lines so far. */
  flush(): void {
    if (this.#batch.count > 0) this.onBatch(this.#batch.take());
  }

  /** Ends it: lifecycle lines that waited for events are given. */
  end(): void {
    this.#context?.end();
    this.flush();
    const { cut = 0 } = this.#context ?? {};
    if (cut === 0) return;
    const { maxBufferBytes = DEFAULT_BUFFER_BYTES, onProblem } = this.options;
    const what = `the context of ${cut} ${cut === 1 ? 'event' : 'events'} is not whole`;
    const message = `${what}: it takes more than ${mebibytes(maxBufferBytes)} MiB of memory`;
    onProblem?.(problemOf('selection', '', message));
  }

  #give(batches: readonly LineBatch[]): void {
    if (batches.length > 0) this.flush();
    for (const batch of batches) this.onBatch(batch);
  }
}

/** Statistics of a recording, and its damage. */
export interface InspectedRecording extends RecordingReport {
  /** Number of skipped lines that are not JSON objects, and of holes of zero bytes. */
  badLines: number;
  /** `true` when the last line or the gzip data is torn. */
  tornTail: boolean;
}

/**
 * Computes the statistics of recordings in one pass and in constant memory.
 *
 * @param sources Paths; `-` is standard input. Several are merged by time.
 * @throws {OpmasError} As {@link RecordingReader}.
 */
export async function inspectRecording(
  sources: string | readonly string[],
  options: ReadOptions & PartOptions = {},
): Promise<InspectedRecording> {
  checkOptions('inspectRecording', options, { ...READ_RULES, ...PART_RULES });
  const statistics = new RecordingStatistics();
  let badLines = 0;
  let tornTail = false;
  const onProblem = (problem: ReadProblem) => {
    if (problem.kind.startsWith('torn')) tornTail = true;
    else if (problem.kind !== 'empty' && isDamage(problem)) badLines++;
    options.onProblem?.(problem);
  };
  const paths = typeof sources === 'string' ? [sources] : sources;
  /** A line of the part has come; those before it only tell how the endpoints stand. */
  let hasBegun = false;
  const onBefore = (line: LineView) => {
    if (!hasBegun) statistics.addBefore(line);
  };
  await using reader = await openPart(paths, {
    ...options,
    onProblem,
    onBefore,
    onBehind: (line) => statistics.addBehind(line),
    noteData: true,
  });
  const { window } = reader;
  const begin = (at: number) => {
    hasBegun = true;
    const start = options.last === undefined ? window?.start : Math.max(window?.start ?? at, at);
    if (start !== undefined && start > Number.NEGATIVE_INFINITY) statistics.beginAt(start);
  };
  await reader.visit((line) => {
    if (!hasBegun) begin(line.receivedAt);
    statistics.add(line);
  });
  if (!hasBegun) begin(Number.NEGATIVE_INFINITY);
  const goesOn = window?.last !== undefined && window.last > window.end;
  return { ...statistics.finish(goesOn ? window.end : undefined), badLines, tornTail };
}
