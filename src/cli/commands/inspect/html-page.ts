import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import {
  closeMeaning,
  escapeUnsafe,
  type InspectedRecording,
  type NamedCount,
  type TimelineColumns,
} from '../../../index.js';
import { formatDuration } from '../../options/quantity.js';
import { version } from '../../version.js';
import { escapeHtml, escapeJsonForScript, SCRIPT, STYLE } from './html-assets.js';
import { chart, miniature } from './html-chart.js';
import { bySeverity, typeColors } from './html-scales.js';
import { number, rateText, refusalText, timeText } from './text-report.js';

/** Start of every page that we write; other files are never overwritten. */
export const PAGE_START = '<!doctype html>\n<meta name="generator" content="opmas-ws';

const MAX_COLUMNS = 240;
const MINIATURE_COLUMNS = 80;
const MAX_ROWS = 200;
const MAX_MARKS = 1000;

/** Builds the report as one page: no other files, no network, text from the recording escaped. */
export function htmlPage(files: readonly string[], report: InspectedRecording): string {
  const names = files.map((file) => (file === '-' ? 'stdin' : basename(file)));
  const title = names.length <= 3 ? names.join(', ') : `${names[0]} and ${names.length - 1} more`;
  const columns = report.timeline.columns(MAX_COLUMNS);
  const colors = typeColors([...new Set([...report.byType.map(({ name }) => name), '(other)'])]);
  const scriptHash = createHash('sha256').update(SCRIPT).digest('base64');
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${scriptHash}'; base-uri 'none'; form-action 'none'`;
  return `${PAGE_START} ${version}">
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} – opmas-ws</title>
<style>${STYLE}</style>
<main>
<h1>${escapeHtml(title)}</h1>
<p class="span">${spanText(report)}</p>
${tiles(report)}
${columns === undefined ? '' : timelineCard(report, columns, colors)}
${typesCard(report, colors)}
<div class="pair">${endpointsCard(report)}${endsCard(report)}</div>
${gapsCard(report)}
${subjectsCard(report)}
<footer>Written by opmas-ws ${escapeHtml(version)}. Times are UTC. This page loads nothing from the network.</footer>
</main>
${columns === undefined ? '' : scripts(report, columns, colors)}
</html>
`;
}

function spanText({ first, last }: InspectedRecording): string {
  if (first === undefined || last === undefined) return 'No line has a time.';
  return `${timeText(first)} to ${timeText(last)} (${formatDuration((last - first) / 1000)})`;
}

function tiles(report: InspectedRecording): string {
  const { events, rate, gapCount, gapSeconds, dropped, invalid, badLines, tornTail } = report;
  const all = [
    tile(number(events), 'events'),
    tile(`${rateText(rate.mean)}/s`, 'on average'),
    tile(`${number(rate.peak)}/s`, 'at most'),
    gapCount === 0
      ? tile('none', 'gaps', 'good')
      : tile(
          number(gapCount),
          `${gapCount === 1 ? 'gap of' : 'gaps, in all'} ${formatDuration(gapSeconds * 1000)}`,
          'bad',
        ),
  ];
  if (dropped > 0) all.push(tile(number(dropped), 'events dropped', 'bad'));
  if (invalid > 0) all.push(tile(number(invalid), 'invalid messages', 'warn'));
  if (badLines > 0)
    all.push(tile(number(badLines), badLines === 1 ? 'bad line skipped' : 'bad lines skipped', 'warn'));
  if (tornTail) all.push(tile('torn', 'last line', 'warn'));
  return `<div class="tiles">${all.join('')}</div>`;
}

function tile(value: string, name: string, kind = ''): string {
  return `<div class="tile ${kind}"><b>${escapeHtml(value)}</b><span>${escapeHtml(name)}</span></div>`;
}

function timelineCard(
  report: InspectedRecording,
  columns: TimelineColumns,
  colors: ReadonlyMap<string, string>,
): string {
  const names = columns.series.map(({ name }) => name).sort(bySeverity);
  const keys = names.map((name) => `<li>${swatch(colors.get(name))}${escapeHtml(name)}</li>`);
  if (report.connections.length > 0) keys.push('<li><span class="swatch open-key"></span>connected</li>');
  if (report.gapCount > 0) keys.push('<li><span class="swatch gap-key"></span>gap</li>');
  if (report.closes.length > 0) keys.push('<li><span class="swatch close-key"></span>connection closed</li>');
  const width = formatDuration(columns.width / 1000);
  return `<section class="card"><h2>Events over time<small>each bar covers ${width}; the lines below show the connections</small></h2>
<ul class="legend">${keys.join('')}</ul>
<div class="chart">${chart(report, columns, colors)}<div id="tip" hidden></div></div></section>`;
}

