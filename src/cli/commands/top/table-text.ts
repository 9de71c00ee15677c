import { escapeUnsafe, type Severity } from '../../../index.js';
import { type DeviceRow, SEVERITIES } from '../../../internal.js';
import { timestampOrNull } from '../../render/time-text.js';
import { cut, widthOf } from '../../render/visual-line.js';
import { MARKS, markPaints, type Palette } from '../../terminal/palette.js';

/** Widths of the columns; 0 for one that is left out. */
interface Layout {
  name: number;
  ago: number;
  errors: number;
  events: number;
  type: number;
  message: number;
}

/** How a table is drawn. */
export interface TableStyle {
  palette: Palette;
  /** Columns of the terminal; infinite off a terminal. */
  width: number;
  /** The time from which the ages count, in microseconds since 1970. */
  now: number;
  /** Heading of the first column. */
  title: string;
  /** Severity is a word, not a mark. */
  hasWords: boolean;
  /** The row that is marked as selected. */
  selected?: string | undefined;
}

const AGO_COLUMNS = 4;
const WORD_COLUMNS = 'recovered '.length;
/** The mark of the selected row, and that of its severity. */
const MARK_COLUMNS = '>CRIT '.length;
/** Columns that the message has before other columns are shown. */
const MESSAGE_BEFORE_COUNTS = 12;
const MESSAGE_BEFORE_TYPE = 32;
/** In so many columns the type stands before the message, where it has no column of its own. */
const LEAST_FOR_BOTH = 30;

/** Formats the headings and the rows, one line each, without line feeds. */
export function tableLines(rows: readonly DeviceRow[], style: TableStyle): string[] {
  const layout = layoutOf(rows, style);
  const { palette, title } = style;
  const head = cells(layout, [title, 'AGO', 'ERRORS', 'EVENTS', 'TYPE', 'MESSAGE']);
  const first = style.hasWords ? 'SEVERITY'.padEnd(WORD_COLUMNS) : ' '.repeat(MARK_COLUMNS);
  return [palette.dim(cut(first + head, style.width)), ...rows.map((row) => rowLine(row, layout, style))];
}

function rowLine(row: DeviceRow, layout: Layout, style: TableStyle): string {
  const { severity, id, errors, events, type, message = '' } = row;
  const { palette } = style;
  const isSelected = id === style.selected;
  const mark = style.hasWords
    ? severity.padEnd(WORD_COLUMNS)
    : `${isSelected ? '>' : ' '}${MARKS[severity]} `;
  const both = layout.message >= LEAST_FOR_BOTH ? `${type} ${message}` : message || type;
  const telling = layout.type === 0 ? both : message;
  const ago = agoText(row.at, style.now);
  const line = cells(layout, [id, ago, String(errors), String(events), type, telling]);
  const rest = cut(line, style.width - mark.length);
  const paint = markPaints(palette)[severity];
  return paint(cut(mark, style.width)) + (isSelected && palette.enabled ? `\x1b[7m${rest}\x1b[27m` : rest);
}

/** Puts the texts of a row into the columns. */
function cells(layout: Layout, texts: readonly string[]): string {
  const { name, ago, errors, events, type, message } = layout;
  const widths = [name, ago, errors, events, type, message];
  const shown = texts.map((text, i) => {
    const width = widths[i]!;
    if (width <= 0) return '';
    const value = cut(escapeUnsafe(text), width);
    const space = Number.isFinite(width) ? ' '.repeat(width - widthOf(value)) : '';
    // Numbers and ages end in one column.
    return i >= 1 && i <= 3 ? `${space}${value} ` : `${value}${space} `;
  });
  return shown.join('').trimEnd();
}

/** Chooses the columns that there is room for. The name and the age come first, then the counts, then the type. */
function layoutOf(rows: readonly DeviceRow[], { width, title, hasWords }: TableStyle): Layout {
  const longest = (heading: string, textOf: (row: DeviceRow) => string) =>
    rows.reduce((most, row) => Math.max(most, widthOf(escapeUnsafe(textOf(row)))), heading.length);
  let left = width - (hasWords ? WORD_COLUMNS : MARK_COLUMNS) - 1;
  const take = (columns: number, rest: number) => {
    if (left - columns - 1 < rest) return 0;
    left -= columns + 1;
    return columns;
  };
  const widest = Math.max(10, Math.floor(width * 0.3));
  const name = take(
    Math.min(
      longest(title, ({ id }) => id),
      widest,
      left - 1,
    ),
    0,
  );
  const ago = take(AGO_COLUMNS, 0);
  const errors = take(
    longest('ERRORS', (row) => String(row.errors)),
    MESSAGE_BEFORE_COUNTS,
  );
  const events = take(
    longest('EVENTS', (row) => String(row.events)),
    MESSAGE_BEFORE_COUNTS,
  );
  const type = take(
    longest('TYPE', (row) => row.type),
    MESSAGE_BEFORE_TYPE,
  );
  return { name, ago, errors, events, type, message: left };
}

/** Formats the time since an event in at most four columns: `12s`, `3m`, `5h`, `120d`. */
export function agoText(at: number, now: number): string {
  if (Number.isNaN(at)) return '-';
  const seconds = Math.max(0, Math.floor((now - at) / 1_000_000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.min(999, Math.floor(seconds / 86_400))}d`;
}

/** Counts the rows of each severity but `normal`: `1 critical`, `2 warning`. */
export function severityCounts(rows: readonly DeviceRow[]): string[] {
  const counts = new Map<Severity, number>();
  for (const { severity } of rows) counts.set(severity, (counts.get(severity) ?? 0) + 1);
  const named = SEVERITIES.filter((severity) => severity !== 'normal' && counts.has(severity));
  return named.map((severity) => `${counts.get(severity)} ${severity}`);
}

/** Builds the object for one row of `--json`; the guide names its members. */
export function rowJson(row: DeviceRow): Record<string, unknown> {
  return {
    id: row.id,
    severity: row.severity,
    type: row.type,
    message: row.message ?? null,
    at: timestampOrNull(row.at),
    last_type: row.lastType,
    last_at: timestampOrNull(row.lastAt),
    events: row.events,
    errors: row.errors,
  };
}
