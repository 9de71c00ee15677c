import { OpmasError, type StreamSummary } from '../../index.js';
import type { Command } from '../commander.js';
import { counted, formatDuration, parseDuration } from '../options/quantity.js';

/** A difference of a second is worth words; endpoints open at different moments. */
const LEAST_DIFFERENCE_MS = 1000;
const MAX_SHARES = 8;

/** Formats the summary of a stream: `120 events (devices 80, agents 40) in 3m12s, coverage 93.7 %, 1 outage of 12s, 0 dropped`. */
export function summaryText(summary: StreamSummary, more: readonly string[]): string {
  const counts = Object.entries(summary.events);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const byEndpoint = counts.map(([endpoint, count]) => `${endpoint} ${count}`).join(', ');
  const parts = [
    `${counted(total, 'event')} (${byEndpoint}) in ${formatDuration(summary.durationMs)}`,
    ...contextText(summary.context),
    ...coverageText(summary),
    outageText(summary.outages),
  ];
  if (summary.invalid > 0) parts.push(invalidText(summary));
  parts.push(`${summary.dropped} dropped`, ...more);
  return parts.join(', ');
}

function contextText(context: StreamSummary['context']): string[] {
  if (context === undefined) return [];
  const cut = context.cut === 0 ? '' : ` (cut short ${context.cut} ${context.cut === 1 ? 'time' : 'times'})`;
  return [`${context.events} around them${cut}`];
}

function invalidText({ invalid, invalidSkipped, invalidReason }: StreamSummary): string {
  const text = `${invalid} invalid${invalidReason === undefined ? '' : ` (${invalidReason})`}`;
  if (invalidSkipped === 0) return text;
  return `${text}, ${invalidSkipped === invalid ? 'all' : invalidSkipped} skipped by the filter`;
}

/** Formats outages: `1 outage of 20s`, `3 outages, 42s in all`. */
export function outageText({ count, totalMs }: StreamSummary['outages']): string {
  if (count === 0) return 'no gaps';
  const length = formatDuration(totalMs);
  return count === 1 ? `1 outage of ${length}` : `${count} outages, ${length} in all`;
}

/** Formats the coverage: `coverage 99.2 %`; by endpoint when it differs by a second or more. */
function coverageText({ coverage, durationMs }: StreamSummary): string[] {
  const shares = Object.entries(coverage).sort(([, a], [, b]) => a - b);
  const [[least, lowest] = ['', 0]] = shares;
  const highest = shares.at(-1)?.[1] ?? 0;
  if (shares.length === 0) return [];
  if ((highest - lowest) * durationMs < LEAST_DIFFERENCE_MS) return [`coverage ${shareText(lowest)}`];
  if (shares.length > MAX_SHARES)
    return [`coverage ${shareText(lowest)} (${least}) to ${shareText(highest)}`];
  const each = Object.entries(coverage).map(([endpoint, share]) => `${endpoint} ${shareText(share)}`);
  return [`coverage ${each.join(', ')}`];
}

/** Formats a share with the digits that make a small loss visible: `99.98 %`. */
export function shareText(share: number): string {
  if (share === 1) return '100 %';
  return `${(Math.floor(share * 10_000) / 100).toFixed(share > 0.99 ? 2 : 1)} %`;
}

/** Option of commands that judge their gaps at the end. */
export interface GapBudgetOptions {
  /** Milliseconds. */
  gapBudget?: number | undefined;
}

/** Adds the option of {@link GapBudgetOptions} to a command. */
export function addGapBudget(command: Command): Command {
  return command.value(
    '--gap-budget <t>',
    'exit with code 8 if all outages together were longer; 0s allows no gap',
    parseDuration,
  );
}

/** Judges outages: one line with their sum and the budget. @returns `undefined` when they are within the budget. */
export function budgetError(
  { count, totalMs }: StreamSummary['outages'],
  { gapBudget = Number.POSITIVE_INFINITY }: GapBudgetOptions,
): OpmasError | undefined {
  if (totalMs <= gapBudget && (gapBudget > 0 || count === 0)) return undefined;
  const total = formatDuration(totalMs);
  const budget = gapBudget === 0 ? 'none' : formatDuration(gapBudget);
  const exact = total === budget ? `${(totalMs / 1000).toFixed(3)}s` : total;
  return new OpmasError('GAPS', `outages of ${exact} in all, but --gap-budget allows ${budget}`);
}
