import { OpmasError } from '../../../index.js';
import { type EventSequence, shortName } from '../../../internal.js';
import { formatDuration } from '../../options/quantity.js';
import { endpointsOf } from '../../options/selection.js';
import type { Session } from '../../session.js';
import { type FileStreamOptions, runFileStream } from '../../stream/file-stream.js';
import { createLinePrinter } from '../../stream/line-printer.js';
import type { WaitProgress } from './progress.js';

/** Searches recordings as `wait` waits for live events. The timeout is recorded time, from the first line on. */
export async function waitInFile(
  session: Session,
  endpoints: readonly string[],
  options: FileStreamOptions & { timeout?: number },
  sequence: EventSequence,
  progress: WaitProgress,
): Promise<void> {
  const { timeout, last } = options;
  /** The filters choose the last N events, of which the first one counts. */
  const isAmongLast = last !== undefined && 'events' in last;
  if (isAmongLast && (sequence.length > 1 || timeout !== undefined)) {
    const hint = 'Give --last a time: 15m.';
    throw new OpmasError('USAGE', '--last N cannot be combined with --then or --timeout', { hint });
  }
  const wanted = endpoints.length === 0 ? undefined : new Set(endpointsOf(endpoints));
  const late = new AbortController();
  let endsAt = Number.POSITIVE_INFINITY;
  let end = Number.NaN;
  let wasOpen = false;
  let isFollowed = false;
  const noteTime = (receivedAt: number): void => {
    if (Number.isNaN(end)) {
      // A gap that this line ends lies in the part.
      progress.since = receivedAt - 1;
      if (timeout !== undefined) endsAt = receivedAt + timeout * 1000;
    }
    // NaN compares as false.
    if (!(receivedAt <= end)) end = Math.min(receivedAt, endsAt);
    if (!(receivedAt > endsAt)) return;
    sequence.isOpen = false;
    late.abort();
  };
  await runFileStream(session, endpoints, options, {
    filter: isAmongLast ? sequence.filter : sequence,
    onBefore({ connection, endpoint = '', receivedAt }) {
      const isWanted = wanted === undefined || wanted.has(endpoint);
      // Lines that --last N has let go are known already.
      if (connection !== undefined && isWanted && Number.isNaN(end))
        progress.note(endpoint, receivedAt, connection);
    },
    onLine({ kind, endpoint = '', receivedAt, connection }) {
      noteTime(receivedAt);
      if (late.signal.aborted) return;
      wasOpen ||= kind === 'event' || connection?.state === 'open';
      if (kind === 'event') progress.history.heard(shortName(endpoint), receivedAt);
      if (connection === undefined) return;
      isFollowed = true;
      progress.note(endpoint, receivedAt, connection);
    },
    keep: (line) =>
      line.kind === 'event' && (!isAmongLast || sequence.matches(line.frame, line.endpoint ?? '', line)),
    take: await createLinePrinter(session.terminal.out, { format: 'json' }),
    signal: AbortSignal.any([late.signal, progress.done]),
  });
  if (session.requests.signal !== undefined) return;
  const how = late.signal.aborted ? `in ${formatDuration(timeout ?? 0)}` : 'before the recording ended';
  const isDeaf = isFollowed && !wasOpen;
  const failure = isDeaf ? new OpmasError('NETWORK', 'no endpoint was open in the recording') : undefined;
  const endMicros = Number.isNaN(end) ? Number.POSITIVE_INFINITY : end;
  const advice = '`opmas-ws inspect FILE` shows the gaps of a recording.';
  const shortfall = progress.judge(how, endMicros, failure, advice);
  if (shortfall !== undefined) throw shortfall;
}
