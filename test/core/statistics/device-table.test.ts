import { expect, test } from 'vitest';
import { FrameReader } from '../../../src/core/json/frame.js';
import { DeviceTable, rowKeyOf } from '../../../src/core/statistics/device-table.js';

interface TestEvent {
  type?: unknown;
  subject?: unknown;
  data?: unknown;
  [name: string]: unknown;
}

const frame = new FrameReader();
let now = 0;

function add(table: DeviceTable, event: TestEvent, endpoint = 'devices') {
  frame.read(Buffer.from(JSON.stringify(event)));
  return table.add(frame, endpoint, ++now);
}

function tableOf(...events: TestEvent[]): DeviceTable {
  const table = new DeviceTable();
  for (const event of events) add(table, event);
  return table;
}

const about = (id: string, type: string, data: object = {}) => ({ type, data: { device_id: id, ...data } });
const error = about('ap-7', 'device.error', { message: 'radio failed' });
const online = about('ap-7', 'device.status_update', { status: 'online' });
const offline = about('ap-7', 'device.status_update', { status: 'offline' });
const degraded = about('ap-7', 'device.status_update', { status: 'degraded' });
const recovered = about('ap-7', 'device.status_update', { status: 'online', previous_status: 'down' });
const stateAfter = (...events: TestEvent[]) => tableOf(...events).rows()[0];

test('one row for each device has its state, its last event, and its counts', () => {
  now = 0;
  const table = tableOf(
    online,
    about('ap-8', 'device.status_update'),
    error,
    about('ap-7', 'system.metrics'),
  );
  expect(table.rows()).toEqual([
    expect.objectContaining({
      id: 'ap-7',
      ...{ severity: 'error', type: 'device.error', message: 'radio failed', at: 3 },
      ...{ lastType: 'system.metrics', lastAt: 4, events: 3, errors: 1 },
    }),
    expect.objectContaining({ id: 'ap-8', severity: 'normal', message: undefined, events: 1, errors: 0 }),
  ]);
});

test.each([
  [
    'an error stays when normal events of other types follow',
    [error, about('ap-7', 'system.metrics', { status: 'idle' })],
    'error',
  ],
  ['an error ends when the device says with any type that it is well', [error, online], 'normal'],
  [
    'a warning ends when the device says with its state that it is well',
    [about('ap-7', 'rule.triggered'), about('ap-7', 'agent.report', { state: 'HEALTHY' })],
    'normal',
  ],
  [
    'an event that is no good news does not end a problem, whatever its status says',
    [error, about('ap-7', 'system.alert', { status: 'up', level: 'medium' })],
    'error',
  ],
  ['an error stays when a warning of another type follows', [error, degraded], 'error'],
  [
    'a worse event of another type counts',
    [error, about('ap-7', 'system.alert', { level: 'fatal' })],
    'critical',
  ],
  ['an event of the same type ends a problem', [offline, online], 'normal'],
  ['an event of the same type makes a problem less bad', [offline, degraded], 'warning'],
  ['a recovery ends a problem of any type', [error, recovered], 'recovered'],
  [
    'a recovery stays when normal events of other types follow',
    [error, recovered, about('ap-7', 'x', { status: 'ok' })],
    'recovered',
  ],
  ['a normal event of the same type ends a recovery', [error, recovered, online], 'normal'],
  ['a warning after a recovery counts', [error, recovered, about('ap-7', 'rule.triggered')], 'warning'],
])('%s', (_, events, severity) => {
  expect(stateAfter(...events)?.severity).toBe(severity);
});

test('says of each event whether the row shows it', () => {
  const table = new DeviceTable();
  const isShown = (event: TestEvent) => {
    const { changed, last } = add(table, event);
    return changed === last;
  };
  expect([error, about('ap-7', 'system.metrics'), error].map(isShown)).toEqual([true, false, true]);
});

test('the message is that of the last event of a state, or of the first one, where that is asked for', () => {
  const again = about('ap-7', 'device.error', { message: 'radio failed again' });
  const first = new DeviceTable({ keepsFirstMessage: true });
  const last = new DeviceTable();
  const messages = [error, again, online].map((event) => [
    add(first, event).message,
    add(last, event).message,
  ]);
  expect(messages).toEqual([
    ['radio failed', 'radio failed'],
    ['radio failed', 'radio failed again'],
    [undefined, 'online'],
  ]);
});

test.each([
  ['data.device_id', { subject: 'opmas.devices.ap-1', data: { device_id: 'ap-7' } }, 'ap-7'],
  ['a number in data.device_id', { data: { device_id: 7 } }, '7'],
  ['else the last token of the subject', { subject: 'opmas.agents.scan', data: { device_id: '' } }, 'scan'],
  ['a subject of one token', { subject: 'ap-7', data: null }, 'ap-7'],
  ['a text that all events without one share', { data: { device_id: {} } }, '(none)'],
  ['a name of the language itself', { data: { device_id: '__proto__' } }, '__proto__'],
])('the name of a row is %s', (_, event, id) => {
  expect(stateAfter(event)?.id).toBe(id);
});

test.each([
  ['type', 'device.error'],
  ['subject', 'opmas.x'],
  ['endpoint', 'devices'],
  ['data.site.name', 'north'],
  ['event.zone', '4'],
  ['data.nothing', '(none)'],
  ['data.constructor.name', '(none)'],
])('rows stand for the values of %s', (path, id) => {
  const table = new DeviceTable({ keyOf: rowKeyOf(path, '--by') });
  add(table, { type: 'device.error', subject: 'opmas.x', data: { site: { name: 'north' } }, zone: 4 });
  expect(table.rows()[0]?.id).toBe(id);
});

test('a path that begins with no value of an event is a usage error', () => {
  for (const path of ['site', '', 'Data.site', '.']) {
    expect(() => rowKeyOf(path, '--by')).toThrow(expect.objectContaining({ code: 'USAGE' }));
  }
});

test('worst rows come first, then those that changed last, and normal ones by name', () => {
  const table = new DeviceTable();
  const add2 = (id: string, data: object) => add(table, about(id, 'device.status_update', data));
  add2('z', {});
  add2('a', {});
  for (const id of ['old', 'new']) add2(id, { status: 'down' });
  add2('warm', { status: 'degraded' });
  add2('worst', { status: 'critical' });
  add2('old', { status: 'down' });
  expect(table.rows().map(({ id }) => id)).toEqual(['worst', 'new', 'old', 'warm', 'a', 'z']);
});

test('a full table keeps the bad rows and those heard of last, and counts the others', () => {
  const table = new DeviceTable({ capacity: 50 });
  add(table, error);
  for (let i = 0; i < 10_000; i++) add(table, about(`device ${i}`, 'device.status_update'));
  const names = table.rows().map(({ id }) => id);
  expect(names.length).toBeLessThanOrEqual(100);
  expect(names[0]).toBe('ap-7');
  expect(names).toContain('device 9999');
  expect(names.length + table.leftOut).toBe(10_001);
});

test('long names, types and messages are cut', () => {
  const long = 'x'.repeat(1_000_000);
  const row = stateAfter({ type: long, data: { device_id: long, message: long } });
  for (const text of [row?.id, row?.type, row?.lastType, row?.message]) expect(text).toHaveLength(200);
});
