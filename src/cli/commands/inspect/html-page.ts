import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { escapeUnsafe, type InspectedRecording } from '../../../index.js';
import { version } from '../../../internal.js';
import { counted, formatDuration } from '../../options/quantity.js';
import type { TimeText } from '../../render/time-text.js';
import type { ChartData, ChartSeries } from './chart-data.js';
import { bySeverity, escapeHtml, isLoud, PROBLEM_COLOR, STYLE, typeColors } from './html-style.js';
import { type Cell, type Figure, type ReportTable, ReportTables } from './report-tables.js';
import { endpointsText, filesText, lengthText, number, titleOf } from './report-words.js';

/** Start of every page that we write; other files are never overwritten. */
export const PAGE_START = '<!doctype html>\n<meta name="generator" content="opmas-ws';

const MAX_ROWS = 500;
/** Longer tables scroll in their card. */
const LONG_TABLE = 20;
/** Longer texts may be broken anywhere, and are cut after three lines until the pointer is on them. */
const LONG_TEXT = 40;

/**
 * Builds the report as one page: no other files, no network, text from the recording escaped. Its one script draws the
 * chart; all else is to be read without it.
 */
export async function htmlPage(
  files: readonly string[],
  report: InspectedRecording,
  times: TimeText,
): Promise<string> {
  const { script, hash } = await readPageScript();
  const title = escapeHtml(titleOf(report, times));
  const colors = typeColors([...new Set([...report.byType.map(({ name }) => name), '(other)'])]);
  const data = chartData(report, times, colors);
  const names = escapeHtml(filesText(files.map((file) => basename(file))));
  const tables = new ReportTables(report, times);
  return `${PAGE_START} ${version}">
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${STYLE}</style>
<main>
<h1>${title}</h1>
<p class="span">${names}</p>
<div class="tiles">${[...tables.figures(), ...newsOf(report)].map(tile).join('')}</div>
${card(tables.trouble())}
${data === undefined ? '' : chartCard(data.width)}
${card(tables.incidents(MAX_ROWS))}
${card(tables.outages())}
${card(tables.devices(true))}
${card(tables.problems())}
<div class="pair">${card(tables.endpoints())}${card(tables.ends())}</div>
<div class="pair">${card(tables.types(), colors)}${card(tables.subjects())}</div>
<footer>Written by opmas-ws ${escapeHtml(version)}. Times are ${escapeHtml(times.zone)}. This page loads nothing from the network.</footer>
</main>
${data === undefined ? '' : `<script type="application/json" id="chart-data">${scriptJson(data)}</script>\n<script>${script}</script>\n`}</html>
`;
}

/** Problems and outages, which the text names in the titles of its sections. */
function newsOf({ problems, outageCount, outageSeconds }: InspectedRecording): Figure[] {
  const onDevices = `on ${counted(problems.byDevice.length, 'device')}`;
  const inAll = `${formatDuration(outageSeconds * 1000)} in all`;
  return [
    news('problems', problems.count, `problems ${onDevices}`),
    news('outages', outageCount, `${outageCount === 1 ? 'outage' : 'outages'}, ${inAll}`),
  ];
}

function news(label: string, count: number, about: string): Figure {
  return count === 0
    ? { label, value: 'none', about: '', kind: 'good' }
    : { label: '', value: number(count), about, kind: 'bad' };
}

function chartCard(columnSeconds: number): string {
  const about = `a column is ${formatDuration(columnSeconds * 1000)}; the scale is logarithmic`;
  return `<section class="card"><h2>Events over time<small>${about}</small></h2>
<noscript><p class="quiet">The chart needs JavaScript; all tables do without.</p></noscript>
<div id="chart"></div><p class="quiet" id="chart-note"></p></section>`;
}

/**
 * Builds a section with a table.
 *
 * @param swatches Colors of the names in the first column.
 */
