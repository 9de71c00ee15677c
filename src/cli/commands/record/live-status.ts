import { stripVTControlCharacters } from 'node:util';
import { escapeUnsafe, type LifecycleEvent, type StreamSummary } from '../../../index.js';
import { formatDuration, formatSize } from '../../options/quantity.js';
import { createLiveLine, liveTextWidth, RateMeter } from '../../terminal/live-line.js';
import type { Palette } from '../../terminal/palette.js';
import type { Messages } from '../../terminal/terminal.js';

/** Live line at the bottom of the terminal with the progress of a recording. */
export interface LiveStatus {
  onLifecycle(event: LifecycleEvent): void;
  onGiveUp(endpoint: string): void;
  end(): void;
}

/** Figures for the live line. */
export interface LiveFigures {
  /** Returns the size of the files, in bytes. */
  size(): number;
  summary(): StreamSummary;
}

const SEPARATOR = '  ';

type EndpointState = 'connecting' | 'open' | 'waiting' | 'ended';

const REDRAW_MS = 250;

const nothing: LiveStatus = { onLifecycle: () => undefined, onGiveUp: () => undefined, end: () => undefined };

/** Shows the live line; without a terminal it does nothing. */
export async function showLiveStatus(
  messages: Messages,
  endpoints: readonly string[],
  figures: LiveFigures,
): Promise<LiveStatus> {
  if (!messages.canShowLive) return nothing;
  const states = new Map<string, EndpointState>(endpoints.map((endpoint) => [endpoint, 'connecting']));
  const rate = new RateMeter();
  const line = await createLiveLine(messages, 'red');
  const draw = () => {
    const parts = figuresOf(figures.summary(), figures.size(), rate);
    line.text = lineWithin(liveTextWidth(messages), parts, states, messages.palette);
  };
  const timer = setInterval(draw, REDRAW_MS);
  const set = (endpoint: string, state: EndpointState) => {
    states.set(endpoint, state);
    if (!line.isSpinning) line.start();
    draw();
  };
  return {
    onLifecycle({ endpoint, connection }) {
      if (connection.state !== 'dropped' && connection.state !== 'given_up')
        set(endpoint, stateAfter(connection));
    },
    onGiveUp: (endpoint) => set(endpoint, 'ended'),
    end() {
      clearInterval(timer);
      line.stop();
    },
  };
}

function stateAfter(connection: LifecycleEvent['connection']): EndpointState {
  if (connection.state === 'connecting' || connection.state === 'open') return connection.state;
  return 'retry_in_ms' in connection ? 'waiting' : 'ended';
}

function figuresOf({ events, gaps, dropped }: StreamSummary, size: number, rate: RateMeter): string[] {
  const total = Object.values(events).reduce((sum, count) => sum + count, 0);
  const parts = [`${total} ${total === 1 ? 'event' : 'events'}`, `${rate.update(total)}/s`, formatSize(size)];
  if (gaps.count > 0) {
    parts.push(`${gaps.count} ${gaps.count === 1 ? 'gap' : 'gaps'} (${formatDuration(gaps.totalMs)})`);
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
