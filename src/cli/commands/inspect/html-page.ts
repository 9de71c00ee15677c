import { basename } from 'node:path';
import type { InspectedRecording, TimelineColumns } from '../../../index.js';
import { version } from '../../../internal.js';
import { formatDuration } from '../../options/quantity.js';
import { chart, miniature } from './html-chart.js';
import { bySeverity, escapeHtml, STYLE, typeColors } from './html-style.js';
import { closeText, giveUpText, number, rateText, refusalText, timeText, titleOf } from './text-report.js';

/** Start of every page that we write; other files are never overwritten. */
export const PAGE_START = '<!doctype html>\n<meta name="generator" content="opmas-ws';

const MAX_COLUMNS = 240;
const MINIATURE_COLUMNS = 80;
const MAX_ROWS = 200;

/** Builds the report as one page: no other files, no scripts, no network, text from the recording escaped. */
export function htmlPage(files: readonly string[], report: InspectedRecording): string {
  const title = escapeHtml(titleOf(files.map((file) => basename(file))));
  const columns = report.timeline.columns(MAX_COLUMNS);
  const colors = typeColors([...new Set([...report.byType.map(({ name }) => name), '(other)'])]);
  return `${PAGE_START} ${version}">
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} – opmas-ws</title>
<style>${STYLE}</style>
<main>
<h1>${title}</h1>
<p class="span">${spanText(report)}</p>
${tiles(report)}
${columns === undefined ? '' : timelineCard(report, columns, colors)}
${typesCard(report, colors)}
<div class="pair">${endpointsCard(report)}${endsCard(report)}</div>
${gapsCard(report)}
${subjectsCard(report)}
<footer>Written by opmas-ws ${escapeHtml(version)}. Times are UTC. This page loads nothing from the network.</footer>
</main>
</html>
`;
}

function spanText({ first, last }: InspectedRecording): string {
  if (first === undefined || last === undefined) return 'No line has a time.';
  return `${timeText(first)} to ${timeText(last)} (${formatDuration((last - first) / 1000)})`;
}

function tiles(report: InspectedRecording): string {
  const { events, rate, gapCount, gapSeconds, givenUp, dropped, invalid, badLines, tornTail } = report;
  const all = [
    tile(number(events), 'events'),
    tile(`${rateText(rate.mean)}/s`, 'on average'),
    tile(`${number(rate.peak)}/s`, 'at most'),
  ];
  const gaps = `${gapCount === 1 ? 'gap of' : 'gaps, in all'} ${formatDuration(gapSeconds * 1000)}`;
  all.push(gapCount === 0 ? tile('none', 'gaps', 'good') : tile(number(gapCount), gaps, 'bad'));
  const endpoints = [...new Set(givenUp.map(({ endpoint }) => escapeHtml(endpoint)))];
  if (endpoints.length > 0) all.push(tile('given up', endpoints.join(', '), 'bad'));
  if (dropped > 0) all.push(tile(number(dropped), 'events dropped', 'bad'));
  if (invalid > 0) all.push(tile(number(invalid), 'invalid messages', 'warn'));
  if (badLines > 0)
    all.push(tile(number(badLines), `bad ${badLines === 1 ? 'line' : 'lines'} skipped`, 'warn'));
  if (tornTail) all.push(tile('torn', 'last line', 'warn'));
  return `<div class="tiles">${all.join('')}</div>`;
}

function tile(value: string, name: string, kind = ''): string {
  return `<div class="tile ${kind}"><b>${value}</b><span>${name}</span></div>`;
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
  const about = `each bar covers ${formatDuration(columns.width / 1000)}; the lines below show the connections`;
  return `<section class="card"><h2>Events over time<small>${about}</small></h2>
<ul class="legend">${keys.join('')}</ul>${chart(report, columns, colors)}</section>`;
}

