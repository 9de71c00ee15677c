import uPlot from 'uplot';
import style from 'uplot/dist/uPlot.min.css';
import type { ChartData } from '../cli/commands/inspect/chart-data.js';

/** A count of zero is drawn below the plot: a logarithmic scale has no place for it. */
const ZERO = 0.4;
const BOTTOM = 0.7;
const NARROW = 600;
const PAPER_WIDTH = 680;
const HINT = 'Drag to zoom, double-click to go back. Click a name in the legend to hide or show its line.';

const data = JSON.parse(document.getElementById('chart-data')!.textContent!) as ChartData;
const place = document.getElementById('chart')!;
const note = document.getElementById('chart-note')!;
const columns = Array.from({ length: data.count }, (_, at) => data.start + at * data.width);
const highest = Math.max(1, ...data.series.flatMap(({ values }) => values.map(([, count]) => count)));

const timeFormat = new Intl.DateTimeFormat('en-GB', {
  timeZone: data.zone,
  ...{ day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' },
});

place.prepend(Object.assign(document.createElement('style'), { textContent: style }));
const chart = new uPlot(options(), [columns, ...data.series.map(valuesOf)] as uPlot.AlignedData, place);

function valuesOf({ values }: ChartData['series'][number]): number[] {
  const counts = new Array<number>(data.count).fill(ZERO);
  for (const [column, count] of values) counts[column] = count;
  return counts;
}

function options(): uPlot.Options {
  const axis = {
    stroke: () => colorOf('--quiet'),
    grid: { stroke: () => colorOf('--line'), width: 1, filter: decades },
    ticks: { stroke: () => colorOf('--line'), width: 1, size: 4, filter: decades },
    font: '12px system-ui, sans-serif',
  };
  return {
    ...size(),
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), data.zone),
    scales: {
      x: { range: (_, from, to) => [from, Math.max(to, from + data.width)] },
      y: { distr: 3, log: 10, range: [BOTTOM, highest * 1.4] },
    },
    axes: [
      { ...axis, space: 64, values: timeLabels() },
      { ...axis, size: 52, values: (_, counts) => counts.map(labelOf) },
    ],
    series: [
      { label: 'Time', value: (_, seconds) => (seconds === null ? '' : timeFormat.format(seconds * 1000)) },
      ...data.series.map(({ name, color, isProblem, isLoud }) => ({
        label: name,
        stroke: color,
        // The lines behind the problems have to shine through.
        ...(isProblem ? { fill: `${color}90` } : {}),
        width: isProblem ? 2 : 1.25,
        alpha: isLoud ? 1 : 0.85,
        points: { show: false },
        paths: uPlot.paths.stepped!({ align: 1 }),
        value: (_: uPlot, count: number | null) =>
          count === null ? '' : Math.floor(count).toLocaleString('en-US'),
      })),
    ],
    cursor: { points: { show: false }, y: false, drag: { x: true, y: false, setScale: true } },
    hooks: { drawClear: [shadeOutages], setCursor: [tellOutage], setScale: [tellSpan] },
  };
}

function timeLabels(): uPlot.Axis.Values {
  return [
    [3600 * 24 * 28, '{MMM} {YYYY}', ...[null, null, null, null, null, null], 1],
    [3600 * 24, '{D} {MMM}', '\n{YYYY}', null, null, null, null, null, 1],
    [60, '{HH}:{mm}', '\n{D} {MMM}', null, '\n{D} {MMM}', null, null, null, 1],
    [1, '{HH}:{mm}:{ss}', '\n{D} {MMM}', null, '\n{D} {MMM}', null, null, null, 1],
    [0.001, ':{ss}.{fff}', '\n{HH}:{mm}', null, '\n{HH}:{mm}', null, '\n{HH}:{mm}', null, 1],
  ] as uPlot.Axis.Values;
}

/** Keeps the powers of ten of an axis of counts, and all marks of the other. */
function decades(_: uPlot, marks: number[], axis: number): (number | null)[] {
  return axis === 0 ? marks : marks.map((count) => (isPower(count) ? count : null));
}

function isPower(count: number): boolean {
  const power = Math.log10(count);
  return count >= 1 && Math.abs(power - Math.round(power)) < 1e-6;
}

function labelOf(count: number): string {
  if (!isPower(count)) return '';
  return count >= 1e6 ? `${count / 1e6} M` : count.toLocaleString('en-US');
}

/** Shades outages over the whole height, fainter where only some endpoints were missing. */
function shadeOutages({ ctx, bbox, valToPos }: uPlot): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillStyle = colorOf('--bad');
  for (const { from, to, share } of data.outages) {
    const left = valToPos(from, 'x', true);
    ctx.globalAlpha = 0.1 + 0.2 * share;
    ctx.fillRect(left, bbox.top, Math.max(2, valToPos(to, 'x', true) - left), bbox.height);
  }
  ctx.restore();
}

/** Shows the outage under the pointer. */
function tellOutage({ cursor, posToVal }: uPlot): void {
  const left = cursor.left ?? -1;
  const isAt = ({ from, to }: { from: number; to: number }) =>
    from <= posToVal(left + 2, 'x') && to >= posToVal(left - 2, 'x');
  const outage = left < 0 ? undefined : data.outages.find(isAt);
  note.textContent = outage === undefined ? HINT : outage.text;
}

/** Says in the note how to get back. */
function tellSpan({ over, scales }: uPlot): void {
  const isAll = scales.x!.min === columns[0] && scales.x!.max! >= columns.at(-1)!;
  over.dataset.span = isAll ? 'all' : 'part';
}

/** Returns a color of the style sheet, as it is in the present scheme: the canvas does not take variables. */
function colorOf(name: string): string {
  place.style.color = `var(${name})`;
  const { color } = getComputedStyle(place);
  place.style.color = '';
  return color;
}

function size(): { width: number; height: number } {
  const width = Math.max(240, Math.floor(place.clientWidth));
  return { width, height: width < NARROW ? 240 : 320 };
}

note.textContent = HINT;
const resize = () => chart.setSize(size());
new ResizeObserver(resize).observe(place);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => chart.redraw(false));
addEventListener('beforeprint', () => {
  // Paper is white, whatever the scheme of the screen is.
  document.documentElement.style.colorScheme = 'light';
  chart.setSize({ width: PAPER_WIDTH, height: 240 });
});
addEventListener('afterprint', () => {
  document.documentElement.style.colorScheme = '';
  resize();
});
