import { meaningOfType } from '../../render/severity.js';

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

/** Colors that are easy to distinguish next to each other, on white and on dark gray. */
const DOCUMENTED: Readonly<Record<string, string>> = {
  'device.status_update': '#3b82f6',
  'device.config_change': '#93c5fd',
  'device.error': '#dc2626',
  'agent.status_update': '#0d9488',
  'agent.task_complete': '#5eead4',
  'agent.error': '#be185d',
  'rule.execution_start': '#c4b5fd',
  'rule.execution_complete': '#7c3aed',
  'rule.triggered': '#f97316',
  'system.metrics': '#94a3b8',
  'system.alert': '#eab308',
  'system.status': '#64748b',
};
const ERRORS = ['#b91c1c', '#f87171', '#9f1239', '#fb7185'];
const ALERTS = ['#d97706', '#fbbf24', '#ea580c'];
const OTHERS = ['#65a30d', '#06b6d4', '#a16207', '#e879f9', '#4f46e5', '#84cc16', '#0369a1', '#f9a8d4'];

/** Assigns a color to each type: red to errors, yellow or orange to alerts, also for unknown types. */
export function typeColors(types: readonly string[]): Map<string, string> {
  const used = { error: 0, alert: 0, other: 0 };
  const colors = new Map<string, string>();
  for (const type of types) {
    const meaning = meaningOfType(type);
    const choice = { error: ERRORS, alert: ALERTS, other: OTHERS }[meaning];
    const known = Object.hasOwn(DOCUMENTED, type) ? DOCUMENTED[type] : undefined;
    colors.set(type, known ?? choice[used[meaning]++ % choice.length]!);
  }
  return colors;
}

/** Sorts errors first: bars at the bottom of a stack share a baseline and are easy to compare. */
export function bySeverity(a: string, b: string): number {
  const order = { error: 0, alert: 1, other: 2 };
  return order[meaningOfType(a)] - order[meaningOfType(b)];
}