function card(
  { title, about, heads, rows, count, none }: ReportTable,
  swatches?: ReadonlyMap<string, string>,
): string {
  const head = `<h2>${title}${about === '' || rows.length === 0 ? '' : `<small>${about}</small>`}</h2>`;
  if (rows.length === 0) {
    return none === undefined
      ? ''
      : `<section class="card">${head}<span class="good">${none}</span></section>`;
  }
  const shown = rows.slice(0, MAX_ROWS);
  const kindOf = (column: number) => (heads[column]!.startsWith('#') ? ' class="number"' : '');
  const swatch = (cell: Cell, column: number) => {
    const color = column === 0 && typeof cell === 'string' ? swatches?.get(cell) : undefined;
    return color === undefined ? '' : `<span class="swatch" style="background:${color}"></span>`;
  };
  const names = heads.map((name, column) => `<th${kindOf(column)}>${name.replace(/^[#…]/, '')}</th>`);
  const lines = shown.map((row) => {
    const cells = row.map((cell, column) => {
      const html = cellHtml(cell, column === row.length - 1);
      return `<td${kindOf(column)}>${swatch(cell, column)}${html}</td>`;
    });
    return `<tr>${cells.join('')}</tr>`;
  });
  const body = `<thead><tr>${names.join('')}</tr></thead><tbody>${lines.join('\n')}</tbody>`;
  const left = number(count - shown.length);
  const more = count > shown.length ? `<p class="quiet">… and ${left} more</p>` : '';
  const size = shown.length > LONG_TABLE ? 'scroll long' : 'scroll';
  return `<section class="card">${head}<div class="${size}" tabindex="0"><table>${body}</table></div>${more}</section>`;
}

function cellHtml(cell: Cell, isLast: boolean): string {
  if (typeof cell === 'string') {
    const html = escapeHtml(cell);
    if (cell.length > LONG_TEXT) return `<div class="text">${html}</div>`;
    return isLast ? html : `<span class="name">${html}</span>`;
  }
  if ('bad' in cell) return `<span class="lost">${escapeHtml(cell.bad)}</span>`;
  return cell.severity === 'normal' ? '' : `<span class="badge ${cell.severity}">${cell.severity}</span>`;
}

/** Builds a figure with its name. */
function tile({ label, value, about, kind }: Figure): string {
  const name = kind === 'bad' || about === '' ? `${about} ${label.toLowerCase()}` : about;
  return `<div class="tile ${kind}"><b>${value}</b><span>${name}</span></div>`;
}

const MICROS = 1_000_000;
/** More columns are not wider than a pixel, until the reader zooms. */
const MAX_COLUMNS = 512;
const MAX_OUTAGES = 1000;

/** The script of the page, from beside this file, and the hash that allows it in the page's security policy. */
async function readPageScript(): Promise<{ script: string; hash: string }> {
  const text = await readFile(new URL('./page-script.js', import.meta.url), 'utf8');
  const script = `\n${text.trim()}\n`;
  return { script, hash: createHash('sha256').update(script).digest('base64') };
}

/** Gathers the data of the chart: problems, events by type, and outages. `undefined` when no event has a time. */
function chartData(
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
    outages: report.outages.slice(-MAX_OUTAGES).map(({ from, to, endpoints: missed, reason }) => ({
      from: from / MICROS,
      to: to / MICROS,
      share: Math.min(1, missed.length / Math.max(1, endpoints)),
      text: escapeUnsafe(`Outage of ${endpointsText(missed, report)}, ${lengthText(from, to)}: ${reason}`),
    })),
  };
}

function seriesOf(name: string, color: string, values: readonly number[]): ChartSeries {
  const some = values.flatMap((value, column) => (value === 0 ? [] : [[column, value] as [number, number]]));
  return { name: escapeUnsafe(name), color, isProblem: false, isLoud: isLoud(name), values: some };
}

/** Writes data as JSON that can stand in a `script` element: nothing in it ends the element or begins a comment. */
function scriptJson(data: unknown): string {
  return JSON.stringify(data).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
