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
    const parts = partsOf(figures.summary(), figures.size(), rate);
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

/** Part of the line, with its colors, and its width without them. */
interface Part {
  text: string;
  width: number;
}

function plain(text: string): Part {
  return { text, width: text.length };
}

function partsOf({ events, gaps, dropped }: StreamSummary, size: number, rate: RateMeter): Part[] {
  const total = Object.values(events).reduce((sum, count) => sum + count, 0);
  const parts = [`${total} ${total === 1 ? 'event' : 'events'}`, `${rate.update(total)}/s`, formatSize(size)];
  if (gaps.count > 0) {
    parts.push(`${gaps.count} ${gaps.count === 1 ? 'gap' : 'gaps'} (${formatDuration(gaps.totalMs)})`);
  }
  if (dropped > 0) parts.push(`${dropped} dropped`);
  return parts.map(plain);
}

/** Formats the figures and the state of each endpoint; if too long, the number of endpoints in each state. */
function lineWithin(
  width: number,
  figures: readonly Part[],
  states: ReadonlyMap<string, EndpointState>,
  palette: Palette,
): string {
  const paint = {
    open: palette.green,
    connecting: palette.yellow,
    waiting: palette.yellow,
    ended: palette.red,
  };
  const painted = (state: EndpointState, label: string) => ({
    text: paint[state](label),
    width: label.length,
  });
  const each = [...states].map(([endpoint, state]) => painted(state, `${escapeUnsafe(endpoint)} ${state}`));
  const full = [...figures, ...each];
  return joinWithin(widthOfLine(full) <= width ? full : [...figures, ...counts(states, painted)], width);
}

function counts(
  states: ReadonlyMap<string, EndpointState>,
  painted: (state: EndpointState, label: string) => Part,
): Part[] {
  const all = [...states.values()];
  return [...new Set(all)].map((state) =>
    painted(state, `${all.filter((other) => other === state).length} ${state}`),
  );
}

function widthOfLine(parts: readonly Part[]): number {
  return parts.reduce((sum, { width }) => sum + width, SEPARATOR.length * (parts.length - 1));
}

/** Joins as many parts as fit: a line that wraps cannot be redrawn in place. */
function joinWithin(parts: readonly Part[], width: number): string {
  let text = '';
  let used = 0;
  for (const part of parts) {
    const separator = used === 0 ? '' : SEPARATOR;
    if (used + separator.length + part.width > width) break;
    text += separator + part.text;
    used += separator.length + part.width;
  }
  return text;
}
