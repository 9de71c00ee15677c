import { formatTimestamp, type InspectedRecording, type NamedCount } from '../../../index.js';

/** The report for scripts. `docs/guide.md` describes its members. */
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
    gaps: report.gaps.map(({ endpoint, from, to, reason }) => ({
      endpoint,
      from: formatTimestamp(from),
      to: formatTimestamp(to),
      seconds: (to - from) / 1_000_000,
      reason,
    })),
    // More than there are in `gaps`, when there are very many.
    gap_count: report.gapCount,
    gap_seconds: rounded(report.gapSeconds),
    closes: countsByName(report.closeCounts),
    refusals: countsByName(report.refusalCounts),
    dropped: report.dropped,
    invalid: report.invalid,
    bad_lines: report.badLines,
    torn_tail: report.tornTail,
    // Only then: whoever adds up the figures by name has to know.
    ...(report.isApproximate ? { approximate: true } : {}),
  };
}

function countsByName(counts: readonly NamedCount[]): Record<string, number> {
  return Object.fromEntries(counts.map(({ name, count }) => [name, count]));
}

/** To a millionth: below that there are only traces of arithmetic. */
function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