function typesCard(report: InspectedRecording, colors: ReadonlyMap<string, string>): string {
  const small = report.timeline.columns(MINIATURE_COLUMNS);
  const rows = report.byType.slice(0, MAX_ROWS).map(({ name, count }) => {
    const color = colors.get(name) ?? '#888';
    const values = small?.series.find((series) => series.name === name)?.values;
    return `<tr><td class="name">${swatch(color)}${escapeHtml(name)}</td><td class="small">${values === undefined ? '' : miniature(values, color)}</td>${figures(count, report.events)}</tr>`;
  });
  return card('By type', ['type', 'over time', '#events', '#share'], rows, report.byType.length);
}

function endpointsCard({ byEndpoint, events }: InspectedRecording): string {
  const rows = byEndpoint
    .slice(0, MAX_ROWS)
    .map(({ name, count }) => `<tr><td class="name">${escapeHtml(name)}</td>${figures(count, events)}</tr>`);
  return card('By endpoint', ['endpoint', '#events', '#share'], rows, byEndpoint.length);
}

function endsCard({ closeCounts, refusalCounts }: InspectedRecording): string {
  const closes = closeCounts.map(({ name, count }) =>
    endRow(`closed ${name} ${closeMeaning(Number(name))}`, count),
  );
  const refusals = refusalCounts.map(({ name, count }) => endRow(`refused: ${refusalText(name)}`, count));
  const rows = [...closes, ...refusals];
  if (rows.length === 0) return '';
  return card('Ends of connections', ['end', '#count'], rows.slice(0, MAX_ROWS), rows.length);
}

function endRow(text: string, count: number): string {
  return `<tr><td class="name">${escapeHtml(text)}</td><td class="number">${number(count)}</td></tr>`;
}

function gapsCard({ gaps, gapCount, gapSeconds }: InspectedRecording): string {
  if (gapCount === 0) {
    return '<section class="card"><h2>Gaps</h2><p class="none">None: no events are missing while endpoints were connected.</p></section>';
  }
  const rows = gaps
    .slice(0, MAX_ROWS)
    .map(
      ({ endpoint, from, to, reason }) =>
        `<tr><td class="name">${escapeHtml(endpoint)}</td><td class="time">${timeText(from)}</td><td class="time">${timeText(to)}</td>` +
        `<td class="number lost">${formatDuration((to - from) / 1000)}</td><td class="name">${escapeHtml(reason)}</td></tr>`,
    );
  const title = `Gaps<small>${formatDuration(gapSeconds * 1000)} in all endpoints together; events may be missing</small>`;
  return card(title, ['endpoint', 'from', 'to', '#length', 'reason'], rows, gapCount);
}

function subjectsCard({ subjects, subjectCount, events }: InspectedRecording): string {
  if (subjects.length === 0) return '';
  const most = subjects[0]!.count;
  const rows = subjects.map(
    ({ name, count }) =>
      `<tr><td class="name">${escapeHtml(name)}</td><td class="bar"><div class="meter" style="width:${((count / most) * 100).toFixed(1)}%"></div></td>${figures(count, events)}</tr>`,
  );
  const about =
    subjectCount > subjects.length ? `<small>the most frequent of ${number(subjectCount)}</small>` : '';
  return card(`Subjects${about}`, ['subject', '', '#events', '#share'], rows, subjects.length);
}

/** @param title May contain HTML. @param heads `#` marks columns of numbers. */
function card(title: string, heads: readonly string[], rows: readonly string[], count: number): string {
  const cells = heads.map((head) =>
    head.startsWith('#') ? `<th class="number">${head.slice(1)}</th>` : `<th>${head}</th>`,
  );
  const more = count > rows.length ? `<p class="quiet">… and ${number(count - rows.length)} more</p>` : '';
  return `<section class="card"><h2>${title}</h2><table><thead><tr>${cells.join('')}</tr></thead><tbody>${rows.join('\n')}</tbody></table>${more}</section>`;
}

function figures(count: NamedCount['count'], total: number): string {
  return `<td class="number">${number(count)}</td><td class="number">${((count / total) * 100).toFixed(1)} %</td>`;
}

function swatch(color = '#888'): string {
  return `<span class="swatch" style="background:${color}"></span>`;
}

function scripts(
  { gaps, closes }: InspectedRecording,
  { start, width, series }: TimelineColumns,
  colors: ReadonlyMap<string, string>,
): string {
  const data = {
    start,
    width,
    series: series.map(({ name, values }) => ({ name: escapeUnsafe(name), color: colors.get(name), values })),
    gaps: gaps.slice(0, MAX_MARKS).map(({ endpoint, from, to, reason }) => ({
      endpoint: escapeUnsafe(endpoint),
      from,
      to,
      length: formatDuration((to - from) / 1000),
      reason: escapeUnsafe(reason),
    })),
    closes: closes.slice(0, MAX_MARKS).map(({ endpoint, at, code }) => ({
      endpoint: escapeUnsafe(endpoint),
      at,
      text: `closed ${code} ${closeMeaning(code)}`,
    })),
  };
  return `<script type="application/json" id="data">${escapeJsonForScript(data)}</script>\n<script>${SCRIPT}</script>`;
}
