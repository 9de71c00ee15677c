import { CloseCode, closeMeaning, type InspectedRecording, type TimelineColumns } from '../../../index.js';
import { escapeHtml } from './html-assets.js';
import { bySeverity, type Tick, timeTicks, valueTicks } from './html-scales.js';
import { columnTotals, rateText, timeText } from './text-report.js';

/** Sizes in the units of the drawing, which is scaled to the width of the page. */
export const WIDTH = 1080;
const LEFT = 78;
const RIGHT = 12;
const TOP = 12;
const PLOT_HEIGHT = 240;
const TRACK_HEIGHT = 18;
const TRACK_GAP = 6;
const AXIS_HEIGHT = 38;
export const PLOT_WIDTH = WIDTH - LEFT - RIGHT;
/** Further marks would overlap and are not drawn. */
const MAX_MARKS = 1000;
const MAX_TRACKS = 12;
const MICROSECONDS_PER_SECOND = 1_000_000;

/** Data of the drawing, and the functions that map it to coordinates. */
interface Scene {
  columns: TimelineColumns;
  from: number;
  to: number;
  x(time: number): number;
  y(count: number): number;
  highest: number;
}

/** The timeline: events by type as stacked bars, gaps shaded, and a track for the connection of each endpoint. */
export function chart(
  report: InspectedRecording,
  columns: TimelineColumns,
  colors: ReadonlyMap<string, string>,
): string {
  const from = Math.min(columns.start, report.first ?? columns.start);
  const to = Math.max(columns.start + columns.width * columns.count, report.last ?? 0);
  const highest = Math.max(1, ...columnTotals(columns));
  const scene: Scene = {
    columns,
    from,
    to,
    highest,
    x: (time) => LEFT + ((time - from) / (to - from)) * PLOT_WIDTH,
    y: (count) => TOP + PLOT_HEIGHT * (1 - count / highest),
  };
  const tracks = trackNames(report);
  const bottom = TOP + PLOT_HEIGHT + TRACK_GAP + tracks.length * (TRACK_HEIGHT + TRACK_GAP);
  const parts = [
    hatch(),
    grid(scene, bottom),
    gapShades(report, scene),
    bars(scene, colors),
    tracks.map((endpoint, at) => track(report, scene, endpoint, at)).join(''),
    timeAxis(scene, bottom),
    `<line id="cursor" class="cursor" y1="${TOP}" y2="${bottom}" x1="0" x2="0" visibility="hidden"/>`,
  ];
  const height = bottom + AXIS_HEIGHT;
  const plot = `data-left="${LEFT}" data-plot="${PLOT_WIDTH}" data-from="${from}" data-to="${to}"`;
  return `<svg id="chart" viewBox="0 0 ${WIDTH} ${height}" ${plot} role="img" aria-label="Events over time">${parts.join('')}</svg>`;
}

function hatch(): string {
  return (
    '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">' +
    '<rect class="gap-ground" width="6" height="6"/><line class="gap-line" x1="0" y1="0" x2="0" y2="6"/></pattern></defs>'
  );
}

