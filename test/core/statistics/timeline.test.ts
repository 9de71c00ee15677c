import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Timeline } from '../../../src/core/statistics/timeline.js';

const times = fc.array(
  fc.record({
    time: fc.oneof(
      fc.integer({ min: 0, max: 5_000_000 }),
      fc.integer({ min: 1_795_000_000_000_000, max: 1_795_000_100_000_000 }),
      fc.integer({ min: -60_000_000_000_000_000 / 100, max: 250_000_000_000_000_000 / 100 }),
    ),
    name: fc.constantFrom('a', 'b', 'c'),
  }),
  { minLength: 1, maxLength: 200 },
);

test('puts each event into the column of its time, whatever the times and their order', () => {
  fc.assert(
    fc.property(times, fc.integer({ min: 1, max: 300 }), (events, most) => {
      const timeline = new Timeline();
      for (const { time, name } of events) timeline.add(time, timeline.seriesOf(name));
      const columns = timeline.columns(most)!;
      expect(columns.count).toBeLessThanOrEqual(most);
      const expected = new Map<string, number[]>();
      for (const { time, name } of events) {
        const column = Math.floor((time - columns.start) / columns.width);
        expect(column).toBeGreaterThanOrEqual(0);
        expect(column).toBeLessThan(columns.count);
        const values = expected.get(name) ?? new Array<number>(columns.count).fill(0);
        values[column]!++;
        expected.set(name, values);
      }
      expect(new Map(columns.series.map(({ name, values }) => [name, values]))).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});

test('fills at least half of the slots with a long span of time', () => {
  const timeline = new Timeline();
  for (let second = 0; second < 86_400; second += 10) timeline.add(second * 1e6, timeline.seriesOf('a'));
  expect(timeline.columns(2000)!.count).toBeGreaterThan(500);
});

test('has no columns when no event has a time', () => {
  expect(new Timeline().columns(10)).toBeUndefined();
});

test('counts types beyond the limit together', () => {
  const timeline = new Timeline();
  for (let i = 0; i < 1000; i++) timeline.add(i, timeline.seriesOf(`type ${i}`));
  const { series } = timeline.columns(10)!;
  expect(series.length).toBeLessThanOrEqual(48);
  expect(series.flatMap(({ values }) => values).reduce((sum, count) => sum + count)).toBe(1000);
});
