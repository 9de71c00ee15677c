import { compileFilter, escapeUnsafe, OpmasError, readRecording, systemClock } from '../../../index.js';
import { counted, formatDuration } from '../../options/quantity.js';
import {
  endpointsOf,
  filterOptionsOf,
  type PartCommandOptions,
  partOptionsOf,
} from '../../options/selection.js';
import type { Session } from '../../session.js';
import { FilterMessages } from '../../stream/filter-messages.js';
import { createLinePrinter, type PrintOptions } from '../../stream/line-printer.js';
import type { StreamCommandOptions } from '../../stream/stream-options.js';
import { ProblemMessages } from '../../terminal/reading-messages.js';
import { standardInput } from '../../terminal/standard-streams.js';

/** Options of `tail --file`. */
export interface TailFileOptions extends StreamCommandOptions, PrintOptions, PartCommandOptions {
  file: string[];
  lifecycle?: boolean;
}

/** Prints a recording with the filters and formats of a live stream. */
export async function tailFile(
  session: Session,
  endpoints: readonly string[],
  options: TailFileOptions,
): Promise<void> {
  const { out, messages } = session.terminal;
  const filter = await compileFilter(filterOptionsOf(options));
  let left = options.count ?? Number.POSITIVE_INFINITY;
  const enough = new AbortController();
  messages.warn(...filter.hints);
  const printLines = await createLinePrinter(out, options);
  const startedAt = performance.now();
  const endLate = () => {
    isLate = !enough.signal.aborted;
    enough.abort();
  };
  if (options.duration !== undefined) {
    session.endAfter(options.duration);
    void systemClock.sleep(options.duration, enough.signal).then(endLate);
  }
  session.exitMessage = () =>
    out.stalledMs > 0 ? [messages.warningText('the rest was not written: stdout was not read')] : [];
  const problems = new ProblemMessages(messages);
  const filtering = new FilterMessages(messages, filter);
  let isLate = false;
  let events = 0;
  const batches = readRecording(options.file, {
    ...partOptionsOf(options),
    endpoints: endpoints.length === 0 ? undefined : endpointsOf(endpoints),
    filter,
    maxBufferBytes: options.maxBuffer,
    keep: ({ kind }) => {
      if (left <= 0) return false;
      if (kind === 'connection') return options.lifecycle === true;
      if (kind !== 'event') return true;
      events++;
      if (--left <= 0) enough.abort();
      return true;
    },
    onProblem: problems.onProblem,
    stdin: options.file.includes('-') ? standardInput() : undefined,
    signal: AbortSignal.any([session.stop, enough.signal]),
  });
  try {
    for await (const batch of batches) await printLines(batch);
  } finally {
    enough.abort();
    problems.end();
  }
  const took = formatDuration(performance.now() - startedAt);
  const parts = [`${counted(events, 'event')} in ${took}`, ...filtering.end()];
  messages.say(messages.palette.dim(escapeUnsafe(parts.join(', '))));
  if (!(left > 0) || options.count === undefined || session.stop.aborted) return;
  const end = isLate ? '--duration' : 'the recording';
  throw new OpmasError('INCOMPLETE', `${events} of ${options.count} events had come when ${end} ended`);
}