function grid({ highest, columns, y }: Scene, bottom: number): string {
  const perSecond = MICROSECONDS_PER_SECOND / columns.width;
  const lines = valueTicks(highest * perSecond, 5).map((rate) => {
    const at = round(y(rate / perSecond));
    return (
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/>` +
      `<text class="tick" x="${LEFT - 8}" y="${at + 4}" text-anchor="end">${rateText(rate)}/s</text>`
    );
  });
  const base = TOP + PLOT_HEIGHT;
  lines.push(`<line class="base" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${base}" y2="${base}"/>`);
  lines.push(`<line class="grid" x1="${LEFT}" x2="${LEFT}" y1="${TOP}" y2="${bottom}"/>`);
  return lines.join('');
}

function gapShades({ gaps }: InspectedRecording, scene: Scene): string {
  return gaps
    .slice(0, MAX_MARKS)
    .map(({ from, to }) => {
      const { x, width } = span(scene, from, to);
      return `<rect class="gap-shade" x="${x}" y="${TOP}" width="${width}" height="${PLOT_HEIGHT}"/>`;
    })
    .join('');
}

/** Draws one path for each type; each column stacks a box on the earlier ones. */
function bars({ columns, x, y }: Scene, colors: ReadonlyMap<string, string>): string {
  const below = new Array<number>(columns.count).fill(0);
  const series = [...columns.series].sort((a, b) => bySeverity(a.name, b.name));
  const width = round(x(columns.start + columns.width) - x(columns.start));
  const paths = series.map(({ name, values }, at) => {
    let path = '';
    for (let column = 0; column < columns.count; column++) {
      const count = values[column]!;
      if (count === 0) continue;
      const top = round(y(below[column]! + count));
      const height = round(y(below[column]!)) - top;
      below[column] = below[column]! + count;
      path += `M${round(x(columns.start + column * columns.width))} ${top}h${width}v${round(height)}h-${width}z`;
    }
    return `<path class="series" data-series="${at}" fill="${colors.get(name) ?? '#888'}" d="${path}"/>`;
  });
  return paths.join('');
}

/** Endpoints of which anything is known, events or lifecycle. */
function trackNames({ byEndpoint, gaps, closes, connections }: InspectedRecording): string[] {
  const names = new Set(byEndpoint.map(({ name }) => name));
  for (const { endpoint } of [...connections, ...gaps, ...closes]) names.add(endpoint);
  return [...names].slice(0, MAX_TRACKS);
}

function track(report: InspectedRecording, scene: Scene, endpoint: string, at: number): string {
  const y = TOP + PLOT_HEIGHT + TRACK_GAP + at * (TRACK_HEIGHT + TRACK_GAP);
  const name = endpoint.length > 11 ? `…${endpoint.slice(-10)}` : endpoint;
  const parts = [
    `<text class="track-name" x="${LEFT - 8}" y="${y + 13}" text-anchor="end">${escapeHtml(name)}</text>`,
    `<rect class="track" x="${LEFT}" y="${y}" width="${PLOT_WIDTH}" height="${TRACK_HEIGHT}" rx="3"/>`,
  ];
  const own = <Item extends { endpoint: string }>(items: readonly Item[]) =>
    items.filter((item) => item.endpoint === endpoint).slice(0, MAX_MARKS);
  const box = (kind: string, { from, to }: { from: number; to: number }) => {
    const { x, width } = span(scene, from, to);
    parts.push(`<rect class="${kind}" x="${x}" y="${y}" width="${width}" height="${TRACK_HEIGHT}"/>`);
  };
  for (const connection of own(report.connections)) box('connected', connection);
  for (const gap of own(report.gaps)) box('gap', gap);
  for (const { at: time, code } of own(report.closes)) {
    if (Number.isNaN(time)) continue;
    const x = round(scene.x(time));
    const kind = code === CloseCode.NORMAL ? 'close' : 'close bad';
    const title = `${timeText(time)}: closed ${code} ${closeMeaning(code)}`;
    parts.push(
      `<g class="${kind}"><title>${escapeHtml(title)}</title><line x1="${x}" x2="${x}" y1="${y - 2}" y2="${y + TRACK_HEIGHT + 2}"/>` +
        `<circle cx="${x}" cy="${y + TRACK_HEIGHT / 2}" r="4"/></g>`,
    );
  }
  return parts.join('');
}

function timeAxis({ from, to, x }: Scene, bottom: number): string {
  return timeTicks(from, to, 8)
    .map((tick) => timeMark(tick, round(x(tick.value)), bottom))
    .join('');
}

function timeMark({ label }: Tick, x: number, bottom: number): string {
  const rows = label
    .split('\n')
    .map(
      (row, at) =>
        `<tspan x="${x}" dy="${at === 0 ? 0 : 13}"${at === 0 ? '' : ' class="date"'}>${row}</tspan>`,
    );
  const anchor = x > WIDTH - RIGHT - 20 ? 'end' : 'middle';
  return (
    `<line class="grid" x1="${x}" x2="${x}" y1="${bottom}" y2="${bottom + 4}"/>` +
    `<text class="tick" x="${x}" y="${bottom + 17}" text-anchor="${anchor}">${rows.join('')}</text>`
  );
}

/** Returns the box of a time span, which is always wide enough to be seen. */
function span({ x, from, to }: Scene, start: number, end: number): { x: number; width: number } {
  const left = x(Math.max(from, start));
  const right = x(Math.min(to, end));
  return { x: round(left), width: Math.max(2, round(right - left)) };
}

/** The shape of one type over time, small enough for a row of a table. */
export function miniature(values: readonly number[], color: string): string {
  const highest = Math.max(...values);
  const width = 160 / values.length;
  let path = '';
  for (const [at, value] of values.entries()) {
    if (value === 0) continue;
    const height = Math.max(1.5, (value / highest) * 22);
    path += `M${round(at * width)} 24h${round(width)}v-${round(height)}h-${round(width)}z`;
  }
  return `<svg class="miniature" viewBox="0 0 160 24" preserveAspectRatio="none" aria-hidden="true"><path fill="${color}" d="${path}"/></svg>`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
