import { CloseCode, type InspectedRecording, type TimelineColumns } from '../../../index.js';
import { formatDuration } from '../../options/quantity.js';
import { bySeverity, escapeHtml } from './html-style.js';
import { closeText, columnTotals, number, rateText, timeText } from './text-report.js';

/** Sizes in the units of the drawing, which is scaled to the width of the page. */
const WIDTH = 1080;
const LEFT = 78;
const RIGHT = 12;
const TOP = 12;
const PLOT_HEIGHT = 240;
const TRACK_HEIGHT = 18;
const TRACK_GAP = 8;
const AXIS_HEIGHT = 24;
/** Further marks would overlap and are not drawn. */
const MAX_MARKS = 1000;
const MAX_TRACKS = 12;
/** Longest tooltip, in lines of each kind. */
const MAX_TIP_LINES = 14;

const SECOND = 1_000_000;
const DAY = 24 * 3600 * SECOND;
/** Distances between the marks of the time axis, in microseconds. */
const STEPS = [
  ...[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * 60 * SECOND),
  ...[1, 2, 3, 6, 12].map((count) => count * 3600 * SECOND),
  ...[1, 2, 7, 14, 30, 90, 180, 365, 730, 1825, 3650].map((count) => count * DAY),
];

/** Data of the drawing, and the functions that map it to coordinates. */
interface Scene {
  report: InspectedRecording;
  columns: TimelineColumns;
  /** Events in each column. */
  totals: readonly number[];
  highest: number;
  from: number;
  to: number;
  /** Lower end of the tracks. */
  bottom: number;
  x(time: number): number;
  y(count: number): number;
}

/**
 * Draws the timeline: events by type as stacked bars, gaps shaded, and a track for the connection of each endpoint.
 * The exact figures of a column are its tooltip.
 */
export function chart(
  report: InspectedRecording,
  columns: TimelineColumns,
  colors: ReadonlyMap<string, string>,
): string {
  const from = Math.min(columns.start, report.first ?? columns.start);
  const to = Math.max(columns.start + columns.width * columns.count, report.last ?? 0);
  const totals = columnTotals(columns);
  const highest = Math.max(1, ...totals);
  const tracks = trackNames(report);
  const scene: Scene = {
    report,
    columns,
    totals,
    highest,
    from,
    to,
    bottom: TOP + PLOT_HEIGHT + TRACK_GAP + tracks.length * (TRACK_HEIGHT + TRACK_GAP),
    x: (time) => round(LEFT + ((time - from) / (to - from)) * (WIDTH - LEFT - RIGHT)),
    y: (count) => round(TOP + PLOT_HEIGHT * (1 - count / highest)),
  };
  const parts = [
    '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">' +
      '<rect class="hatch-ground" width="6" height="6"/><line class="hatch-line" y2="6"/></pattern></defs>',
    valueAxis(scene),
    ...report.gaps.slice(0, MAX_MARKS).map((gap) => box(scene, 'gap-shade', gap, TOP, PLOT_HEIGHT)),
    bars(scene, colors),
    ...tracks.map((endpoint, at) => track(scene, endpoint, at)),
    timeAxis(scene),
    tooltips(scene),
  ];
  const size = `viewBox="0 0 ${WIDTH} ${scene.bottom + AXIS_HEIGHT}"`;
  return `<svg id="chart" ${size} role="img" aria-label="Events over time">${parts.join('')}</svg>`;
}

function valueAxis({ highest, columns, bottom, y }: Scene): string {
  const perSecond = SECOND / columns.width;
  const rates = [0, ...valueTicks(highest * perSecond, 5)];
  const lines = rates.map((rate) => {
    const at = y(rate / perSecond);
    const line = `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/>`;
    return `${line}<text x="${LEFT - 8}" y="${at + 3}" text-anchor="end">${rateText(rate)}/s</text>`;
  });
  return `${lines.join('')}<line x1="${LEFT}" x2="${LEFT}" y1="${TOP}" y2="${bottom}"/>`;
}

/** Returns round values from zero up, without zero. */
function valueTicks(highest: number, most: number): number[] {
  const rough = highest / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((each) => each >= rough) ?? rough;
  return Array.from({ length: Math.floor(highest / step) }, (_, at) => (at + 1) * step);
}

/** Draws marks at round times, labeled with the time in UTC, or with the date at midnight. */
function timeAxis({ from, to, bottom, x }: Scene): string {
  const most = 8;
  const step = STEPS.find((candidate) => (to - from) / candidate <= most) ?? (to - from) / most;
  const end = step < SECOND ? 23 : step < 60 * SECOND ? 19 : 16;
  let marks = '';
  for (let time = Math.ceil(from / step) * step; time <= to; time += step) {
    const at = x(time);
    const text = new Date(time / 1000).toISOString();
    const label = time % DAY === 0 ? text.slice(0, 10) : text.slice(11, end);
    const anchor = at > WIDTH - RIGHT - 20 ? 'end' : 'middle';
    marks += `<line x1="${at}" x2="${at}" y1="${bottom}" y2="${bottom + 4}"/>`;
    marks += `<text x="${at}" y="${bottom + 17}" text-anchor="${anchor}">${label}</text>`;
  }
  return marks;
}

