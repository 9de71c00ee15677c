import {
  closeMeaning,
  escapeUnsafe,
  formatTimestamp,
  type InspectedRecording,
  type NamedCount,
  type RecordedGap,
  type Severity,
  severityOf,
  type TimelineColumns,
} from '../../../index.js';
import { formatDuration } from '../../options/quantity.js';
import { fitting, widthOf } from '../../render/visual-line.js';
import type { Palette } from '../../terminal/palette.js';

/** Output of the report. */
export interface ReportOutput {
  readonly palette: Palette;
  readonly columns: number;
}

/** The first one means that there are no events. */
const BARS = ' ▁▂▃▄▅▆▇█';
const GAP = '━';
const MAX_NAMES = 20;
const MAX_GAPS = 10;
const MAX_NAME_WIDTH = 60;
const MAX_SPARKLINE = 100;
const LABEL_WIDTH = 11;

/** Builds the report for people; text from the recording is escaped. */
export function textReport(
  files: readonly string[],
  report: InspectedRecording,
  { palette, columns }: ReportOutput,
): string {
  const sections = [
    headline(files, report, palette),
    timelineLines(report, palette, columns),
    section('By endpoint', report.byEndpoint, report.events, palette),
    section('By type', report.byType, report.events, palette, paintType(palette)),
    section(subjectsTitle(report), report.subjects, report.events, palette),
    gapLines(report, palette),
    faultLines(report, palette),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function headline(files: readonly string[], report: InspectedRecording, palette: Palette): string[] {
  const { events, first, last, rate, isApproximate } = report;
  const lines = [palette.bold(escapeUnsafe(titleOf(files))), ''];
  const about = isApproximate ? ' (too many different names: rare ones are not all counted)' : '';
  lines.push(`${label('Events')}${number(events)}${about}`);
  if (first !== undefined && last !== undefined) {
    lines.push(
      `${label('From')}${timeText(first)}`,
      `${label('To')}${timeText(last)}  ${palette.dim(`(${formatDuration((last - first) / 1000)})`)}`,
      `${label('Rate')}${rateText(rate.mean)} a second on average, ${number(rate.peak)} at most`,
    );
  }
  return lines;
}

function timelineLines(report: InspectedRecording, palette: Palette, columns: number): string[] {
  const counts = report.timeline.columns(Math.max(10, Math.min(MAX_SPARKLINE, columns - LABEL_WIDTH)));
  if (counts === undefined) return [];
  const { start, width } = counts;
  const totals = columnTotals(counts);
  const highest = Math.max(...totals);
  const bars = totals.map((total) => BARS[Math.ceil((total / highest) * (BARS.length - 1))]);
  const lines = [`${label('Timeline')}${palette.cyan(bars.join(''))}`];
  const hasGap = (at: number) => report.gaps.some(({ from, to }) => from < at + width && to > at);
  const marks = totals.map((_, column) => (hasGap(start + column * width) ? GAP : ' '));
  const gaps = marks.join('').trimEnd();
  if (gaps !== '') lines.push(`${label('  gaps')}${palette.red(gaps)}`);
  const [from, to] = edgeLabels(report.first!, report.last!);
  lines.push(
    label('') + palette.dim(from + to.padStart(Math.max(counts.count - from.length, to.length + 2))),
  );
  return lines;
}

/** Formats the times of both ends; without the date when both are on one day. */
function edgeLabels(first: number, last: number): [string, string] {
  const [from, to] = [timeText(first), timeText(last)];
  const isOneDay = from.slice(0, 10) === to.slice(0, 10);
  return isOneDay ? [from.slice(11, 19), to.slice(11, 19)] : [from.slice(0, 16), to.slice(0, 16)];
}

function section(
  title: string,
  counts: readonly NamedCount[],
  total: number,
  palette: Palette,
  paint: (name: string) => (text: string) => string = () => (text) => text,
): string[] {
  if (counts.length === 0) return [];
  const shown = counts.slice(0, MAX_NAMES);
  const names = shown.map(({ name }) => cut(escapeUnsafe(name)));
  const nameWidth = Math.max(...names.map(widthOf));
  const countWidth = Math.max(...shown.map(({ count }) => number(count).length));
  const lines = shown.map(({ name, count }, at) => {
    const share = palette.dim(`${((count / total) * 100).toFixed(1).padStart(5)} %`);
    return `  ${paint(name)(padded(names[at]!, nameWidth))}  ${number(count).padStart(countWidth)}  ${share}`;
  });
  if (counts.length > shown.length) lines.push(palette.dim(`  … and ${counts.length - shown.length} more`));
  return [palette.bold(title), ...lines];
}

function subjectsTitle({ subjects, subjectCount }: InspectedRecording): string {
  return subjectCount > subjects.length
    ? `Subjects (the ${subjects.length} most frequent of ${number(subjectCount)})`
    : 'Subjects';
}

function gapLines({ gaps, gapCount, gapSeconds }: InspectedRecording, palette: Palette): string[] {
  if (gapCount === 0) return [`${palette.bold('Gaps')}  ${palette.green('none')}`];
  const title = `${palette.bold('Gaps')}  ${number(gapCount)}, ${formatDuration(gapSeconds * 1000)} in all endpoints together`;
  const shown = [...gaps].sort((a, b) => b.to - b.from - (a.to - a.from)).slice(0, MAX_GAPS);
  const width = Math.max(...shown.map(({ endpoint }) => widthOf(cut(escapeUnsafe(endpoint)))));
  const lines = shown.sort((a, b) => a.from - b.from).map((gap) => gapLine(gap, width, palette));
  if (gapCount > shown.length)
    lines.push(palette.dim(`  … and ${number(gapCount - shown.length)} shorter ones`));
  return [title, ...lines];
}

function gapLine({ endpoint, from, to, reason }: RecordedGap, width: number, palette: Palette): string {
  const time = `${timeText(from)} to ${timeText(to).slice(11)}`;
  const length = palette.red(formatDuration((to - from) / 1000).padStart(6));
  return `  ${padded(cut(escapeUnsafe(endpoint)), width)}  ${time}  ${length}  ${escapeUnsafe(reason)}`;
}

function faultLines(report: InspectedRecording, palette: Palette): string[] {
  const { closeCounts, refusalCounts, givenUp, dropped, invalid, badLines, tornTail } = report;
  const lines: string[] = [];
  for (const { endpoint, at, failure, reason } of givenUp.slice(0, MAX_NAMES)) {
    const when = Number.isNaN(at) ? '' : ` at ${timeText(at)}`;
    const why = escapeUnsafe(giveUpText(failure, reason));
    lines.push(`${label('Given up')}${palette.red(`${cut(escapeUnsafe(endpoint))}${when}: ${why}`)}`);
  }
  if (givenUp.length > MAX_NAMES) lines.push(`${label('')}… and ${number(givenUp.length - MAX_NAMES)} more`);
  if (closeCounts.length > 0) lines.push(`${label('Closes')}${countList(closeCounts, closeText)}`);
  if (refusalCounts.length > 0) lines.push(`${label('Refusals')}${countList(refusalCounts, refusalText)}`);
  if (dropped > 0) lines.push(`${label('Dropped')}${palette.red(`${number(dropped)} events`)}`);
  if (invalid > 0)
    lines.push(
      `${label('Invalid')}${number(invalid)} ${invalid === 1 ? 'message is not a JSON object' : 'messages are not JSON objects'}`,
    );
  if (badLines > 0) lines.push(`${label('Bad lines')}${palette.yellow(number(badLines))}`);
  if (tornTail) lines.push(`${label('Torn tail')}${palette.yellow('the last line is incomplete')}`);
  return lines;
}

function countList(counts: readonly NamedCount[], textOf: (name: string) => string): string {
  const shown = counts
    .slice(0, MAX_NAMES)
    .map(({ name, count }) => `${cut(escapeUnsafe(textOf(name)))} ×${number(count)}`);
  if (counts.length > MAX_NAMES) shown.push('…');
  return shown.join(', ');
}

function paintType(palette: Palette): (name: string) => (text: string) => string {
  const paints: Partial<Record<Severity, (text: string) => string>> = {
    error: palette.red,
    warning: palette.yellow,
  };
  return (name) => paints[severityOf(name, undefined)] ?? String;
}

function label(text: string): string {
  return text.padEnd(LABEL_WIDTH);
}

function cut(name: string): string {
  return widthOf(name) <= MAX_NAME_WIDTH ? name : `${fitting(name, MAX_NAME_WIDTH - 1)}…`;
}

/** Pads to columns; `padEnd` counts code units. */
function padded(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)));
}

