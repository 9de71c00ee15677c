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
