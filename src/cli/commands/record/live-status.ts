import { stripVTControlCharacters } from 'node:util';
import { escapeUnsafe, type LifecycleEvent, type StreamSummary } from '../../../index.js';
import { counted, formatDuration, formatSize } from '../../options/quantity.js';
import type { StreamStatus } from '../../stream/run-stream.js';
import { createLiveLine, RateMeter } from '../../terminal/live-line.js';
import type { Palette } from '../../terminal/palette.js';
import type { Messages } from '../../terminal/terminal.js';
import type { StatusFile } from './status-file.js';
import type { EndpointState } from './status-text.js';

const SEPARATOR = '  ';

/**
 * Keeps the states of the endpoints, and shows the progress of a recording in a live line where that is possible.
 *
 * @param size Returns the size of the files, in bytes.
 * @param file Is told of each connection change.
 */
export async function createLiveStatus(
  messages: Messages,
  states: Map<string, EndpointState>,
  size: () => number,
  summary: () => StreamSummary,
  file: StatusFile | undefined,
): Promise<StreamStatus> {
  const rate = new RateMeter();
  const describe = (columns: number) =>
    lineWithin(columns, figuresOf(summary(), size(), rate), states, messages.palette);
  const line = messages.canShowLive ? await createLiveLine(messages, describe, 'red') : undefined;
  const set = (endpoint: string, state: EndpointState) => {
    states.set(endpoint, state);
    line?.redraw();
  };
  return {
    onLifecycle(event) {
      const { endpoint, connection } = event;
      file?.observe(event);
      if (connection.state !== 'dropped' && connection.state !== 'given_up')
        set(endpoint, stateAfter(connection));
    },
    onGiveUp: (endpoint) => set(endpoint, 'ended'),
    end: () => line?.end(),
  };
}

function stateAfter(connection: LifecycleEvent['connection']): EndpointState {
  if (connection.state === 'connecting' || connection.state === 'open') return connection.state;
  return 'retry_in_ms' in connection ? 'waiting' : 'ended';
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
  const each = [...states].map(([endpoint, state]) => paint[state](`${escapeUnsafe(endpoint)} ${state}`));
  const full = [...figures, ...each];
  if (widthOfLine(full) <= width) return full.join(SEPARATOR);
  const counts = new Map<EndpointState, number>();
  for (const state of states.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
  const short = [...figures, ...Array.from(counts, ([state, count]) => paint[state](`${count} ${state}`))];
  // A line that wraps cannot be redrawn in place.
  while (widthOfLine(short) > width) short.pop();
  return short.join(SEPARATOR);
}

function widthOfLine(parts: readonly string[]): number {
  return stripVTControlCharacters(parts.join(SEPARATOR)).length;
}
