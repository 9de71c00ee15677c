import { escapeUnsafe, severityOf } from '../../../index.js';

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Escapes text for HTML, as content and in a quoted attribute. */
export function escapeHtml(text: string): string {
  return escapeUnsafe(text).replace(/[&<>"']/g, (character) => entities[character]!);
}

/** Colors that are easy to distinguish next to each other, on white and on dark gray. */
const COLORS = {
  error: ['#dc2626', '#be185d', '#f87171', '#9f1239', '#fb7185'],
  alert: ['#f97316', '#eab308', '#d97706', '#fbbf24'],
  other: [
    ...['#0d9488', '#5eead4', '#93c5fd', '#3b82f6', '#7c3aed', '#c4b5fd', '#94a3b8', '#64748b'],
    ...['#65a30d', '#06b6d4', '#a16207', '#e879f9', '#4f46e5', '#84cc16', '#0369a1', '#f9a8d4'],
  ],
};

/** Problems are drawn in front of all others. */
export const PROBLEM_COLOR = '#dc2626';

/** Assigns a color to each type: red to errors, yellow or orange to alerts. The order of the types has no effect. */
export function typeColors(types: readonly string[]): Map<string, string> {
  const used = { error: 0, alert: 0, other: 0 };
  const colors = new Map<string, string>();
  for (const type of [...types].sort()) {
    const meaning = meaningOfType(type);
    const choice = COLORS[meaning];
    colors.set(type, choice[used[meaning]++ % choice.length]!);
  }
  return colors;
}

/** Sorts errors first: bars at the bottom of a stack share a baseline and are easy to compare. */
export function bySeverity(a: string, b: string): number {
  const order = { error: 0, alert: 1, other: 2 };
  return order[meaningOfType(a)] - order[meaningOfType(b)];
}

/** Returns whether a type is that of an error or alert. */
export function isLoud(type: string): boolean {
  return meaningOfType(type) !== 'other';
}

/** Reads the type alone: the page counts types, not events. */
function meaningOfType(type: string): keyof typeof COLORS {
  const severity = severityOf(type, undefined);
  return severity === 'normal' ? 'other' : severity === 'error' ? 'error' : 'alert';
}

/** Style of the page: light and dark screens, and paper. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#f6f7f9, #12161c); --card: light-dark(#fff, #1b212a);
  --text: light-dark(#1b2430, #e4e9f0); --quiet: light-dark(#66717f, #93a0b0);
  --line: light-dark(#e3e7ec, #2d3641); --open: light-dark(#bfe5cf, #1f5239);
  --bad: light-dark(#c62828, #ff7b72); --warn: light-dark(#a86400, #e3b341); --good: light-dark(#1b7f4b, #56d364);
}
@media print { :root { color-scheme: light; --ground: #fff; } }
* { box-sizing: border-box; print-color-adjust: exact; }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.45 system-ui, sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 28px 20px 48px; }
h1 { margin: 0; font-size: 24px; line-height: 1.25; text-wrap: balance; }
h2 { margin: 0 0 10px; font-size: 16px; }
h2 small { font-weight: 400; margin-left: 10px; }
h2 small, .span, .quiet, .tile span, th, footer { color: var(--quiet); }
.span { margin: 4px 0 18px; overflow-wrap: anywhere; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin-bottom: 16px; }
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.tile { flex: 1 1 150px; padding: 10px 16px; break-inside: avoid; }
.tile b { display: block; font-size: 22px; }
.bad b, .lost { color: var(--bad); } .warn b { color: var(--warn); } .good b, .good { color: var(--good); }
.card { padding: 16px 20px; margin-bottom: 16px; min-width: 0; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 0 16px; align-items: start; }
.tile span, .quiet, footer, th, h2 small { font-size: 13px; }
.swatch { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 8px; }
.scroll { overflow-x: auto; margin: 0 -20px; padding: 0 20px; }
.long { max-height: 420px; overflow-y: auto; }
.long th { position: sticky; top: 0; background: var(--card); }
table { width: 100%; border-collapse: collapse; font-size: 14px; }
th { text-align: left; font-weight: 550; padding: 4px 18px 6px 0; white-space: nowrap; }
td { padding: 5px 18px 5px 0; border-top: 1px solid var(--line); max-width: 480px; overflow-wrap: anywhere; }
td:last-child, th:last-child { padding-right: 0; }
td:last-child:not(.number) { min-width: 180px; }
.number { text-align: right; white-space: nowrap; }
.number, .name { font-variant-numeric: tabular-nums; white-space: nowrap; }
.text { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; } td:hover .text { -webkit-line-clamp: none; }
.badge { display: inline-block; min-width: 70px; white-space: nowrap; padding: 0 8px; border-radius: 5px; font-size: 12px; font-weight: 600; line-height: 20px; text-align: center; }
.critical { background: var(--bad); color: var(--card); }
.error { color: var(--bad); box-shadow: inset 0 0 0 1.5px var(--bad); }
.warning { color: var(--warn); box-shadow: inset 0 0 0 1.5px var(--warn); }
.recovered { color: var(--good); }
#chart { margin: 0 -8px; } #chart-note { margin: 6px 0 0; min-height: 1.45em; }
.uplot .u-legend { font-size: 13px; text-align: left; margin: 4px 0 0 8px; }
.uplot .u-legend tbody { display: flex; flex-flow: row-reverse wrap-reverse; justify-content: flex-end; } .uplot .u-legend tr { margin-right: 14px; max-width: 100%; }
.uplot .u-legend th { color: var(--text); padding: 2px 4px; white-space: normal; overflow-wrap: anywhere; } .uplot .u-legend td { border: 0; padding: 2px 0; }
.uplot .u-series .u-value { min-width: 3ch; } .uplot .u-series:first-child { order: 1; flex-basis: 100%; cursor: default; } .uplot .u-series:first-child .u-marker { display: none; }
.uplot .u-select { background: var(--text); opacity: .15; }
@media (max-width: 600px) { main { padding: 18px 10px 32px; } .card { padding: 14px; } .scroll { margin: 0 -14px; padding: 0 14px; } h1 { font-size: 20px; } h2 small { display: block; margin: 2px 0 0; } .tile { flex-basis: 120px; }
  .scroll > table:has(td:last-child:not(.number)) {
    &, thead, tbody { display: block; } thead { position: sticky; top: 0; background: var(--card); }
    tr { display: flex; flex-wrap: wrap; gap: 2px 12px; padding: 6px 0; border-bottom: 1px solid var(--line); }
    td, th { border: 0; padding: 0; max-width: 100%; } td:last-child { flex: 1 1 60%; } :is(td, th):empty { display: none; }
  } }
@media print { body { font-size: 12px; } main { padding: 0; } table { font-size: 11px; } .long { max-height: none; } .text { -webkit-line-clamp: none; } .scroll { overflow: visible; } #chart-note { display: none; } tr, #chart { break-inside: avoid; } }
`;
