import { type Filter, type LineView, OpmasError } from '../../../index.js';
import type { EventSequence } from '../../../internal.js';
import { formatDuration } from '../../options/quantity.js';
import type { Session } from '../../session.js';
import { type FileStreamOptions, runFileStream } from '../../stream/file-stream.js';
import { createLinePrinter } from '../../stream/line-printer.js';
import type { WaitProgress } from './progress.js';

/** Options of `wait --file`. */
export interface WaitFileOptions extends FileStreamOptions {
  timeout?: number;
}

/** Searches recordings as `wait` waits for live events. The timeout is recorded time, from the first line on. */
export async function waitInFile(
  session: Session,
  endpoints: readonly string[],
  options: WaitFileOptions,
  sequence: EventSequence,
  progress: WaitProgress,
): Promise<void> {
  const { timeout } = options;
  const { history } = progress;
  /** The filters choose the last N events, among which the sequence then looks. */
  const isAmongLast = options.last !== undefined && 'events' in options.last;
  if (isAmongLast && sequence.length > 1) {
    const hint = 'Give --last a time: 15m.';
    throw new OpmasError('USAGE', '--then and --last with a number of events cannot be combined', { hint });
  }
  const late = new AbortController();
  let endsAt = Number.POSITIVE_INFINITY;
  let end = Number.NaN;
  let wasOpen = false;
  let isFollowed = false;
  const isInTime = (receivedAt: number): boolean => {
    if (Number.isNaN(end) && timeout !== undefined) endsAt = receivedAt + timeout * 1000;
    if (receivedAt > endsAt) late.abort();
    // NaN compares as false.
    if (!(receivedAt <= end)) end = Math.min(receivedAt, endsAt);
    return !late.signal.aborted;
  };
  const matches: Filter['matches'] = (reader, endpoint, received) => {
    const receivedAt = received?.receivedAt ?? Number.NaN;
    if (!isInTime(receivedAt)) return false;
    wasOpen = true;
    history.heard(endpoint, receivedAt);
    return (isAmongLast ? sequence.filter : sequence).matches(reader, endpoint, received);
  };
  const keep = (line: LineView): boolean => {
    const { kind, endpoint = '', connection, receivedAt } = line;
    if (kind === 'event') return !isAmongLast || sequence.matches(line.frame, endpoint, line);
    if (connection === undefined || !isInTime(receivedAt)) return false;
    isFollowed = true;
    wasOpen ||= connection.state === 'open';
    history.add(endpoint, receivedAt, connection);
    return false;
  };
  const { hints } = sequence;
  const filter = {
    passesAll: false,
    selects: true,
    needsValue: true,
    hints,
    matches,
    report: () => sequence.report(),
  };
  const take = await createLinePrinter(session.terminal.out, { format: 'json' });
  await runFileStream(session, endpoints, options, {
    filter,
    keep,
    take,
    signal: AbortSignal.any([late.signal, progress.done]),
  });
  if (session.isSignalled) return;
  const how = late.signal.aborted ? `in ${formatDuration(timeout ?? 0)}` : 'before the recording ended';
  const isDeaf = isFollowed && !wasOpen;
  const failure = isDeaf ? new OpmasError('NETWORK', 'no endpoint was open in the recording') : undefined;
  const shortfall = progress.judge(how, end, failure);
  if (shortfall !== undefined) throw shortfall;
}
