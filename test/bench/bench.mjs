/**
 * The benchmark suite: `npm run bench -- [options]`. Each round measures every row and its yardstick,
 * and the ratio of the two is what is judged: absolute rates depend on what else runs on the machine.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { printComparison, printTable } from './report.mjs';
import { fileRows } from './rows/files.mjs';
import { idleRows } from './rows/idle.mjs';
import { latencyRows } from './rows/latency.mjs';
import { liveRows } from './rows/live.mjs';
import { natsRows } from './rows/nats.mjs';
import { replayRows } from './rows/replay.mjs';
import { startupRows } from './rows/startup.mjs';

/**
 * @typedef {import('./receive.mjs').Sample} Sample
 * @typedef {'value' | 'cpuPerMillion' | 'peakRssMb' | 'p99' | 'driftPercent' | 'cpuPercent' | 'rssGrowthMb'} Figure
 *
 * @typedef {object} Goal
 * @property {string} [of] The yardstick's row: the ratio to it is judged. Without one, the figure itself is judged.
 * @property {Figure} [figure] Default: value.
 * @property {number} [atLeast]
 * @property {number} [atMost]
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {string} unit
 * @property {Goal[]} goals
 * @property {() => Promise<Sample | string>} run Resolves with one measurement, or with the reason why it is impossible.
 *
 * @typedef {object} RowResult
 * @property {string} group
 * @property {string} name
 * @property {string} unit
 * @property {Goal[]} goals
 * @property {Sample[]} samples One for each round.
 * @property {string} [skipped] The reason why there are none.
 */

const USAGE = `npm run bench -- [options]
  --rounds N        measure each row N times (5)
  --events N        events for each row, lines in each recording (1000000)
  --idle-seconds N  watch the idle tail for N seconds (60)
  --group NAMES     only these groups, separated by commas: live, files, replay, latency, startup, nats, idle
  --only TEXT       only rows whose name contains TEXT, and their yardsticks
  --json FILE       also write the results to FILE
  --compare A B     measure nothing; compare two files written with --json
Yardstick programs come from the PATH, or from BENCH_WSCAT, BENCH_PYTHON3, BENCH_WEBSOCAT, BENCH_JQ, BENCH_GREP.`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    events: { type: 'string', default: '1000000' },
    'idle-seconds': { type: 'string', default: '60' },
    group: { type: 'string' },
    only: { type: 'string' },
    json: { type: 'string' },
    compare: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (options.help) {
  console.log(USAGE);
} else if (options.compare) {
  const [before = '', after = ''] = positionals;
  printComparison(before, after);
} else {
  const events = Number(options.events);
  /** @type {Record<string, () => Row[]>} */
  const groups = {
    live: () => liveRows(events),
    files: () => fileRows(events),
    replay: () => replayRows(events),
    latency: latencyRows,
    startup: startupRows,
    nats: () => natsRows(events),
    idle: () => idleRows(Number(options['idle-seconds'])),
  };
  const names = options.group?.split(',') ?? Object.keys(groups);
  /** @type {RowResult[]} */
  const results = [];
  for (const name of names) {
    const rows = groups[name]?.();
    if (rows === undefined) throw new Error(`no group ${name}\n${USAGE}`);
    const chosen = chooseRows(rows, options.only);
    const measured = await measureRows(name, chosen, Number(options.rounds));
    results.push(...measured);
    printTable(name, measured);
  }
  if (options.json)
    writeFileSync(options.json, `${JSON.stringify({ node: process.version, results }, undefined, 1)}\n`);
}

/** @param {Row[]} rows @param {string | undefined} text */
function chooseRows(rows, text) {
  if (text === undefined) return rows;
  const asked = rows.filter((row) => row.name.includes(text));
  const yardsticks = new Set(asked.flatMap((row) => row.goals.map((goal) => goal.of)));
  return rows.filter((row) => asked.includes(row) || yardsticks.has(row.name));
}

/**
 * Measures all rows once in each round, so that other load on the machine disturbs all rows alike.
 *
 * @param {string} group
 * @param {Row[]} rows
 * @param {number} rounds
 */
async function measureRows(group, rows, rounds) {
  const results = rows.map(
    ({ name, unit, goals }) => /** @type {RowResult} */ ({ group, name, unit, goals, samples: [] }),
  );
  for (let round = 1; round <= rounds; round++) {
    for (const [i, row] of rows.entries()) {
      const result = results[i];
      if (result === undefined || result.skipped !== undefined) continue;
      process.stderr.write(`\r\x1b[K${group}, round ${round} of ${rounds}: ${row.name}`);
      const sample = await row.run().catch((error) => `failed: ${error.message}`);
      if (typeof sample === 'string') result.skipped = sample;
      else result.samples.push(sample);
    }
  }
  process.stderr.write('\r\x1b[K');
  return results;
}
