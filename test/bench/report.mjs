/** Tables of results. */
import { readFileSync } from 'node:fs';
import { median } from './statistics.mjs';

/**
 * @typedef {import('./bench.mjs').RowResult} RowResult
 * @typedef {import('./bench.mjs').Goal} Goal
 * @typedef {import('./bench.mjs').Figure} Figure
 */

/** @type {Record<Figure, string>} */
const FIGURES = {
  value: 'figure',
  cpuPerMillion: 'CPU',
  peakRssMb: 'RSS in MB',
  p99: 'p99 in ms',
  driftPercent: 'drift in %',
  cpuPercent: 'CPU in %',
  rssGrowthMb: 'growth in MB',
};

/**
 * Prints one line for each row, then the ratios and their goals.
 *
 * @param {string} group @param {RowResult[]} results
 */
export function printTable(group, results) {
  const rows = results.map((result) => {
    const values = figures(result, 'value');
    if (values.length === 0) return [result.name, '', '', '', '', '', '', result.skipped ?? ''];
    return [
      result.name,
      `${short(median(values))} ${result.unit}`,
      `${short(Math.min(...values))} - ${short(Math.max(...values))}`,
      number(median(figures(result, 'cpuPerMillion')), 2),
      number(Math.max(...figures(result, 'peakRssMb')), 0),
      String(result.samples.at(-1)?.lines ?? ''),
      String(result.samples.reduce((sum, sample) => sum + (sample.bad ?? 0), 0)),
      '',
    ];
  });
  printColumns([[group, 'median', 'lowest - highest', 'CPU s/M', 'RSS MB', 'lines', 'bad', ''], ...rows]);
  const goals = results.flatMap((result) => result.goals.map((goal) => goalCells(goal, result, results)));
  if (goals.length > 0) printColumns([['goal', '', 'reached', 'wanted', ''], ...goals]);
}

/** Prints how two runs differ. @param {string} before @param {string} after Files written with `--json`. */
export function printComparison(before, after) {
  const old = readResults(before);
  const rows = readResults(after).flatMap((result) => {
    const same = old.find(({ group, name }) => group === result.group && name === result.name);
    if (same === undefined || same.samples.length === 0 || result.samples.length === 0) return [];
    const was = median(figures(same, 'value'));
    const is = median(figures(result, 'value'));
    const goal = result.goals.find(({ of, figure }) => of !== undefined && figure === undefined);
    const ratios = [same, result].map((one, i) =>
      goal ? number(ratioTo(goal, one, i === 0 ? old : readResults(after)), 3) : '',
    );
    return [[result.name, short(was), short(is), `${number((is / was - 1) * 100, 1)} %`, ...ratios]];
  });
  printColumns([['', 'before', 'after', 'change', 'ratio before', 'ratio after'], ...rows]);
}

/** @param {string} file @returns {RowResult[]} */
function readResults(file) {
  return JSON.parse(readFileSync(file, 'utf8')).results;
}

/** @param {Goal} goal @param {RowResult} result @param {RowResult[]} results */
function goalCells(goal, result, results) {
  const { of, figure = 'value', atLeast, atMost } = goal;
  const reached = of === undefined ? median(figures(result, figure)) : ratioTo(goal, result, results);
  const isMet =
    reached >= (atLeast ?? Number.NEGATIVE_INFINITY) && reached <= (atMost ?? Number.POSITIVE_INFINITY);
  const against = of === undefined ? FIGURES[figure] : `${FIGURES[figure]} against ${of}`;
  const wanted = atLeast === undefined ? `<= ${atMost}` : `>= ${atLeast}`;
  const verdict = Number.isNaN(reached) ? 'not measured' : isMet ? 'met' : 'MISSED';
  return [result.name, against, number(reached, reached < 10 ? 2 : 0), wanted, verdict];
}

/**
 * Returns the median of the ratios of all rounds.
 *
 * @param {Goal} goal
 * @param {RowResult} result
 * @param {RowResult[]} results
 */
function ratioTo({ of, figure = 'value' }, result, results) {
  const yardstick = results.find((other) => other.name === of && other.group === result.group);
  if (yardstick === undefined) return Number.NaN;
  const own = figures(result, figure);
  const others = figures(yardstick, figure);
  const rounds = Math.min(own.length, others.length);
  return median(own.slice(0, rounds).map((value, i) => value / (others[i] ?? Number.NaN)));
}

/** @param {RowResult} result @param {Figure} figure */
function figures({ samples }, figure) {
  return samples.flatMap((sample) => {
    const value = /** @type {Record<string, number | undefined>} */ (sample)[figure];
    return value === undefined ? [] : [value];
  });
}

/** @param {number} value */
function short(value) {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(0)} k`;
  return value.toFixed(value < 100 ? 2 : 0);
}

/** @param {number} value @param {number} digits */
function number(value, digits) {
  return Number.isFinite(value) ? value.toFixed(digits) : '';
}

/** @param {string[][]} rows */
function printColumns(rows) {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  for (const row of rows)
    console.log(
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  console.log();
}
