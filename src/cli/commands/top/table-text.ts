import { escapeUnsafe, type Severity } from '../../../index.js';
import { type DeviceRow, SEVERITIES } from '../../../internal.js';
import { timestampOrNull } from '../../render/time-text.js';
import { cut, padded, widthOf } from '../../render/visual-line.js';
import { MARKS, markPaints, type Palette } from '../../terminal/palette.js';

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

const WORD_COLUMNS = 'recovered '.length;
/** The mark of the selected row, and that of its severity. */
const MARK_COLUMNS = '>CRIT '.length;
/** In so many columns the type stands before the message, where it has no column of its own. */
const LEAST_FOR_BOTH = 30;

interface Column {
  head: string;
  textOf(row: DeviceRow, now: number): string;
  /** It is shown if so many columns are left for the message. */
  leaves: number;
  /** Numbers and ages end in one column. */
  isRight: boolean;
  /** Its width; 0 when there is no room for it. */
  width: number;
}

/** Columns between the name and the message. The first ones get their room first. */
const COLUMNS: readonly Omit<Column, 'width'>[] = [
  { head: ' AGO', textOf: ({ at }, now) => agoText(at, now), leaves: 0, isRight: true },
  { head: 'ERRORS', textOf: ({ errors }) => String(errors), leaves: 12, isRight: true },
  { head: 'EVENTS', textOf: ({ events }) => String(events), leaves: 12, isRight: true },
  { head: 'TYPE', textOf: ({ type }) => type, leaves: 32, isRight: false },
];

/** Formats the headings and the rows, one line each, without line feeds. */
export function tableLines(rows: readonly DeviceRow[], style: TableStyle): string[] {
  const { palette, width, hasWords, selected } = style;
  const columns = columnsFor(rows, style);
  const first = hasWords ? 'SEVERITY'.padEnd(WORD_COLUMNS) : ' '.repeat(MARK_COLUMNS);
  const head = cells(columns, ({ head }) => head);
  const paints = markPaints(palette);
  const lines = rows.map((row) => {
    const isSelected = row.id === selected;
    const mark = hasWords
      ? row.severity.padEnd(WORD_COLUMNS)
      : `${isSelected ? '>' : ' '}${MARKS[row.severity]} `;
    const line = cells(columns, ({ textOf }) => textOf(row, style.now));
    const rest = cut(line, width - mark.length);
    const shown = isSelected && palette.enabled ? `\x1b[7m${rest}\x1b[27m` : rest;
    return paints[row.severity](cut(mark, width)) + shown;
  });
  return [palette.dim(cut(first + head, width)), ...lines];
}

/** Puts texts into the columns. */
function cells(columns: readonly Column[], textOf: (column: Column) => string): string {
  const shown = columns.filter(({ width }) => width > 0);
  const texts = shown.map((column) => {
    const { width, isRight } = column;
    return padded(cut(escapeUnsafe(textOf(column)), width), Number.isFinite(width) ? width : 0, isRight);
  });
  return texts.join(' ').trimEnd();
}

/** Chooses the columns that there is room for. The name and the age come first, then the counts, then the type. */
function columnsFor(rows: readonly DeviceRow[], { width, title, hasWords, now }: TableStyle): Column[] {
  let left = width - (hasWords ? WORD_COLUMNS : MARK_COLUMNS) - 1;
  const sized = (column: Omit<Column, 'width'>, most = Number.POSITIVE_INFINITY): Column => {
    const widths = rows.map((row) => widthOf(escapeUnsafe(column.textOf(row, now))));
    const wanted = Math.min(
      widths.reduce((a, b) => Math.max(a, b), column.head.length),
      most,
    );
    const isShown = left - wanted - 1 >= column.leaves;
    if (isShown) left -= wanted + 1;
    return { ...column, width: isShown ? wanted : 0 };
  };
  const name = { head: title, textOf: ({ id }: DeviceRow) => id, leaves: 0, isRight: false };
  const widest = Math.max(10, Math.floor(width * 0.3));
  const columns = [sized(name, Math.min(widest, left - 1)), ...COLUMNS.map((column) => sized(column))];
  const hasType = columns.at(-1)!.width > 0;
  const message = ({ type, message = '' }: DeviceRow) => {
    if (hasType) return message;
    return left >= LEAST_FOR_BOTH ? `${type} ${message}` : message || type;
  };
  return [...columns, { head: 'MESSAGE', textOf: message, leaves: 0, isRight: false, width: left }];
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
