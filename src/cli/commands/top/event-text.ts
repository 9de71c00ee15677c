import { escapeUnsafe } from '../../../index.js';
import type { DeviceRow, LineView } from '../../../internal.js';
import { fitting } from '../../render/visual-line.js';

/** Limits for all events and for one: as many as a table has rows, and bytes. */
const MAX_EVENTS = 20_000;
const MAX_BYTES = 32 * 1024 * 1024;
const MAX_EVENT_BYTES = 2 * 1024 * 1024;

/** Keeps the event that each row shows, in bounded memory: the events that were not replaced for longest go first. */
export class ShownEvents {
  readonly #events = new Map<DeviceRow, string>();
  #bytes = 0;

  set(row: DeviceRow, { bytes, start, end }: LineView): void {
    this.#delete(row);
    if (end - start > MAX_EVENT_BYTES) return;
    // A copy with one byte for each character. A small buffer would keep a block of eight kilobytes alive.
    this.#events.set(row, bytes.toString('latin1', start, end));
    this.#bytes += end - start;
    for (const [oldest] of this.#events) {
      if (this.#bytes <= MAX_BYTES && this.#events.size <= MAX_EVENTS) break;
      this.#delete(oldest);
    }
  }

  /** Returns the line of the event, as JSON; `undefined` when it is not kept. */
  get(row: DeviceRow): string | undefined {
    const text = this.#events.get(row);
    return text === undefined ? undefined : Buffer.from(text, 'latin1').toString();
  }

  #delete(row: DeviceRow): void {
    this.#bytes -= this.#events.get(row)?.length ?? 0;
    this.#events.delete(row);
  }
}

const token = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
/** Deeper levels are not indented further. */
const MOST_LEVELS = 20;
/** Limit for the lines of an event: measuring wide characters takes long. */
const MOST_LINES = 2000;
const CUT = '… (the rest is not shown; `tail -f json` prints it)';

/** Formats JSON text with one member on each line. Numbers stay as they are written. */
export function prettyJson(text: string): string[] {
  const lines: string[] = [];
  let line = '';
  let level = 0;
  let previous = '';
  const breakLine = () => {
    lines.push(line);
    line = '  '.repeat(Math.min(level, MOST_LEVELS));
  };
  for (const [part] of text.matchAll(token)) {
    if (part === '}' || part === ']') {
      level--;
      if (previous !== '{' && previous !== '[') breakLine();
    } else if (previous === '{' || previous === '[' || previous === ',') breakLine();
    if (part === '{' || part === '[') level++;
    line += part === ':' ? ': ' : escapeUnsafe(part);
    previous = part;
    if (lines.length > MOST_LINES) break;
  }
  return [...lines, line];
}

/** Breaks lines into pieces that fit into so many columns, up to a limit. */
export function wrapped(lines: readonly string[], columns: number): string[] {
  const pieces: string[] = [];
  for (const line of lines) {
    let rest = line;
    do {
      if (pieces.length >= MOST_LINES) return [...pieces, fitting(CUT, columns)];
      const piece = fitting(rest, columns) || rest.slice(0, 1);
      pieces.push(piece);
      rest = rest.slice(piece.length);
    } while (rest !== '');
  }
  return pieces;
}
