import { meaningOfType } from '../../render/severity.js';

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
