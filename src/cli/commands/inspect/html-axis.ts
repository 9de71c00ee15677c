const SECOND = 1_000_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  ...[1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000],
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 2, 7, 14, 30, 90, 180, 365, 730, 1825, 3650].map((count) => count * DAY),
];

/** A mark of an axis: where it stands and what is written there. */
export interface Tick {
  value: number;
  label: string;
}

/** Marks at round times. Times are microseconds since 1970, labels are UTC. */
export function timeTicks(from: number, to: number, most: number): Tick[] {
  const step = STEPS.find((candidate) => (to - from) / candidate <= most) ?? (to - from) / most;
  const ticks: Tick[] = [];
  let day = '';
  for (let value = Math.ceil(from / step) * step; value <= to; value += step) {
    const text = new Date(value / 1000).toISOString();
    const date = text.slice(0, 10);
    // The date is said once for each day.
    const label = step >= DAY ? date : `${timeLabel(text, step)}${date === day ? '' : `\n${date}`}`;
    day = date;
    ticks.push({ value, label });
  }
  return ticks;
}

function timeLabel(text: string, step: number): string {
  if (step >= MINUTE) return text.slice(11, 16);
  return step >= SECOND ? text.slice(11, 19) : text.slice(11, 23);
}

/** Marks at round values from zero up. */
export function valueTicks(highest: number, most: number): number[] {
  const rough = highest / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step =
    [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? rough;
  const ticks: number[] = [];
  for (let value = step; value <= highest; value += step) ticks.push(Number(value.toPrecision(6)));
  return ticks;
}