function typesCard(
  { byType, events, timeline }: InspectedRecording,
  colors: ReadonlyMap<string, string>,
): string {
  const columns = timeline.columns(MINIATURE_COLUMNS);
  const rows = byType.map(({ name, count }) => {
    const color = colors.get(name)!;
    const values = columns?.series.find((series) => series.name === name)?.values;
    const shape = values === undefined ? '' : miniature(values, color);
    return [swatch(color) + escapeHtml(name), shape, ...figures(count, events)];
  });
  return card('By type', ['type', 'over time', '#events', '#share'], rows);
}

function endpointsCard({ byEndpoint, events }: InspectedRecording): string {
  const rows = byEndpoint.map(({ name, count }) => [escapeHtml(name), ...figures(count, events)]);
  return card('By endpoint', ['endpoint', '#events', '#share'], rows);
}

function endsCard({ closeCounts, refusalCounts, givenUp }: InspectedRecording): string {
  const ends = givenUp.map(
    ({ endpoint, failure, reason }) => [`given up: ${endpoint}, ${giveUpText(failure, reason)}`, 1] as const,
  );
  const closes = closeCounts.map(({ name, count }) => [`closed ${closeText(name)}`, count] as const);
  const refusals = refusalCounts.map(({ name, count }) => [`refused: ${refusalText(name)}`, count] as const);
  const rows = [...ends, ...closes, ...refusals].map(([text, count]) => [escapeHtml(text), number(count)]);
  return rows.length === 0 ? '' : card('Ends of connections', ['end', '#count'], rows);
}

function gapsCard({ gaps, gapCount, gapSeconds }: InspectedRecording): string {
  if (gapCount === 0) {
    const none = 'None: no events are missing while endpoints were connected.';
    return `<section class="card"><h2>Gaps</h2><span class="good">${none}</span></section>`;
  }
  const rows = gaps.map(({ endpoint, from, to, reason }) => {
    const length = `<span class="lost">${formatDuration((to - from) / 1000)}</span>`;
    return [escapeHtml(endpoint), timeText(from), timeText(to), length, escapeHtml(reason)];
  });
  const about = `${formatDuration(gapSeconds * 1000)} in all endpoints together; events may be missing`;
  return card(`Gaps<small>${about}</small>`, ['endpoint', 'from', 'to', '#length', 'reason'], rows, gapCount);
}

function subjectsCard({ subjects, subjectCount, events }: InspectedRecording): string {
  if (subjects.length === 0) return '';
  const most = subjects[0]!.count;
  const rows = subjects.map(({ name, count }) => {
    const meter = `<div class="meter" style="width:${((count / most) * 100).toFixed(1)}%"></div>`;
    return [escapeHtml(name), meter, ...figures(count, events)];
  });
  const about =
    subjectCount > subjects.length ? `<small>the most frequent of ${number(subjectCount)}</small>` : '';
  return card(`Subjects${about}`, ['subject', '', '#events', '#share'], rows);
}

/**
 * Builds a section with a table. Title and cells are HTML.
 *
 * @param heads `#` marks columns of numbers. @param count Number of all rows.
 */
function card(
  title: string,
  heads: readonly string[],
  rows: readonly string[][],
  count = rows.length,
): string {
  const shown = rows.slice(0, MAX_ROWS);
  const row = (tag: 'th' | 'td', cells: readonly string[]) => {
    const kind = (column: number) => (heads[column]?.startsWith('#') ? ' class="number"' : '');
    return `<tr>${cells.map((html, column) => `<${tag}${kind(column)}>${html}</${tag}>`).join('')}</tr>`;
  };
  const names = heads.map((head) => head.replace('#', ''));
  const body = shown.map((cells) => row('td', cells)).join('\n');
  const table = `<table><thead>${row('th', names)}</thead><tbody>${body}</tbody></table>`;
  const more = count > shown.length ? `<p class="quiet">… and ${number(count - shown.length)} more</p>` : '';
  return `<section class="card"><h2>${title}</h2>${table}${more}</section>`;
}

function figures(count: number, total: number): string[] {
  return [number(count), `${((count / total) * 100).toFixed(1)} %`];
}

function swatch(color = '#888'): string {
  return `<span class="swatch" style="background:${color}"></span>`;
}
