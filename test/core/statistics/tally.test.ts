import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Tally } from '../../../src/core/statistics/tally.js';

test('counts exactly while there are few different names', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'b', '__proto__', 'constructor', '')), (names) => {
      const tally = new Tally(10);
      const expected = new Map<string, number>();
      for (const name of names) {
        tally.add(name);
        expected.set(name, (expected.get(name) ?? 0) + 1);
      }
      expect(new Map(tally.sorted().map(({ name, count }) => [name, count]))).toEqual(expected);
      expect(tally.isExact).toBe(true);
    }),
  );
});

test('sorts by count, then by name', () => {
  const tally = new Tally(10);
  for (const name of ['b', 'c', 'a', 'c']) tally.add(name);
  expect(tally.sorted()).toEqual([
    { name: 'c', count: 2 },
    { name: 'a', count: 1 },
    { name: 'b', count: 1 },
  ]);
});

test('keeps frequent names, in bounded memory, among endless rare ones', () => {
  const tally = new Tally(50);
  for (let i = 0; i < 100_000; i++) {
    tally.add(`rare ${i}`);
    if (i % 10 === 0) tally.add('frequent');
  }
  expect(tally.size).toBeLessThanOrEqual(100);
  expect(tally.sorted()[0]).toEqual({ name: 'frequent', count: 10_000 });
  expect(tally.isExact).toBe(false);
});

test('cuts long names', () => {
  const tally = new Tally(10);
  tally.add('x'.repeat(1_000_000));
  tally.add('x'.repeat(1_000_000));
  expect(tally.sorted()).toEqual([{ name: `${'x'.repeat(199)}…`, count: 2 }]);
});
