import { expect, test } from 'vitest';
import { LineView } from '../../../src/core/recording/line-view.js';
import { RecordingStatistics } from '../../../src/core/statistics/recording-statistics.js';

function statisticsOf(lines: readonly string[]): RecordingStatistics {
  const statistics = new RecordingStatistics();
  const line = new LineView();
  for (const text of lines) {
    const bytes = Buffer.from(text);
    if (line.read(bytes, 0, bytes.length) === undefined) throw new Error(text);
    statistics.add(line);
  }
  return statistics;
}

test('the peak counts seconds of the clock, also when two endpoints are a second apart', () => {
  const lines = Array.from({ length: 200 }, (_, i) => {
    const [second, endpoint] = i % 2 === 0 ? [1, 'devices'] : [2, 'agents'];
    return `{"received_at":"2026-11-22T21:50:0${second}.000${String(i).padStart(3, '0')}Z","endpoint":"${endpoint}","type":"x"}`;
  });
  expect(statisticsOf(lines).finish().rate.peak).toBe(100);
});

test('the peak counts the same second of two recordings together', () => {
  const lines = Array.from({ length: 40 }, (_, i) => {
    const second = String(i % 20).padStart(2, '0');
    return `{"received_at":"2026-11-22T21:50:${second}.000000Z","endpoint":"devices","type":"x"}`;
  });
  expect(statisticsOf(lines).finish().rate.peak).toBe(2);
});

test('events without a time are counted, but not in the timeline', () => {
  const { byType, timeline } = statisticsOf([
    '{"received_at":"2026-11-22T21:50:00.000000Z","endpoint":"devices","type":"device.error"}',
    '{"type":"agent.error"}',
    '{"received_at":"2026-11-22T21:50:01.000000Z","endpoint":"devices","type":"device.error"}',
  ]).finish();
  expect(byType).toEqual([
    { name: 'device.error', count: 2 },
    { name: 'agent.error', count: 1 },
  ]);
  expect(timeline.columns(10)?.series.map(({ name }) => name)).toEqual(['device.error']);
});

test('a device that was dropped among too many begins again, and is counted from there', () => {
  const statistics = new RecordingStatistics();
  const line = new LineView({ noteData: true });
  const add = (type: string, device: string) => {
    const bytes = Buffer.from(`{"type":"${type}","subject":"s","data":{"device_id":"${device}"}}`);
    line.read(bytes, 0, bytes.length);
    statistics.add(line);
  };
  // The table keeps at most 20,000. When it is full, those in the mildest state go first.
  for (let i = 0; i < 19_999; i++) add('device.error', `ap-${i}`);
  add('device.status_update', 'healthy');
  add('device.error', 'one more');
  for (let i = 0; i < 3; i++) add('device.status_update', 'healthy');
  const { devices } = statistics.finish();
  expect(devices.filter(({ id }) => id === 'healthy')).toMatchObject([{ events: 3 }]);
});

test('a subject that was dropped among too many begins again, and is counted from there', () => {
  const statistics = new RecordingStatistics();
  const line = new LineView({ noteData: true });
  const add = (subject: string) => {
    const bytes = Buffer.from(`{"type":"t","subject":"${subject}"}`);
    line.read(bytes, 0, bytes.length);
    statistics.add(line);
  };
  for (let round = 0; round < 2; round++) for (let i = 0; i < 19_999; i++) add(`s.${i}`);
  add('rare');
  add('one more');
  for (let i = 0; i < 50; i++) add('rare');
  expect(statistics.finish().subjects[0]).toEqual({ name: 'rare', count: 50 });
});

test('an empty device_id is none, and a subject tells the device', () => {
  const statistics = new RecordingStatistics();
  const line = new LineView({ noteData: true });
  for (const subject of ['a.b', 'a.c', 'a.b']) {
    for (const data of ['{"device_id":""}', '{"device_id":null}', '{}', '{"device_id":5}']) {
      const bytes = Buffer.from(`{"type":"t","subject":"${subject}","data":${data}}`);
      line.read(bytes, 0, bytes.length);
      statistics.add(line);
    }
  }
  const counts = statistics.finish().devices.map(({ id, events }) => [id, events]);
  expect(Object.fromEntries(counts)).toEqual({ b: 6, c: 3, 5: 3 });
});
