import {
  escapeUnsafe,
  formatTimestamp,
  type InspectedRecording,
  inspectRecording,
  type NamedCount,
  OpmasError,
} from '../../../index.js';
import type { Command } from '../../commander.js';
import { checkReplaceable, OTHER_PLACE, writePrivateFile } from '../../connection/private-files.js';
import {
  addFilterOptions,
  addPartOptions,
  type FilterCommandOptions,
  type PartCommandOptions,
} from '../../options/selection.js';
import { TimeText, timestampOrNull } from '../../render/time-text.js';
import { runCommand, type Session } from '../../session.js';
import { prepareReading } from '../../stream/file-stream.js';
import { addGapBudget, budgetError, type GapBudgetOptions } from '../../stream/stream-summary.js';
import { showProgress } from '../../terminal/reading-messages.js';
import { htmlPage, PAGE_START } from './html-page.js';
import { textReport } from './text-report.js';

/** Options of `inspect`. */
interface InspectOptions extends FilterCommandOptions, PartCommandOptions, GapBudgetOptions {
  json?: boolean;
  html?: string;
  strict?: boolean;
  utc?: boolean;
}

/** Problems in `--json`. */
const MAX_PROBLEMS = 20;

const EXAMPLES = `
Examples:
  $ opmas-ws inspect capture.ndjson                     count events and find gaps
  $ opmas-ws inspect capture.ndjson --json | jq .outages   feed a script
  $ opmas-ws inspect capture.ndjson --html report.html  write a page to read or to share
  $ opmas-ws inspect capture*.ndjson                    read all parts of a rotation
  $ opmas-ws inspect capture.ndjson --from '2026-11-22 22:00' --problems   see what went wrong since ten
  $ grep '"endpoint":"rules"' capture.ndjson | opmas-ws inspect -   read some of the lines`;

/** Configures `inspect`. */
export function configure(command: Command): void {
  command
    .argument('<file...>', 'recordings, also compressed (.gz), merged by time; - is stdin')
    .option('--json', 'print one JSON object')
    .option('--html <file>', 'write one self-contained page with a chart and tables')
    .option('--utc', 'show times in UTC instead of local time')
    .option('--strict', 'treat damage, and endpoints that were given up, as an error (exit code 6)');
  addPartOptions(addFilterOptions(addGapBudget(command)))
    .addHelpText('after', EXAMPLES)
    .action((files: string[], options: InspectOptions) =>
      runCommand(command, (session) => runInspect(session, files, options)),
    );
}

/** Reads recordings once and reports their content. */
async function runInspect(
  session: Session,
  files: readonly string[],
  options: InspectOptions,
): Promise<void> {
  const { out, messages } = session.terminal;
  if (options.html !== undefined) {
    await checkReplaceable(options.html, { option: '--html', what: 'a report', starts: [PAGE_START] });
  }
  const { reading, problems, filtering } = await prepareReading(session, files, options);
  const progress = await showProgress(messages, files);
  let report: InspectedRecording;
  try {
    report = await inspectRecording(files, {
      ...reading,
      strict: options.strict,
      onRead: progress.advance,
    });
  } finally {
    progress.end();
    problems.end();
    filtering.end();
  }
  if (session.stop.aborted) messages.warn('stopped early: the report covers only the part that was read');
  const times = new TimeText(options.utc === true);
  if (options.html !== undefined) {
    await writePrivateFile(options.html, await htmlPage(files, report, times), OTHER_PLACE);
    messages.say(`Wrote ${escapeUnsafe(options.html)}`);
  }
  if (options.json) {
    await out.writeJson(jsonReport(report));
  } else if (options.html === undefined) {
    await out.write(textReport(files, report, { palette: out.palette, columns: out.columns, times }));
  }
  if (options.strict && report.givenUp.length > 0) {
    const endpoints = [...new Set(report.givenUp.map(({ endpoint }) => endpoint))].join(', ');
    throw new OpmasError(
      'DATA',
      `the recorder gave up on ${escapeUnsafe(endpoints)}: nothing was recorded after that`,
    );
  }
  if (options.gapBudget === undefined) return;
  if (Object.keys(report.coverage).length === 0) {
    messages.warn('the recording has no lifecycle lines, so its gaps are not known');
  }
  const { outageCount: count, outageSeconds } = report;
  const overBudget = budgetError({ count, totalMs: outageSeconds * 1000 }, options);
  if (overBudget !== undefined) throw overBudget;
}

/** Builds the report for scripts; the guide names its members. */
export function jsonReport(report: InspectedRecording): Record<string, unknown> {
  const { first, last, rate } = report;
  return {
    events: report.events,
    by_endpoint: countsByName(report.byEndpoint),
    by_type: countsByName(report.byType),
    subjects: report.subjects.map(({ name, count }) => ({ subject: name, events: count })),
    first: first === undefined ? null : formatTimestamp(first),
    last: last === undefined ? null : formatTimestamp(last),
    rate: { mean: rounded(rate.mean), peak: rate.peak },
    gaps: report.gaps.map(({ endpoint, reason, ...gap }) => ({ endpoint, ...spanJson(gap), reason })),
    outages: report.outages.map(({ endpoints, reason, ...outage }) => ({
      ...spanJson(outage),
      endpoints,
      reason,
    })),
    coverage: Object.fromEntries(
      Object.entries(report.coverage).map(([endpoint, share]) => [endpoint, rounded(share)]),
    ),
    problems: {
      count: report.problems.count,
      by_device: countsByName(report.problems.byDevice),
      first: report.problems.first.slice(0, MAX_PROBLEMS).map(({ at, message = null, ...problem }) => ({
        at: timestampOrNull(at),
        ...problem,
        message,
      })),
      incidents: report.problems.incidents.map(
        ({ device, from, to, isOver, severity, type, message = null, count }) => ({
          ...{ from: timestampOrNull(from), to: isOver ? timestampOrNull(to) : null },
          ...{ device, severity, type, message, count },
        }),
      ),
    },
    devices: report.devices.map(({ id, severity, sinceAt, lastType, lastAt, events, errors }) => ({
      id,
      severity,
      since: timestampOrNull(sinceAt),
      last_type: lastType,
      last_at: timestampOrNull(lastAt),
      events,
      errors,
    })),
    unresolved_alerts: report.unresolvedAlerts.map(({ id = null, at, message = null, ...alert }) => ({
      id,
      ...alert,
      at: timestampOrNull(at),
      message,
    })),
    // The true number: `gaps` is cut when there are very many.
    gap_count: report.gapCount,
    gap_seconds: rounded(report.gapSeconds),
    closes: countsByName(report.closeCounts),
    refusals: countsByName(report.refusalCounts),
    given_up: report.givenUp.map(({ endpoint, at, failure, reason }) => ({
      endpoint,
      at: timestampOrNull(at),
      failure,
      reason,
    })),
    dropped: report.dropped,
    invalid: report.invalid,
    bad_lines: report.badLines,
    torn_tail: report.tornTail,
    // Only then: the counts by name may not add up to `events`.
    ...(report.isApproximate ? { approximate: true } : {}),
  };
}

function spanJson({ from, to }: { from: number; to: number }): Record<string, unknown> {
  return { from: formatTimestamp(from), to: formatTimestamp(to), seconds: (to - from) / 1_000_000 };
}

function countsByName(counts: readonly NamedCount[]): Record<string, number> {
  return Object.fromEntries(counts.map(({ name, count }) => [name, count]));
}

/** Rounds to six decimals; further digits are rounding errors. */
function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
