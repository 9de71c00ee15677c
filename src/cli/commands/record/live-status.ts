import { stripVTControlCharacters } from 'node:util';
import { escapeUnsafe, type StreamSummary } from '../../../index.js';
import { counted, formatDuration, formatSize } from '../../options/quantity.js';
import type { EndpointState, StreamState } from '../../stream/run-stream.js';
import { createLiveLine, type LiveLine, RateMeter } from '../../terminal/live-line.js';
import type { Palette } from '../../terminal/palette.js';
import type { Messages } from '../../terminal/terminal.js';

const SEPARATOR = '  ';

/** Shows the progress of a recording in a live line. @param size Returns the size of the files, in bytes. */
export function createLiveStatus(
  messages: Messages,
  { states, summary }: StreamState,
  size: () => number,
): LiveLine {
  const rate = new RateMeter();
  const describe = (columns: number) =>
    lineWithin(columns, figuresOf(summary(), size(), rate), states, messages.palette);
  return createLiveLine(messages, describe, 'red');
}

function figuresOf({ events, outages, dropped }: StreamSummary, size: number, rate: RateMeter): string[] {
  const total = Object.values(events).reduce((sum, count) => sum + count, 0);
  const parts = [counted(total, 'event'), `${rate.update(total)}/s`, formatSize(size)];
  if (outages.count > 0) {
    parts.push(`${counted(outages.count, 'outage')} (${formatDuration(outages.totalMs)})`);
  }
  if (dropped > 0) parts.push(`${dropped} dropped`);
  return parts;
}

/** Formats the figures and the state of each endpoint; if too long, the number of endpoints in each state. */
function lineWithin(
  width: number,
  figures: readonly string[],
  states: ReadonlyMap<string, EndpointState>,
  { green, yellow, red }: Palette,
): string {
  const paint = { open: green, connecting: yellow, waiting: yellow, ended: red };
  const each = [...states].map(([endpoint, { name }]) => paint[name](`${escapeUnsafe(endpoint)} ${name}`));
  const full = [...figures, ...each];
  if (widthOfLine(full) <= width) return full.join(SEPARATOR);
  const counts = new Map<EndpointState['name'], number>();
  for (const { name } of states.values()) counts.set(name, (counts.get(name) ?? 0) + 1);
  const short = [...figures, ...Array.from(counts, ([name, count]) => paint[name](`${count} ${name}`))];
  // A line that wraps cannot be redrawn in place.
  while (widthOfLine(short) > width) short.pop();
  return short.join(SEPARATOR);
}

function widthOfLine(parts: readonly string[]): number {
  return stripVTControlCharacters(parts.join(SEPARATOR)).length;
}