/** Formats the names of files as a title. */
export function titleOf(files: readonly string[]): string {
  const names = files.map((file) => (file === '-' ? 'stdin' : file));
  return names.length <= 3 ? names.join(', ') : `${names[0]} and ${names.length - 1} more`;
}

/** Formats a close code with its meaning. */
export function closeText(code: string | number): string {
  return `${code} ${closeMeaning(Number(code))}`;
}

/** Formats the name of a refusal, which is an HTTP status or an error text. */
export function refusalText(name: string): string {
  return /^\d{3}$/.test(name) ? `HTTP ${name}` : name;
}

/** Formats why an endpoint was given up: `token refused (HTTP 401)`. */
export function giveUpText(failure: string, reason: string): string {
  if (failure === '' || reason === '' || reason.startsWith(failure)) return reason === '' ? failure : reason;
  return `${failure} (${reason})`;
}

/** Formats a number as `1,234,567` in every locale. */
export function number(value: number): string {
  return value.toLocaleString('en-US');
}

/** Formats a rate, with decimals below ten. */
export function rateText(rate: number): string {
  return rate >= 10 ? number(Math.round(rate)) : String(Number(rate.toPrecision(2)));
}

/** Formats a time as `2026-11-22 21:50:00.123 UTC`. */
export function timeText(microseconds: number): string {
  return `${formatTimestamp(microseconds).slice(0, 23).replace('T', ' ')} UTC`;
}

/** Adds up the events of all types in each column. */
export function columnTotals({ series, count }: TimelineColumns): number[] {
  const totals = new Array<number>(count).fill(0);
  for (const { values } of series) {
    for (let column = 0; column < count; column++) totals[column] = totals[column]! + values[column]!;
  }
  return totals;
}
