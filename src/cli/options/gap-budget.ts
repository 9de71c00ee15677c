import { OpmasError, type StreamSummary } from '../../index.js';
import type { Command } from '../commander.js';
import { formatDuration, parseDuration } from './quantity.js';

/** Option of commands that judge their gaps at the end. */
export interface GapBudgetOptions {
  /** Milliseconds. */
  gapBudget?: number | undefined;
}

/** Adds the option of {@link GapBudgetOptions} to a command. */
export function addGapBudget(command: Command): Command {
  return command.value(
    '--gap-budget <t>',
    'exit with code 8 at the end if outages were longer in all; 0s allows no gap',
    parseDuration,
  );
}

/** Judges outages: one line that says how much of how much. @returns `undefined` when they are within the budget. */
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
