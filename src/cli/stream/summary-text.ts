import type { StreamSummary } from '../../index.js';
import { formatDuration } from '../options/quantity.js';

/** The figures of a stream on one line: `120 events (devices 80, agents 40) in 3m12s, 1 gap of 12s, 0 dropped`. */
export function summaryText(summary: StreamSummary): string {
  const counts = Object.entries(summary.events);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const byEndpoint = counts.map(([endpoint, count]) => `${endpoint} ${count}`).join(', ');
  const parts = [
    `${total} ${total === 1 ? 'event' : 'events'} (${byEndpoint}) in ${formatDuration(summary.durationMs)}`,
    gapText(summary.gaps),
  ];
  if (summary.invalid > 0) parts.push(`${summary.invalid} invalid`);
  parts.push(`${summary.dropped} dropped`);
  return parts.join(', ');
}

function gapText({ count, totalMs }: StreamSummary['gaps']): string {
  if (count === 0) return 'no gaps';
  return count === 1
    ? `1 gap of ${formatDuration(totalMs)}`
    : `${count} gaps of ${formatDuration(totalMs)} added up`;
}
