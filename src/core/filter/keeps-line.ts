import type { FrameReader } from '../json/frame.js';
import type { LineKind } from '../recording/format.js';
import type { Filter } from './filter.js';

/**
 * Decides whether a filter keeps a line. Live streams, files and replays share this rule:
 *
 * - an event is kept when it matches;
 * - an invalid line matches no pattern, so it is kept unless the filter selects events (by type, subject or
 *   expression); exclusions alone keep it;
 * - a lifecycle line is always kept. Consumers that want none leave it out themselves.
 *
 * @param frame Has just read the event; unused for other kinds.
 * @throws {OpmasError} `USAGE`, as `Filter.matches`.
 */
export function keepsLine(
  filter: Filter | undefined,
  kind: LineKind,
  frame: FrameReader,
  endpoint: string,
): boolean {
  if (filter === undefined || filter.passesAll || kind === 'connection') return true;
  return kind === 'invalid' ? !filter.selects : filter.matches(frame, endpoint);
}
