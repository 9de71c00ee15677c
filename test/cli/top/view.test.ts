import fc from 'fast-check';
import stringWidth from 'string-width';
import { beforeEach, expect, test } from 'vitest';
import { prettyJson, ShownEvents, wrapped } from '../../../src/cli/commands/top/event-text.js';
import { tableLines } from '../../../src/cli/commands/top/table-text.js';
import { TopView } from '../../../src/cli/commands/top/view.js';
import { noColors } from '../../../src/cli/terminal/palette.js';
import { DeviceTable, LineView } from '../../../src/internal.js';
import { codePoint } from '../../support/code-point.js';
import { eventLine } from '../../support/recordings.js';

const ENTER = '\r';
const ESCAPE = '\u001b';
const DOWN = '\u001b[B';
const UP = '\u001b[A';
const PAGE_DOWN = '\u001b[6~';
const END = '\u001b[F';

let table: DeviceTable;
let events: ShownEvents;
let view: TopView;
beforeEach(() => {
  table = new DeviceTable();
  events = new ShownEvents();
  view = new TopView((row) => events.get(row));
});

function add(id: string, data: object = {}, type = 'device.status_update'): void {
  const line = new LineView();
  const bytes = Buffer.from(eventLine(0, JSON.stringify({ type, data: { device_id: id, ...data } })));
  line.read(bytes, 0, bytes.length);
  const row = table.add(line.frame, 'devices', line.receivedAt);
  if (row !== undefined) events.set(row, line);
}

function picture(columns = 80, rows = 10): string[] {
  const style = { palette: noColors, width: columns, now: 0, title: 'DEVICE', hasWords: false };
  return view.lines(table.rows(), { columns, rows, status: '', notice: undefined }, style);
}

const namesIn = (lines: readonly string[]) =>
  lines.slice(2, -1).flatMap((line) => line.slice(6).split(' ')[0] || []);
const press = (...keys: string[]) => keys.map((key) => view.onKey(key)).at(-1);

test('each line fits into the terminal, whatever the server sends and however small it is', () => {
  const text = fc.oneof(
    fc.string({ unit: codePoint, maxLength: 300 }),
    fc.constantFrom('漢字'.repeat(40), '👩‍👩‍👧', 'é\u0301'),
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(text, text, text), { maxLength: 8 }),
      fc.nat(130),
      fc.nat(20),
      (rows, columns, height) => {
        table = new DeviceTable();
        for (const [id, message, type] of rows) add(id, { message, severity: 'high' }, type);
        const lines = picture(columns + 1, height + 1);
        for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(columns + 1);
        for (const line of lines) expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
      },
    ),
    { numRuns: 40 },
  );
});

test('at 80 columns a line says which device, what happened, when and how often', () => {
  for (let i = 0; i < 8; i++)
    add('ap-lobby-7', { message: 'radio 1 stopped beaconing', severity: 'critical' }, 'device.error');
  expect(picture()[2]).toMatch(/^ CRIT ap-lobby-7 +\S+ +8 +8 device\.error radio 1 stopped beaconing$/);
});

test('a filter is applied while it is typed, finds names, types, messages and severities, and Escape ends it', () => {
  add('ap-1', { message: 'radio failed' }, 'device.error');
  add('ap-2');
  add('gw-1', {}, 'system.status');
  picture();
  press('/', 'G');
  expect(namesIn(picture())).toEqual(['gw-1']);
  expect(picture().at(-1)).toBe('/G_');
  press('\u007f', ...'radio');
  expect(namesIn(picture())).toEqual(['ap-1']);
  press(ENTER);
  expect(picture().at(-1)).toMatch(/^\/radio: 1 of 3 rows, Esc shows all/);
  press(ESCAPE, '/', ...'error');
  expect(namesIn(picture())).toEqual(['ap-1']);
  press('\u0015', ...'ap-');
  expect(namesIn(picture())).toEqual(['ap-1', 'ap-2']);
  press(ESCAPE);
  expect(namesIn(picture())).toHaveLength(3);
});

