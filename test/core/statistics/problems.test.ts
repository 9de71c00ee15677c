import { expect, test } from 'vitest';
import { FrameReader } from '../../../src/core/json/frame.js';
import { Problems } from '../../../src/core/statistics/problems.js';

type Data = Record<string, unknown>;

/** Reports events that come a second apart. */
function reportOf(...events: [type: string, data: Data][]) {
  const problems = new Problems();
  const frame = new FrameReader();
  for (const [at, [type, data]] of events.entries()) {
    frame.read(Buffer.from(JSON.stringify({ type, data })));
    problems.add(frame, type, 'devices', at);
  }
  return problems.finish();
}

const failed = (device_id: string, message: string): [string, Data] => [
  'device.error',
  { device_id, message },
];
const status = (device_id: string, now: string, before?: string): [string, Data] => [
  'device.status_update',
  { device_id, status: now, previous_status: before },
];
const alert = (data: Data): [string, Data] => ['system.alert', data];

test('an incident lasts from the first problem of a device to its recovery', () => {
  const { problems, devices } = reportOf(
    failed('ap-7', 'radio failed'),
    failed('ap-8', 'no power'),
    status('ap-7', 'critical'),
    status('ap-7', 'online', 'critical'),
    failed('ap-7', 'radio failed again'),
  );
  expect(problems).toMatchObject({ count: 4, incidentCount: 3 });
  expect(problems.byDevice).toEqual([
    { name: 'ap-7', count: 3 },
    { name: 'ap-8', count: 1 },
  ]);
  expect(
    problems.incidents.map(({ device, from, to, isOver, severity, count, message }) => [
      ...[device, from, to, isOver, severity, count, message],
    ]),
  ).toEqual([
    ['ap-7', 0, 3, true, 'critical', 2, 'radio failed'],
    ['ap-8', 1, 1, false, 'error', 1, 'no power'],
    ['ap-7', 4, 4, false, 'error', 1, 'radio failed again'],
  ]);
  expect(devices.map(({ id, sinceAt, errors }) => [id, sinceAt, errors])).toEqual([
    ['ap-7', 4, 3],
    ['ap-8', 1, 1],
  ]);
});

test('a device is in trouble since the first problem, however its severity changes then', () => {
  const { devices } = reportOf(failed('ap-7', 'radio failed'), status('ap-7', 'critical'), [
    'device.error',
    { device_id: 'ap-7', severity: 'high' },
  ]);
  expect(devices).toMatchObject([{ id: 'ap-7', sinceAt: 0, message: 'radio failed', errors: 3 }]);
});

test('an incident is over when the device reports a normal state, too', () => {
  const { problems } = reportOf(
    status('ap-7', 'offline'),
    status('ap-8', 'online'),
    status('ap-7', 'online'),
  );
  expect(problems.incidents).toMatchObject([{ device: 'ap-7', from: 0, to: 2, isOver: true }]);
});

test('an incident is over when an event of another type says that the device is online', () => {
  const { problems, devices } = reportOf(failed('ap-7', 'radio failed'), status('ap-7', 'online'));
  expect(problems.incidents).toMatchObject([{ device: 'ap-7', from: 0, to: 1, isOver: true }]);
  expect(devices).toMatchObject([{ id: 'ap-7', severity: 'normal' }]);
});

test('an alert is unresolved until one with its id is resolved', () => {
  const { unresolvedAlerts } = reportOf(
    alert({ alert_id: 'a1', state: 'raised', severity: 'critical', device_id: 'ap-7', message: 'hot' }),
    alert({ id: 2, severity: 'high', device_id: 'ap-7' }),
    alert({ alert_id: 'a1', state: 'raised', severity: 'critical', device_id: 'ap-7', message: 'hotter' }),
    alert({ alert_id: 'a3', severity: 'critical' }),
    alert({ alert_id: 'a3', state: 'resolved', severity: 'info' }),
    alert({ alert_id: 'a4', severity: 'info' }),
  );
  expect(unresolvedAlerts).toEqual([
    { id: 'a1', device: 'ap-7', endpoint: 'devices', severity: 'critical', at: 0, message: 'hot' },
    { id: '2', device: 'ap-7', endpoint: 'devices', severity: 'error', at: 1, message: undefined },
  ]);
});

test('an alert without an id is known by its device and rule', () => {
  const { unresolvedAlerts } = reportOf(
    alert({ device_id: 'ap-7', rule_id: 'cpu' }),
    alert({ device_id: 'ap-7', rule_id: 'fan' }),
    alert({ device_id: 'ap-8', rule_id: 'fan' }),
    alert({ device_id: 'ap-7', rule_id: 'fan', status: 'resolved' }),
  );
  expect(unresolvedAlerts.map(({ device, at }) => [device, at])).toEqual([
    ['ap-7', 0],
    ['ap-8', 2],
  ]);
});

test('lists are bounded, counts are not', () => {
  const many = Array.from({ length: 3000 }, (_, i) => i);
  const { problems, unresolvedAlerts } = reportOf(
    ...many.map((i) => failed(`ap-${i}`, 'x')),
    ...many.map((i) => alert({ alert_id: `a${i}`, device_id: `ap-${i}` })),
  );
  expect([problems.count, problems.incidentCount, problems.byDevice.length]).toEqual([3000, 3000, 3000]);
  const flaps = many.flatMap(() => [failed('ap-7', 'x'), status('ap-7', 'online')]);
  const flapping = reportOf(...flaps, failed('ap-8', 'x')).problems.incidents;
  expect([flapping.length, flapping.at(-1)?.device]).toEqual([101, 'ap-8']);
  expect([problems.first.length, problems.incidents.length, unresolvedAlerts.length]).toEqual([
    200, 1000, 1000,
  ]);
});

test('data of any shape is read', () => {
  for (const data of [null, 5, 'text', [], { alert_id: {} }] as unknown as Data[]) {
    expect(reportOf(alert(data)).unresolvedAlerts).toHaveLength(1);
    expect(reportOf(['device.error', data]).problems.count).toBe(1);
  }
});
