import type { InspectedRecording, RecordedGap, TimelineColumns } from '../../../index.js';

const BARS = '▁▂▃▄▅▆▇█';
const NO_EVENTS = ' ';
const GAP = '━';

/** Events over time in two rows of characters. */
export interface Sparkline {
  /** One bar for each column, as high as the column has events. */
  events: string;
  /** A mark below each column in which an endpoint has a gap; blank when there are none. */
  gaps: string;
  columns: TimelineColumns;
}

/** @param width How many characters there are at most. @returns `undefined` when no event has a time. */
export function sparkline({ timeline, gaps }: InspectedRecording, width: number): Sparkline | undefined {
  const columns = timeline.columns(width);
  if (columns === undefined) return undefined;
  const totals = columnTotals(columns);
  const highest = Math.max(...totals);
  const events = totals.map((total) => barFor(total, highest)).join('');
  const marks = totals.map((_, column) => (hasGap(gaps, columns, column) ? GAP : ' '));
  return { events, gaps: marks.join('').trimEnd(), columns };
}

/** Events of all types in each column. */
export function columnTotals({ series, count }: TimelineColumns): number[] {
  const totals = new Array<number>(count).fill(0);
  for (const { values } of series) {
    for (let column = 0; column < count; column++) totals[column] = totals[column]! + values[column]!;
  }
  return totals;
}

function barFor(total: number, highest: number): string {
  if (total === 0) return NO_EVENTS;
  return BARS[Math.min(BARS.length - 1, Math.floor((total / highest) * BARS.length))]!;
}

function hasGap(gaps: readonly RecordedGap[], { start, width }: TimelineColumns, column: number): boolean {
  const from = start + column * width;
  return gaps.some((gap) => gap.from < from + width && gap.to > from);
}
