import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { jsonReport } from '../../src/cli/commands/inspect/inspect.js';
import { chosenOf } from '../../src/cli/commands/inspect/report-tables.js';
import { textReport } from '../../src/cli/commands/inspect/text-report.js';
import { TimeText } from '../../src/cli/render/time-text.js';
import { noColors } from '../../src/cli/terminal/palette.js';
import { formatLifecycleLine } from '../../src/core/recording/encoder.js';
import { formatTimestamp, type Incident, inspectRecording } from '../../src/index.js';

let path: string;
beforeAll(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'opmas-ws-report-')), 'night.ndjson');
});
afterAll(() => rm(join(path, '..'), { recursive: true }));

const start = Date.UTC(2026, 10, 22, 4) * 1000;
const at = (seconds: number) => formatTimestamp(start + seconds * 1_000_000);
const event = (seconds: number, type: string, data: Record<string, unknown>) =>
  `{"received_at":"${at(seconds)}","endpoint":"devices","type":"${type}","data":${JSON.stringify(data)}}\n`;
const failed = (seconds: number, device_id: string, message = 'no power') =>
  event(seconds, 'device.error', { device_id, message });
const online = (seconds: number, device_id: string) =>
  event(seconds, 'device.status_update', { device_id, status: 'online' });
const connection = (seconds: number, endpoint: string, state: Parameters<typeof formatLifecycleLine>[2]) =>
  formatLifecycleLine(at(seconds), endpoint, state).toString();

async function reportOf(...lines: string[]) {
  await writeFile(path, lines.join(''));
  return inspectRecording([path]);
}

async function textOf(columns: number, ...lines: string[]) {
  return textReport([path], await reportOf(...lines), {
    ...{ palette: noColors, columns, times: new TimeText(true) },
  });
}

const incident = (device: string, from: number, more: Partial<Incident> = {}): Incident => ({
  ...{ device, from, to: from + 1, isOver: true, severity: 'error', type: 'device.error', message: '' },
  count: 1,
  ...more,
});

test('a device that flaps all evening does not hide the incident at four', async () => {
  const flaps = Array.from({ length: 1500 }, (_, i) => failed(2 * i, 'ap-1') + online(2 * i + 1, 'ap-1'));
  const text = await textOf(80, ...flaps, failed(4000, 'ap-9', 'fan stopped'), online(4100, 'ap-9'));
  expect(text).toMatch(/^ {2}05:06:40 +1m40s {2}ERR {3}ap-9 +1 {2}fan stopped$/m);
  expect(text.match(/ERR {3}ap-1 /g)).toHaveLength(19);
  expect(text).toContain('… and 1,481 more: see --html, or --from');
});

test('a short list has the worst incident of each device first: not over, critical, long; in order of time', () => {
  const flaps = Array.from({ length: 30 }, (_, i) => incident('ap-1', i));
  flaps[20] = incident('ap-1', 20, { severity: 'critical' });
  flaps[25] = incident('ap-1', 25, { isOver: false });
  flaps[10] = incident('ap-1', 10, { to: 90 });
  const all = [...flaps, incident('ap-2', 40), incident('ap-3', 50, { isOver: false })];
  const chosen = (most: number) => chosenOf(all, most).map(({ device, from }) => `${device} ${from}`);
  expect(chosen(3)).toEqual(['ap-1 25', 'ap-2 40', 'ap-3 50']);
  expect(chosen(5)).toEqual(['ap-1 10', 'ap-1 20', 'ap-1 25', 'ap-2 40', 'ap-3 50'].sort(byTime));
  expect(chosen(99)).toHaveLength(32);
});
const byTime = (a: string, b: string) => Number(a.split(' ')[1]) - Number(b.split(' ')[1]);

test('the heading of troubles counts endpoints, too; an endpoint that came back is not in trouble', async () => {
  const lost = { state: 'closed', code: 1006, reason: '', lost: true, retry_in_ms: 500 } as const;
  const givenUp = { state: 'given_up', failure: 'token refused', reason: 'HTTP 401' } as const;
  const text = await textOf(
    80,
    connection(0, 'rules', { state: 'open' }) + connection(0, 'devices', { state: 'open' }),
    connection(1, 'agents', givenUp as never) + connection(2, 'agents', { state: 'open' }),
    connection(5, 'rules', lost) + online(9, 'ap-1'),
  );
  expect(text).toMatch(/^In trouble at the end {2}1 endpoint$/m);
  expect(text).toContain('ERR   rules   ');
  expect(text).not.toContain('given up');
});

