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
h1 { margin: 0; font-size: 24px; overflow-wrap: anywhere; }
h2 { margin: 0 0 12px; font-size: 15px; }
h2 small { font-weight: 400; margin-left: 8px; }
h2 small, .span, .quiet, .tile span, th, footer { color: var(--quiet); }
.span { margin: 4px 0 20px; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin-bottom: 16px; }
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; break-inside: avoid; }
.tile { flex: 1 1 140px; padding: 12px 16px; }
.tile b { display: block; font-size: 22px; }
.bad b, .lost { color: var(--bad); } .warn b { color: var(--warn); } .good b, .good { color: var(--good); }
.card { padding: 18px 20px; margin-bottom: 16px; overflow-x: auto; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(340px, 1fr)); gap: 0 16px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 0 0 10px; padding: 0; list-style: none; }
.legend, .tile span, .quiet, footer, th { font-size: 13px; }
.swatch { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 8px; }
.gap-key { background: repeating-linear-gradient(45deg, var(--bad) 0 1px, transparent 1px 4px); }
.open-key { background: var(--open); } .close-key { border-radius: 50%; background: var(--bad); }
#chart { display: block; width: 100%; min-width: 640px; }
#chart text { font-size: 11px; fill: var(--quiet); }
#chart line { stroke: var(--line); }
.track { fill: var(--ground); } .connected { fill: var(--open); } .gap { fill: url(#hatch); }
.hatch-ground { fill: var(--card); } #chart .hatch-line { stroke: var(--bad); stroke-width: 3; opacity: .75; }
.gap-shade { fill: var(--bad); opacity: .05; }
.close circle { fill: var(--quiet); } .close.bad circle { fill: var(--bad); }
#chart .close line { stroke: var(--quiet); } #chart .close.bad line { stroke: var(--bad); }
.column { fill: transparent; } .column:hover { fill: var(--text); opacity: .2; }
table { width: 100%; border-collapse: collapse; font-size: 14px; }
th { text-align: left; font-weight: 550; padding: 4px 18px 6px 0; }
td { padding: 5px 18px 5px 0; border-top: 1px solid var(--line); }
td, .legend li { overflow-wrap: anywhere; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td:has(svg, .meter) { width: 40%; } td svg { display: block; width: 100%; height: 24px; }
.meter { height: 8px; border-radius: 4px; background: #3b82f6; min-width: 2px; }
`;
