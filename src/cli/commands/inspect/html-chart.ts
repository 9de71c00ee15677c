import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { escapeUnsafe, type InspectedRecording, type Outage } from '../../../index.js';
import type { TimeText } from '../../render/time-text.js';
import type { ChartData, ChartSeries } from './chart-data.js';
import { bySeverity, isLoud, PROBLEM_COLOR } from './html-style.js';
import { endpointsText, lengthText } from './report-words.js';

const MICROS = 1_000_000;
/** More columns are not wider than a pixel, until the reader zooms. */
const MAX_COLUMNS = 512;
const MAX_OUTAGES = 1000;

/** The script of the page, from beside this file, and the hash that allows it in the page's security policy. */
export async function readPageScript(): Promise<{ script: string; hash: string }> {
  const text = await readFile(new URL('./page-script.js', import.meta.url), 'utf8');
  const script = `\n${text.trim()}\n`;
  return { script, hash: createHash('sha256').update(script).digest('base64') };
}

/** Gathers the data of the chart: problems, events by type, and outages. `undefined` when no event has a time. */
export function chartData(
  report: InspectedRecording,
  times: TimeText,
  colors: ReadonlyMap<string, string>,
): ChartData | undefined {
  const columns = report.timeline.columns(MAX_COLUMNS);
  if (columns === undefined) return undefined;
  const { start, width, count, series, problems } = columns;
  const types = [...series]
    .sort((a, b) => bySeverity(a.name, b.name))
    .map(({ name, values }) => seriesOf(name, colors.get(name)!, values));
  const endpoints = Object.keys(report.coverage).length;
  return {
    zone: times.zone,
    start: start / MICROS,
    width: width / MICROS,
    count,
    // The last series is drawn in front.
    series: [
      ...types.reverse(),
      { ...seriesOf('problems', PROBLEM_COLOR, problems), isProblem: true, isLoud: true },
    ],
    outages: report.outages.slice(-MAX_OUTAGES).map((outage) => ({
      from: outage.from / MICROS,
      to: outage.to / MICROS,
      share: Math.min(1, outage.endpoints.length / Math.max(1, endpoints)),
      text: escapeUnsafe(outageText(outage, report)),
    })),
  };
}

function outageText({ from, to, endpoints, reason }: Outage, report: InspectedRecording): string {
  return `Outage of ${endpointsText(endpoints, report)}, ${lengthText(from, to)}: ${reason}`;
}

function seriesOf(name: string, color: string, values: readonly number[]): ChartSeries {
  const some = values.flatMap((value, column) => (value === 0 ? [] : [[column, value] as [number, number]]));
  return { name: escapeUnsafe(name), color, isProblem: false, isLoud: isLoud(name), values: some };
}

/** Writes data as JSON that can stand in a `script` element: nothing in it ends the element or begins a comment. */
export function scriptJson(data: unknown): string {
  return JSON.stringify(data).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
