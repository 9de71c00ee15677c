import { escapeUnsafe, type LifecycleEvent, type StreamSummary } from '../../index.js';
import { formatDuration, formatSize } from '../options/quantity.js';
import type { Palette } from '../palette.js';
import type { Messages } from '../terminal.js';

/** The line at the bottom of the terminal that shows how a recording goes. */
export interface LiveLine {
  onLifecycle(event: LifecycleEvent): void;
  onGiveUp(endpoint: string): void;
  end(): void;
}

/** Where the figures come from. */
export interface LiveFigures {
  /** Bytes of the files. */
  size(): number;
  summary(): StreamSummary;
}

type EndpointState = 'connecting' | 'open' | 'waiting' | 'ended';

const REDRAW_MS = 250;
/** The rate is that of so many redraws. */
const RATE_SPAN = 8;
/** ora puts its sign and a blank before the text. */
const SIGN_WIDTH = 2;

const nothing: LiveLine = { onLifecycle: () => undefined, onGiveUp: () => undefined, end: () => undefined };

/** Shows the line; off a terminal there is none, and ora is not loaded. */
export async function createLiveLine(
  messages: Messages,
  endpoints: readonly string[],
  figures: LiveFigures,
): Promise<LiveLine> {
  if (!messages.canShowLive) return nothing;
  const { default: ora } = await import('ora');
  const states = new Map<string, EndpointState>(endpoints.map((endpoint) => [endpoint, 'connecting']));
  const rate = new RateMeter();
  const { palette, stream } = messages;
  const spinner = ora({
    stream,
    // Whether there can be a live line is decided already.
    isEnabled: true,
    // Else it would put the terminal of stdin into another mode.
    discardStdin: false,
    color: palette.enabled ? 'red' : false,
  });
  const draw = () => {
    const summary = figures.summary();
    const parts = [...partsOf(summary, figures.size(), rate), ...endpointParts(states, palette)];
    spinner.text = joinWithin(parts, stream.columns - SIGN_WIDTH - 1);
  };
  const timer = setInterval(draw, REDRAW_MS);
  const set = (endpoint: string, state: EndpointState) => {
    states.set(endpoint, state);
    if (!spinner.isSpinning) spinner.start();
    draw();
  };
  return {
    onLifecycle({ endpoint, connection }) {
      if (connection.state !== 'dropped') set(endpoint, stateAfter(connection));
    },
    onGiveUp: (endpoint) => set(endpoint, 'ended'),
    end() {
      clearInterval(timer);
      spinner.stop();
    },
  };
}

function stateAfter(connection: LifecycleEvent['connection']): EndpointState {
  if (connection.state === 'connecting' || connection.state === 'open') return connection.state;
  return 'retry_in_ms' in connection ? 'waiting' : 'ended';
}

/** A piece of the line: as it is shown, and as wide as it is. */
interface Part {
  text: string;
  width: number;
}

function plain(text: string): Part {
  return { text, width: text.length };
}

function partsOf({ events, gaps, dropped }: StreamSummary, size: number, rate: RateMeter): Part[] {
  const total = Object.values(events).reduce((sum, count) => sum + count, 0);
  const parts = [`${total} ${total === 1 ? 'event' : 'events'}`, `${rate.of(total)}/s`, formatSize(size)];
  if (gaps.count > 0) {
    parts.push(`${gaps.count} ${gaps.count === 1 ? 'gap' : 'gaps'} (${formatDuration(gaps.totalMs)})`);
  }
  if (dropped > 0) parts.push(`${dropped} dropped`);
  return parts.map(plain);
}

function endpointParts(states: ReadonlyMap<string, EndpointState>, palette: Palette): Part[] {
  const paint = {
    open: palette.green,
    connecting: palette.yellow,
    waiting: palette.yellow,
    ended: palette.red,
  };
  return [...states].map(([endpoint, state]) => {
    const label = `${escapeUnsafe(endpoint)} ${state}`;
    return { text: paint[state](label), width: label.length };
  });
}

/** As many parts as the width holds: a line that wraps would be drawn again and again. */
function joinWithin(parts: readonly Part[], width: number): string {
  let text = '';
  let used = 0;
  for (const part of parts) {
    const separator = used === 0 ? '' : '  ';
    if (used + separator.length + part.width > width) break;
    text += separator + part.text;
    used += separator.length + part.width;
  }
  return text;
}

/** Events a second over the last redraws. */
class RateMeter {
  readonly #totals: { total: number; at: number }[] = [];

  of(total: number): number {
    const at = performance.now();
    this.#totals.push({ total, at });
    if (this.#totals.length > RATE_SPAN) this.#totals.shift();
    const first = this.#totals[0] as { total: number; at: number };
    return at > first.at ? Math.round(((total - first.total) * 1000) / (at - first.at)) : 0;
  }
}
