import { escapeUnsafe, type SubscribeOptions, systemClock } from '../../../index.js';
import { type DeviceTable, LineView } from '../../../internal.js';
import { counted, formatDuration } from '../../options/quantity.js';
import { cut, widthOf } from '../../render/visual-line.js';
import type { Session } from '../../session.js';
import { runStream, type StreamState, type StreamTask } from '../../stream/run-stream.js';
import { RateMeter } from '../../terminal/live-line.js';
import type { Palette } from '../../terminal/palette.js';
import { readKeys } from '../../terminal/raw-keys.js';
import { Screen } from '../../terminal/screen.js';
import { ShownEvents } from './event-text.js';
import { severityCounts } from './table-text.js';
import { TopView } from './view.js';

const REDRAW_MS = 250;
/** A message stays in the last line for so long. */
const NOTICE_MS = 5000;
const LF = 0x0a;

/** The table of a live stream. */
interface LiveTable extends Pick<StreamTask, 'utc'> {
  table: DeviceTable;
  /** Heading of its first column. */
  title: string;
  /** Draws the table on a terminal while the stream runs. */
  draws: boolean;
  /** Prints the table. @param now Microseconds since 1970. */
  print(now: number): Promise<void>;
}

/** Reads a live stream to its end into a table, draws the table meanwhile, and prints it unless the user quits. */
export async function watchTable(session: Session, stream: SubscribeOptions, live: LiveTable): Promise<void> {
  const { terminal, stop, environment } = session;
  const { out, messages } = terminal;
  const { table, title, print } = live;
  const screen =
    live.draws && out.isTerminal && environment.TERM !== 'dumb' ? new Screen(out, messages) : undefined;
  if (screen === undefined && stream.durationMs === undefined && stream.count === undefined) {
    messages.say('The table is printed when the stream ends, or is stopped: Ctrl-C, --duration T.');
  }
  const quit = new AbortController();
  const events = new ShownEvents();
  const view = new TopView((row) => events.get(row));
  const rate = new RateMeter();
  let count = 0;
  const draw = (states: StreamState['states']) => {
    if (screen === undefined) return;
    const { columns, rows, lastMessage } = screen;
    const { palette } = out;
    const all = table.rows();
    const counts = [counted(all.length, 'row'), ...severityCounts(all), counted(count, 'event')];
    const parts = [...counts, `${rate.update(count)}/s`];
    if (table.leftOut > 0) parts.push(`${counted(table.leftOut, 'row')} left out`);
    const isNew = lastMessage !== undefined && performance.now() - lastMessage.atMs < NOTICE_MS;
    const notice = isNew ? lastMessage.text : undefined;
    const status = statusLine(states, parts, columns, palette);
    const style = { palette, width: columns, now: systemClock.nowMicros(), title, hasWords: false };
    screen.draw(view.lines(all, { columns, rows, status, notice }, style));
  };
  const line = new LineView({ noteData: true });
  const add = (bytes: Buffer) => {
    let start = 0;
    for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, start)) {
      if (line.read(bytes, start, end) === 'event') {
        count++;
        const row = table.add(line.frame, line.endpoint ?? '', line.receivedAt);
        if (row.changed === row.last && screen !== undefined) events.set(row, line);
      }
      start = end + 1;
    }
  };
  const watched = { ...stream, signal: AbortSignal.any([stop, quit.signal]) };
  await runStream(session, watched, {
    utc: live.utc,
    async consume(subscription, { states }) {
      const redraw = () => draw(states);
      const onKey = (key: string) => (view.onKey(key) ? quit.abort() : redraw());
      const close = screen && open(screen, stop, redraw, onKey);
      try {
        for await (const batch of subscription) {
          add(batch.bytes);
          batch.release?.();
        }
      } finally {
        await close?.();
        if (!quit.signal.aborted) await print(systemClock.nowMicros());
      }
    },
  });
}

/** Draws the picture again and again until the returned function is called. */
function open(
  screen: Screen,
  stop: AbortSignal,
  draw: () => void,
  onKey: (key: string) => void,
): () => Promise<void> {
  const stopKeys = readKeys(stop, onKey);
  const timer = setInterval(draw, REDRAW_MS);
  const leave = () => screen.leave();
  stop.addEventListener('abort', leave);
  screen.enter();
  draw();
  return () => {
    clearInterval(timer);
    stop.removeEventListener('abort', leave);
    stopKeys?.();
    return leave();
  };
}

/** Formats `4/4 connected`, or what is missing and for how long; then as many other parts as there is room for. */
function statusLine(
  states: StreamState['states'],
  parts: readonly string[],
  columns: number,
  { bold, yellow }: Palette,
): string {
  const missing = [...states].filter(([, { name }]) => name !== 'open');
  const sinceMs = Math.min(...missing.map(([, state]) => state.sinceMs));
  const duration = formatDuration(Math.floor((performance.now() - sinceMs) / 1000) * 1000);
  const names = missing.map(([endpoint]) => escapeUnsafe(endpoint)).join(', ');
  const count = `${states.size - missing.length}/${states.size} connected`;
  const isNone = missing.length === states.size;
  const outage = isNone ? `not connected for ${duration}` : `${count}, without ${names} for ${duration}`;
  const shown = [missing.length === 0 ? count : outage, ...parts];
  while (shown.length > 1 && widthOf(shown.join('  ')) > columns) shown.pop();
  const text = cut(shown.join('  '), columns);
  return missing.length === 0 ? bold(text) : yellow(text);
}