test('the selection stays with its row when other rows move, and is always in sight', () => {
  for (let i = 0; i < 30; i++) add(`ap-${i + 10}`);
  picture();
  press(DOWN, DOWN, DOWN, UP);
  expect(picture()[3]).toMatch(/^> {5}ap-11/);
  add('ap-39', { status: 'down' });
  expect(picture()[4]).toMatch(/^> {5}ap-11/);
  press(PAGE_DOWN, END);
  const lines = picture();
  expect(lines.at(-2)).toMatch(/^> {5}ap-38/);
  expect(lines.at(-1)).toMatch(/^rows 24-30 of 30/);
  for (let columns = 20; columns > 1; columns--) expect(picture(columns, 5).join()).toContain('>');
});

test('Enter shows the event of the selected row whole, scrolls, and stays while other events come', () => {
  add('ap-1', { message: 'first', values: [1, 2, 12345678901234567890n.toString()] }, 'device.error');
  picture();
  press(ENTER);
  add('ap-1', { message: 'second' }, 'device.error');
  expect(picture(80, 6)).toEqual([
    expect.stringMatching(/^ap-1 {2}device\.error {2}.* ago$/),
    '{',
    '  "received_at": "2026-11-22T21:50:00.000000Z",',
    '  "endpoint": "devices",',
    '  "type": "device.error",',
    expect.stringMatching(/^lines 1-4 of 14 /),
  ]);
  press(END);
  expect(picture(80, 6).at(-2)).toBe('}');
  press(PAGE_DOWN, UP);
  expect(picture(80, 6).at(-1)).toMatch(/^lines 10-13 of 14 /);
  press('x');
  expect(namesIn(picture())).toEqual(['ap-1']);
});

test('q and Ctrl-D quit, but not while a filter is typed or an event is shown', () => {
  add('ap-1');
  picture();
  expect(press('q')).toBe(true);
  expect(press('\u0004')).toBe(true);
  expect(press('/', 'q')).toBe(false);
  expect(press(ESCAPE, ENTER, 'q')).toBe(false);
});

test('JSON is broken into lines with its numbers and escapes as they were written', () => {
  const text = '{"a":1e400,"b":[],"c":{},"d":[12345678901234567890,{"e":"\\u001b\\"}{"}],"f":-0.10}';
  const lines = prettyJson(text);
  expect(lines).toContain('    12345678901234567890,');
  expect(
    lines
      .map((line) => line.trim())
      .join('')
      .replaceAll(': ', ':'),
  ).toBe(text);
  expect(lines.length).toBe(12);
});

test('long lines are wrapped without a loss', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 2, max: 50 }), (line, columns) => {
      const pieces = wrapped([line], columns);
      expect(pieces.join('')).toBe(line);
      for (const piece of pieces) expect(stringWidth(piece)).toBeLessThanOrEqual(columns);
    }),
  );
});

test.each([
  ['a million values', `[${'0,'.repeat(999_999)}0]`],
  ['a million levels', '['.repeat(1_000_000) + ']'.repeat(1_000_000)],
  ['a long text of wide characters', `"${'漢'.repeat(200_000)}"`],
])('an event of %s is shown in part', (_, json) => {
  const lines = wrapped(prettyJson(`{"data":${json}}`), 60);
  expect(lines.length).toBeLessThan(2100);
  expect(lines.at(-1)).toMatch(/^… \(the rest is not shown/);
});

test('events are kept in bounded memory, the newest ones surely', () => {
  const big = 'x'.repeat(1_000_000);
  for (let i = 0; i < 40; i++) add(`ap-${i}`, { message: big });
  const kept = table.rows().filter((row) => events.get(row) !== undefined);
  expect(kept.length).toBeLessThan(35);
  expect(kept.map(({ id }) => id)).toContain('ap-39');
});

test('off a terminal nothing is cut', () => {
  add('a'.repeat(150), { message: 'm'.repeat(150) });
  const style = {
    palette: noColors,
    width: Number.POSITIVE_INFINITY,
    now: 0,
    title: 'DEVICE',
    hasWords: true,
  };
  const [, line] = tableLines(table.rows(), style);
  expect(line).toMatch(/^normal {4}a{150} +0s +0 +1 device\.status_update m{150}$/);
});