/** Draws one path for each type; each column stacks a box on the earlier ones. */
function bars({ columns, x, y }: Scene, colors: ReadonlyMap<string, string>): string {
  const { start, width, count, series } = columns;
  const below = new Array<number>(count).fill(0);
  const wide = round(x(start + width) - x(start));
  const paths = [...series]
    .sort((a, b) => bySeverity(a.name, b.name))
    .map(({ name, values }) => {
      let path = '';
      for (const [column, value] of values.entries()) {
        if (value === 0) continue;
        const base = y(below[column]!);
        below[column]! += value;
        const top = y(below[column]!);
        path += `M${x(start + column * width)} ${top}h${wide}v${round(base - top)}h-${wide}z`;
      }
      return `<path fill="${colors.get(name)}" d="${path}"/>`;
    });
  return paths.join('');
}

/** Returns the endpoints of which anything is known, events or lifecycle. */
function trackNames({ byEndpoint, gaps, closes, connections }: InspectedRecording): string[] {
  const names = new Set(byEndpoint.map(({ name }) => name));
  for (const { endpoint } of [...connections, ...gaps, ...closes]) names.add(endpoint);
  return [...names].slice(0, MAX_TRACKS);
}

function track(scene: Scene, endpoint: string, at: number): string {
  const { report, x, from, to } = scene;
  const y = TOP + PLOT_HEIGHT + TRACK_GAP + at * (TRACK_HEIGHT + TRACK_GAP);
  const name = endpoint.length > 11 ? `…${endpoint.slice(-10)}` : endpoint;
  const own = <Item extends { endpoint: string }>(items: readonly Item[]) =>
    items.filter((item) => item.endpoint === endpoint).slice(0, MAX_MARKS);
  const closes = own(report.closes).filter(({ at }) => !Number.isNaN(at));
  const parts = [
    `<text x="${LEFT - 8}" y="${y + 13}" text-anchor="end">${escapeHtml(name)}</text>`,
    box(scene, 'track', { from, to }, y, TRACK_HEIGHT),
    ...own(report.connections).map((connection) => box(scene, 'connected', connection, y, TRACK_HEIGHT)),
    ...own(report.gaps).map((gap) => box(scene, 'gap', gap, y, TRACK_HEIGHT)),
    ...closes.map(({ at, code }) => {
      const mark = `<line x1="${x(at)}" x2="${x(at)}" y1="${y - 2}" y2="${y + TRACK_HEIGHT + 2}"/>`;
      const circle = `<circle cx="${x(at)}" cy="${y + TRACK_HEIGHT / 2}" r="4"/>`;
      return `<g class="${code === CloseCode.NORMAL ? 'close' : 'close bad'}">${mark}${circle}</g>`;
    }),
  ];
  return parts.join('');
}

/** Draws a span of time, always wide enough to be seen. */
function box(
  scene: Scene,
  kind: string,
  span: { from: number; to: number },
  y: number,
  height: number,
): string {
  const left = scene.x(Math.max(scene.from, span.from));
  const width = Math.max(2, round(scene.x(Math.min(scene.to, span.to)) - left));
  return `<rect class="${kind}" x="${left}" y="${y}" width="${width}" height="${height}"/>`;
}

/** Draws tooltips for the columns, and for the time before and after them in which connections are known. */
function tooltips(scene: Scene): string {
  const { start, width } = scene.columns;
  const first = Math.floor((scene.from - start) / width);
  const length = Math.ceil((scene.to - start) / width) - first;
  return Array.from({ length }, (_, at) => tooltip(scene, first + at)).join('');
}

/** Draws an invisible box over a column, with all that happened in it as its tooltip. */
function tooltip(scene: Scene, column: number): string {
  const { report, columns, totals, bottom } = scene;
  const from = columns.start + column * columns.width;
  const to = from + columns.width;
  const total = totals[column] ?? 0;
  const counts = columns.series
    .map(({ name, values }) => ({ name, count: values[column] ?? 0 }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count);
  const gaps = report.gaps.filter((gap) => gap.from < to && gap.to > from);
  const closes = report.closes.filter(({ at }) => at >= from && at < to);
  const lines = [
    `${timeText(from)} to ${timeText(to).slice(11)}`,
    `${number(total)} ${total === 1 ? 'event' : 'events'} (${rateText((total * SECOND) / columns.width)}/s)`,
    ...counts.slice(0, MAX_TIP_LINES).map(({ name, count }) => `${name}: ${number(count)}`),
    ...gaps
      .slice(0, MAX_TIP_LINES)
      .map((gap) => `Gap on ${gap.endpoint}, ${formatDuration((gap.to - gap.from) / 1000)}: ${gap.reason}`),
    ...closes.slice(0, MAX_TIP_LINES).map(({ endpoint, code }) => `${endpoint}: closed ${closeText(code)}`),
  ];
  const title = `<title>${lines.map(escapeHtml).join('\n')}</title>`;
  return box(scene, 'column', { from, to }, TOP, bottom - TOP).replace('/>', `>${title}</rect>`);
}

/** Draws the shape of one type over time, small enough for a row of a table. */
export function miniature(values: readonly number[], color: string): string {
  const highest = Math.max(...values);
  const width = round(160 / values.length);
  let path = '';
  for (const [at, value] of values.entries()) {
    if (value === 0) continue;
    const height = round(Math.max(1.5, (value / highest) * 22));
    path += `M${round((at * 160) / values.length)} 24h${width}v-${height}h-${width}z`;
  }
  return `<svg viewBox="0 0 160 24" preserveAspectRatio="none" aria-hidden="true"><path fill="${color}" d="${path}"/></svg>`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
