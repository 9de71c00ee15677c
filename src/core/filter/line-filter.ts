import type { LineView } from '../recording/line-view.js';
import type { Filter } from './filter.js';

/**
 * Says of each line of a recording whether a live stream with the same filter would have given it: events that
 * match, lines that are no events when the filter asks for no certain events, lifecycle lines when they are wanted.
 *
 * @returns A function for `keep` of `readRecording`.
 * @throws {OpmasError} From that function: `USAGE`, as `Filter.matches`.
 */
export function lineFilter(
  filter: Filter | undefined,
  { lifecycle }: { lifecycle: boolean },
): (line: LineView) => boolean {
  const { passesAll, selects } = filter ?? { passesAll: true, selects: false };
  return (line) => {
    if (line.kind === 'connection') return lifecycle;
    if (line.kind === 'invalid') return !selects;
    return passesAll || filter === undefined || filter.matches(line.frame, line.endpoint ?? '');
  };
}
