import { escapeUnsafe } from '../../../index.js';

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

/** Formats a value as JSON that is safe inside a script element. */
export function escapeJsonForScript(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Style of the page: light and dark screens, and paper. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f6f7f9; --card: #fff; --text: #1b2430; --quiet: #66717f; --line: #e3e7ec; --track: #eceff3; --open: #bfe5cf;
  --bad: #c62828; --warn: #a86400; --good: #1b7f4b; --gap: rgba(198, 40, 40, .16); --gap-shade: rgba(198, 40, 40, .05);
  --shadow: 0 1px 2px rgba(20, 30, 50, .06), 0 2px 8px rgba(20, 30, 50, .05);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12161c; --card: #1b212a; --text: #e4e9f0; --quiet: #93a0b0; --line: #2d3641; --track: #262e38; --open: #1f5239;
    --bad: #ff7b72; --warn: #e3b341; --good: #56d364; --gap: rgba(255, 110, 100, .25); --gap-shade: rgba(255, 110, 100, .055);
    --shadow: none;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 28px 20px 48px; }
h1 { margin: 0; font-size: 24px; overflow-wrap: anywhere; }
h2 { margin: 0 0 12px; font-size: 15px; font-weight: 650; }
h2 small { font-weight: 400; color: var(--quiet); margin-left: 8px; }
.span { margin: 4px 0 20px; color: var(--quiet); }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin-bottom: 16px; }
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; box-shadow: var(--shadow); }
.tile { flex: 1 1 140px; padding: 12px 16px; }
.tile b { display: block; font-size: 22px; font-weight: 650; font-variant-numeric: tabular-nums; }
.tile span { color: var(--quiet); font-size: 13px; }
.tile.bad b { color: var(--bad); } .tile.warn b { color: var(--warn); } .tile.good b { color: var(--good); }
.card { padding: 18px 20px; margin-bottom: 16px; overflow-x: auto; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(340px, 1fr)); gap: 0 16px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 0 0 10px; padding: 0; list-style: none; font-size: 13px; }
.legend li { display: flex; align-items: center; gap: 6px; overflow-wrap: anywhere; }
.swatch { flex: none; display: inline-block; width: 11px; height: 11px; border-radius: 3px; }
.swatch.gap-key { background: repeating-linear-gradient(45deg, var(--bad) 0 1px, var(--gap) 1px 4px); }
.swatch.open-key { background: var(--open); } .swatch.close-key { border-radius: 50%; background: var(--bad); }
.chart { position: relative; }
#chart { display: block; width: 100%; height: auto; min-width: 640px; }
#chart text { font-size: 11px; fill: var(--quiet); }
#chart .track-name { fill: var(--text); font-size: 12px; }
#chart .date { font-size: 10px; }
.grid { stroke: var(--line); } .base { stroke: var(--quiet); }
.track { fill: var(--track); } .connected { fill: var(--open); } .gap-ground { fill: var(--card); } .gap { fill: url(#hatch); }
.gap-line { stroke: var(--bad); stroke-width: 3; opacity: .75; } .gap-shade { fill: var(--gap-shade); }
.close line { stroke: var(--quiet); stroke-width: 1.5; } .close circle { fill: var(--quiet); stroke: var(--card); stroke-width: 1.5; }
.close.bad line { stroke: var(--bad); } .close.bad circle { fill: var(--bad); }
.cursor { stroke: var(--text); stroke-opacity: .5; }
#tip { position: absolute; top: 8px; z-index: 1; min-width: 190px; max-width: 340px; padding: 10px 12px; pointer-events: none;
  background: var(--card); border: 1px solid var(--line); border-radius: 8px; box-shadow: 0 4px 16px rgba(0, 0, 0, .22); font-size: 13px; }
#tip[hidden] { display: none; }
#tip p { margin: 0 0 4px; } #tip .row { display: flex; gap: 8px; align-items: center; }
#tip .row span:nth-child(2) { flex: 1; overflow-wrap: anywhere; } #tip .row b { font-variant-numeric: tabular-nums; }
#tip .lost { color: var(--bad); }
table { width: 100%; border-collapse: collapse; font-size: 14px; }
th { text-align: left; font-weight: 550; color: var(--quiet); font-size: 12px; padding: 4px 18px 6px 0; }
td { padding: 5px 18px 5px 0; border-top: 1px solid var(--line); vertical-align: middle; }
td.name { overflow-wrap: anywhere; } td.name .swatch { margin-right: 8px; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.time { font-variant-numeric: tabular-nums; white-space: nowrap; } td.lost { color: var(--bad); font-weight: 550; }
td.bar { width: 28%; } .meter { height: 8px; border-radius: 4px; background: #3b82f6; min-width: 2px; }
.miniature { display: block; width: 100%; height: 24px; } td.small { width: 46%; }
th:last-child, td:last-child { padding-right: 0; }
.none { color: var(--good); margin: 0; } .quiet { color: var(--quiet); margin: 8px 0 0; font-size: 13px; }
footer { color: var(--quiet); font-size: 13px; margin-top: 24px; }
@media print {
  :root { color-scheme: light; --ground: #fff; --card: #fff; --text: #000; --quiet: #555; --line: #ccc; --track: #eee; --open: #cdebd9;
    --bad: #b71c1c; --warn: #8a5300; --good: #1b5e20; --gap: rgba(198, 40, 40, .16); --gap-shade: rgba(198, 40, 40, .05); --shadow: none; }
  body { font-size: 12px; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  main { max-width: none; padding: 0; } .card, .tile { break-inside: avoid; } #tip, .cursor { display: none; }
  #chart { min-width: 0; } .card { overflow: visible; } tr { break-inside: avoid; }
}
`;

/**
 * Script of the page: shows figures at the pointer. It inserts all text from the page's JSON as text, never as HTML.
 * The page is complete without it.
 */
export const SCRIPT = `
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const chart = document.getElementById('chart');
const cursor = document.getElementById('cursor');
const tip = document.getElementById('tip');
const { left, plot, from, to } = Object.fromEntries(
  Object.entries(chart.dataset).map(([name, value]) => [name, Number(value)]));
const number = new Intl.NumberFormat('en-US');
const clock = (time) => new Date(time / 1000).toISOString().replace('T', ' ').slice(0, data.width < 1e6 ? 23 : 19);

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function row(color, name, value) {
  const made = element('div', 'row');
  const swatch = element('span', 'swatch');
  swatch.style.background = color;
  made.append(swatch, element('span', '', name), element('b', '', value));
  return made;
}

function show(column, x) {
  const start = data.start + column * data.width;
  const end = start + data.width;
  const counts = data.series
    .map(({ name, color, values }) => ({ name, color, count: values[column] ?? 0 }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count);
  const total = counts.reduce((sum, { count }) => sum + count, 0);
  const time = element('p', 'quiet', clock(start) + ' to ' + clock(end).slice(11) + ' UTC');
  const rate = (total * 1e6) / data.width;
  const sum = element('p');
  sum.append(element('b', '', number.format(total) + (total === 1 ? ' event' : ' events')),
    ' (' + (rate >= 10 ? number.format(Math.round(rate)) : Number(rate.toPrecision(2))) + '/s)');
  tip.replaceChildren(time, sum, ...counts.slice(0, 14).map(({ name, color, count }) => row(color, name, number.format(count))));
  for (const gap of data.gaps) {
    if (gap.from < end && gap.to > start) {
      tip.append(element('p', 'lost', 'Gap on ' + gap.endpoint + ', ' + gap.length + ': ' + gap.reason));
    }
  }
  for (const close of data.closes) {
    if (close.at >= start && close.at < end) tip.append(element('p', 'lost', close.endpoint + ': ' + close.text));
  }
  tip.hidden = false;
  const room = chart.parentElement.clientWidth;
  const place = x + 16 + tip.offsetWidth > room ? x - 16 - tip.offsetWidth : x + 16;
  tip.style.left = Math.max(0, place) + 'px';
}

function hide() {
  tip.hidden = true;
  cursor.setAttribute('visibility', 'hidden');
}

chart.addEventListener('pointermove', (event) => {
  const box = chart.getBoundingClientRect();
  const scale = chart.viewBox.baseVal.width / box.width;
  const at = (event.clientX - box.left) * scale;
  const time = from + ((at - left) / plot) * (to - from);
  const column = Math.floor((time - data.start) / data.width);
  if (at < left || at > left + plot) return hide();
  cursor.setAttribute('x1', at);
  cursor.setAttribute('x2', at);
  cursor.setAttribute('visibility', 'visible');
  show(column, event.clientX - box.left);
});
chart.addEventListener('pointerleave', hide);
`;