test('an unresolved alert that an outage followed is marked: the event that resolved it may be missing', async () => {
  const alert = (seconds: number, alert_id: string) =>
    event(seconds, 'system.alert', { alert_id, severity: 'critical', device_id: 'ap-1', message: 'hot' });
  const text = await textOf(
    120,
    connection(0, 'devices', { state: 'open' }) + alert(1, 'a1'),
    connection(2, 'devices', { state: 'closed', code: 1006, reason: '', lost: true, retry_in_ms: 500 }),
    connection(3, 'devices', { state: 'open', gap_since: at(2) }) + alert(4, 'a2'),
    // An outage of another endpoint changes nothing.
    connection(4, 'rules', { state: 'refused', status: 503, retry_in_ms: 500 } as never) + online(5, 'ap-1'),
  );
  expect(text).toMatch(/^In trouble at the end {2}2 unresolved alerts, 1 endpoint$/m);
  expect(text).toContain('unresolved alert before an outage: hot (a1)\n');
  expect(text).toContain('unresolved alert: hot (a2)\n');
  expect(text).toMatch(/^ {2}04:00:01 +4s {2}CRIT {2}ap-1 +2 {2}hot$/m);
});

const attempt = { state: 'connecting', attempt: 1 } as never;

test.each([40, 60, 80])(
  'no line of a table is wider than %i columns, and long names keep their end',
  async (columns) => {
    const name = (i: number) => `${'site-berlin-'.repeat(5)}${i}`;
    const devices = Array.from({ length: 30 }, (_, i) => failed(i, name(i), 'a long message '.repeat(9)));
    // Endpoints that never open, with long paths, and one that does.
    const endpoints = [1, 2, 3].map((i) => connection(0, `/api/v1/ws/${'site-'.repeat(9)}${i}`, attempt));
    const text = await textOf(columns, ...endpoints, connection(0, 'devices', { state: 'open' }), ...devices);
    const lines = text.split('\n').filter((line) => line.startsWith('  '));
    expect(lines.length).toBeGreaterThan(60);
    expect(lines.filter((line) => line.length > columns)).toEqual([]);
    expect(text).toMatch(/ERR {3}…[a-z-]*-7 /);
    expect(text.match(/a long me/g)?.length).toBeGreaterThanOrEqual(20);
  },
);

test("the recorder's own end is apart from the normal closures of the server", async () => {
  const closed = { state: 'closed', code: 1000, reason: '' } as const;
  const text = await textOf(
    80,
    connection(0, 'devices', { state: 'open' }) + connection(1, 'devices', { ...closed, retry_in_ms: 500 }),
    connection(2, 'devices', { state: 'open' }) + connection(3, 'devices', { ...closed, retry_in_ms: 500 }),
    connection(4, 'devices', { state: 'open' }) + connection(5, 'devices', closed),
  );
  expect(text).toMatch(/^ {2}closed 1000 normal closure +2$/m);
  expect(text).toMatch(/^ {2}closed 1000 normal closure, as wanted +1$/m);
});

test('--json has the incidents, and since when a device is in its state', async () => {
  const { problems, devices } = jsonReport(
    await reportOf(failed(1, 'ap-1'), online(2, 'ap-1'), failed(3, 'ap-2', 'hot'), failed(4, 'ap-2')),
  ) as Record<string, Record<string, unknown>>;
  const failure = { severity: 'error', type: 'device.error' };
  expect(problems!.incidents).toEqual([
    { from: at(1), to: at(2), device: 'ap-1', ...failure, message: 'no power', count: 1 },
    { from: at(3), to: null, device: 'ap-2', ...failure, message: 'hot', count: 2 },
  ]);
  expect(devices).toMatchObject([
    { id: 'ap-2', since: at(3) },
    { id: 'ap-1', since: at(2) },
  ]);
});
