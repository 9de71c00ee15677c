import { escapeUnsafe, type InspectedRecording } from '../../../index.js';
import { formatDuration } from '../../options/quantity.js';
import type { TimeText } from '../../render/time-text.js';
import { cut, cutStart, padded, widthOf } from '../../render/visual-line.js';
import { MARKS, markPaints, type Palette } from '../../terminal/palette.js';
import { type Cell, type ReportTable, ReportTables } from './report-tables.js';
import { filesText, number, titleOf } from './report-words.js';

/** Output of the report, and the zone of its times. */
export interface ReportOutput {
  readonly palette: Palette;
  readonly columns: number;
  readonly times: TimeText;
}

/** The first one means that there are no events. */
const BARS = ' ▁▂▃▄▅▆▇█';
const GAP = '━';
const MAX_ROWS = 20;
const MAX_SPARKLINE = 100;
const LABEL_WIDTH = 11;
/** Names, and the text in the last column, are not cut to less, however narrow the terminal is. */
const LEAST_NAME = 8;
const LEAST_LAST = 10;

/** Builds the report for people; text from the recording is escaped. */
export function textReport(
  files: readonly string[],
  report: InspectedRecording,
  output: ReportOutput,
): string {
  const { palette, times } = output;
  const tables = new ReportTables(report, times);
  const title = palette.bold(titleOf(report, times));
  const sections = [
    [title, palette.dim(escapeUnsafe(filesText(files)))],
    tableLines(tables.trouble(), output),
    tableLines(tables.incidents(MAX_ROWS), output),
    tableLines(tables.devices(false), output),
    tableLines(tables.outages(), output),
    tableLines(tables.endpoints(), output),
    tableLines(tables.ends(), output),
    figureLines(tables, output),
    tableLines(tables.types(), output),
    tableLines(tables.subjects(), output),
  ];
  const texts = sections.filter((lines) => lines.length > 0).map((lines) => lines.join('\n'));
  return `${texts.join('\n\n')}\n`;
}

/** Aligns the columns of a table, and fits it into the width of the terminal. */
function tableLines({ title, about, heads, rows, count, none }: ReportTable, output: ReportOutput): string[] {
  const { bold, green, dim, red } = output.palette;
  if (rows.length === 0) return none === undefined ? [] : [`${bold(title)}  ${green(none)}`];
  const paints = markPaints(output.palette);
  const last = heads.length - 1;
  const textOf = (cell: Cell) => {
    if (typeof cell === 'string') return escapeUnsafe(cell);
    return 'bad' in cell ? red(cell.bad) : paints[cell.severity](MARKS[cell.severity]);
  };
  const isRight = (column: number) => heads[column]!.startsWith('#');
  const shown = rows.slice(0, MAX_ROWS);
  const cells = [heads.map((head) => dim(head.replace(/^[#…]/, ''))), ...shown.map((row) => row.map(textOf))];
  const natural = heads.map((_, column) => Math.max(...cells.map((row) => widthOf(row[column]!))));
  const widths = fittedWidths(heads, natural, output.columns);
  const lines = cells.map((row) =>
    [...widths]
      .map(([column, width]) => {
        const cell = row[column]!;
        if (column === last && !isRight(column)) return cut(cell, width);
        return padded(cutStart(cell, width), width, isRight(column));
      })
      .join('  ')
      .trimEnd(),
  );
  const more =
    count > shown.length ? [dim(`… and ${number(count - shown.length)} more: see --html, or --from`)] : [];
  const head = about === '' ? bold(title) : `${bold(title)}  ${dim(about)}`;
  return [head, ...[...lines, ...more].map((line) => `  ${line}`)];
}

/**
 * Fits columns into the width of the terminal: names are shortened to their end, until the last column has a third of
 * the width, then columns of numbers are left out.
 */
function fittedWidths(heads: readonly string[], natural: readonly number[], columns: number) {
  const last = heads.length - 1;
  const widths = new Map(natural.map((width, column) => [column, Math.min(width, columns)]));
  const rest = () =>
    columns - [...widths].reduce((sum, [column, width]) => sum + (column === last ? 2 : width + 2), 0);
  const isNumber = (column: number) => heads[column]!.startsWith('#');
  const wanted = (least: number) => (isNumber(last) ? natural[last]! : Math.min(natural[last]!, least));
  while (rest() < wanted(Math.max(LEAST_LAST, columns / 3))) {
    const names = [...widths].filter(
      ([column, width]) => heads[column]!.startsWith('…') && width > LEAST_NAME,
    );
    const longest = names.sort((a, b) => b[1] - a[1])[0];
    if (longest === undefined) break;
    widths.set(longest[0], longest[1] - 1);
  }
  for (let column = last - 1; column > 0 && rest() < wanted(LEAST_LAST); column--) {
    if (isNumber(column)) widths.delete(column);
  }
  return widths.set(last, isNumber(last) ? natural[last]! : Math.max(LEAST_LAST, rest()));
}

function figureLines(tables: ReportTables, output: ReportOutput): string[] {
  const { report, times } = tables;
  const { dim, red, yellow } = output.palette;
  const paints = { '': String, good: String, warn: yellow, bad: red };
  const lines = tables
    .figures()
    .map(({ label: name, value, about, kind }) => label(name) + paints[kind](`${value} ${about}`.trimEnd()));
  const { first, last } = report;
  if (first === undefined || last === undefined) return lines;
  const [from, to] = [first, last].map((at) => `${times.date(at)} ${times.clock(at)}`);
  const length = dim(`(${formatDuration((last - first) / 1000)})`);
  return [
    ...lines,
    `${label('From')}${from}`,
    `${label('To')}${to}  ${length}`,
    ...timelineLines(report, output),
  ];
}

/** Draws events over time. The scale is logarithmic: beside a burst, the quiet hours are to be seen, too. */
function timelineLines(report: InspectedRecording, { palette, columns, times }: ReportOutput): string[] {
  const counts = report.timeline.columns(Math.max(10, Math.min(MAX_SPARKLINE, columns - LABEL_WIDTH)));
  if (counts === undefined) return [];
  const { start, width, problems, series } = counts;
  const totals = problems.map((_, column) => series.reduce((sum, { values }) => sum + values[column]!, 0));
  const highest = Math.log1p(Math.max(...totals));
  const bars = totals.map((count) => BARS[Math.ceil((Math.log1p(count) / highest) * (BARS.length - 1))]);
  const lines = [`${label('Timeline')}${palette.cyan(bars.join(''))}`];
  const addMarks = (name: string, mark: string, isAt: (column: number) => boolean) => {
    const marks = totals.map((_, column) => (isAt(column) ? mark : ' ')).join('');
    if (marks.trim() !== '') lines.push(`${label(name)}${palette.red(marks.trimEnd())}`);
  };
  addMarks('  problems', '!', (column) => problems[column]! > 0);
  addMarks('  outages', GAP, (column) => {
    const at = start + column * width;
    return report.outages.some(({ from, to }) => from < at + width && to > at);
  });
  const isOneDay = times.date(report.first!) === times.date(report.last!);
  const edge = (at: number) => (isOneDay ? times.clock(at).slice(0, 8) : times.dateAndClock(at).slice(0, 16));
  const [from, to] = [edge(report.first!), edge(report.last!)];
  const edges = from + to.padStart(Math.max(counts.count - from.length, to.length + 2));
  return [...lines, label('') + palette.dim(edges)];
}

function label(text: string): string {
  return text.padEnd(LABEL_WIDTH);
}
