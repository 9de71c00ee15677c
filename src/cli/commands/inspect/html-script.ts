/**
 * What runs in the page: figures under the pointer. It takes all text from the JSON beside it and puts it in as text,
 * never as HTML. The page is complete without it.
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
