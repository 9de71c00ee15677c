import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Schedule, type ScheduleOptions } from '../../../src/core/replay/schedule.js';

const SECOND = 1_000_000;
const DAY = 86_400 * SECOND;
const START = Date.UTC(2026, 10, 22) * 1000;

function dueTimes(recorded: readonly number[], options: ScheduleOptions = {}): number[] {
  const schedule = new Schedule(options);
  return recorded.map((at) => schedule.next(at));
}

const times = fc.array(fc.integer({ min: START, max: START + 400 * DAY }), { minLength: 1, maxLength: 200 });
const sortedTimes = times.map((list) => [...list].sort((a, b) => a - b));

describe('recorded times', () => {
  test('the first line is due at 0, each further line as long after it as it was recorded after it', () => {
    fc.assert(
      fc.property(sortedTimes, (recorded) => {
        expect(dueTimes(recorded)).toEqual(recorded.map((at) => at - recorded[0]!));
      }),
    );
  });

  test('due times never decrease, whatever the stamps say', () => {
    const options = fc.record({
      maxGapMicros: fc.option(fc.integer({ min: 0, max: DAY }), { nil: undefined }),
      rate: fc.option(fc.integer({ min: 1, max: 100_000 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(times, options, (recorded, rules) => {
        const due = dueTimes(recorded, rules);
        for (let i = 1; i < due.length; i++) expect(due[i]).toBeGreaterThanOrEqual(due[i - 1]!);
      }),
    );
  });

  test('a million lines with microseconds between them end to the microsecond where they were recorded', () => {
    const schedule = new Schedule();
    let last = 0;
    for (let i = 0; i < 1_000_000; i++) last = schedule.next(START + i * 333);
    expect(last).toBe(999_999 * 333);
  });

  test('disorder up to a second waits zero and changes nothing for what follows', () => {
    const disordered = fc.tuple(
      sortedTimes,
      fc.array(fc.integer({ min: 0, max: SECOND }), { minLength: 200, maxLength: 200 }),
    );
    fc.assert(
      fc.property(disordered, ([recorded, back]) => {
        const first = recorded[0]!;
        const schedule = new Schedule();
        schedule.next(first);
        for (const [index, at] of recorded.entries()) {
          expect(schedule.next(at)).toBe(at - first);
          expect(schedule.next(at - back[index]!)).toBe(at - first);
        }
      }),
    );
  });

  test('after a larger step back the count goes on from there', () => {
    const recorded = [START + 10 * SECOND, START + 12 * SECOND, START, START + SECOND, START + 14 * SECOND];
    expect(dueTimes(recorded)).toEqual([0, 2 * SECOND, 2 * SECOND, 3 * SECOND, 16 * SECOND]);
  });

  test('a line without a time goes with the one before it', () => {
    expect(dueTimes([Number.NaN, START, Number.NaN, START + 5])).toEqual([0, 0, 0, 5]);
  });
});

describe('gap limit', () => {
  test('cuts each silence to the limit and leaves the others', () => {
    fc.assert(
      fc.property(sortedTimes, fc.integer({ min: 0, max: 30 * DAY }), (recorded, maxGap) => {
        const due = dueTimes(recorded, { maxGapMicros: maxGap });
        for (let i = 1; i < due.length; i++) {
          expect(due[i]! - due[i - 1]!).toBe(Math.min(recorded[i]! - recorded[i - 1]!, maxGap));
        }
      }),
    );
  });
});

describe('rate', () => {
  test('spaces lines evenly, with or without recorded times', () => {
    const recorded = [Number.NaN, START + 7, START, Number.NaN];
    expect(dueTimes(recorded, { rate: 4 })).toEqual([0, 0.25 * SECOND, 0.5 * SECOND, 0.75 * SECOND]);
  });

  test('does not drift: the line number N is due at N / rate', () => {
    const schedule = new Schedule({ rate: 3 });
    let last = 0;
    for (let i = 0; i <= 3_000_000; i++) last = schedule.next(Number.NaN);
    expect(last).toBeCloseTo(1_000_000 * SECOND, -1);
  });
});

describe('loop', () => {
  function passes(recorded: readonly number[], count: number, options: ScheduleOptions = {}): number[][] {
    const schedule = new Schedule(options);
    return Array.from({ length: count }, () => {
      const due = recorded.map((at) => schedule.next(at));
      schedule.restart();
      return due;
    });
  }

  test('times go on: each pass is a later copy of the first', () => {
    const [first, second, third] = passes([START, START + 10, START + 30], 3);
    expect(first).toEqual([0, 10, 30]);
    expect(second).toEqual([45, 55, 75]);
    expect(third).toEqual([90, 100, 120]);
  });

  test('at a rate the seam is one interval like any other', () => {
    expect(passes([START, START], 2, { rate: 10 })).toEqual([
      [0, 100_000],
      [200_000, 300_000],
    ]);
  });

  test('a recording that takes no time is repeated once a second, not as fast as it goes', () => {
    expect(passes([START], 3)).toEqual([[0], [SECOND], [2 * SECOND]]);
    expect(passes([START, START], 2)).toEqual([
      [0, 0],
      [SECOND, SECOND],
    ]);
  });

  test('an empty pass takes no time', () => {
    expect(passes([], 2)).toEqual([[], []]);
  });

  test('every pass has the same gaps', () => {
    fc.assert(
      fc.property(times, (recorded) => {
        const [first = [], second = []] = passes(recorded, 2);
        const start = second[0]!;
        expect(start).toBeGreaterThan(first.at(-1)!);
        for (const [i, due] of second.entries()) expect(due - start).toBeCloseTo(first[i]!, 0);
      }),
    );
  });
});
