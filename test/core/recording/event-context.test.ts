import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ContextOptions, EventContext } from '../../../src/core/recording/event-context.js';

const SECOND = 1_000_000;
const START = Date.UTC(2026, 10, 22) * 1000;

interface Given {
  at: number;
  isMatch?: boolean;
  isLifecycle?: boolean;
  length?: number;
}

/** Passes numbered lines through a context. @returns The numbers of those that were given, in order. */
function given(options: ContextOptions, lines: readonly Given[], maxBytes = 1e6) {
  const out: number[] = [];
  const take = (bytes: Buffer) =>
    out.push(
      ...bytes
        .toString()
        .split('\n')
        .filter(Boolean)
        .map((text) => Number.parseInt(text, 10)),
    );
  const context = new EventContext(options, maxBytes, (line) => take(line));
  for (const [number, { at, isMatch, isLifecycle, length = 0 }] of lines.entries()) {
    const time = Number.isNaN(at) ? at : START + at * SECOND;
    const line = Buffer.from(`${number} ${'x'.repeat(length)}\n`);
    const hold = (lifecycle?: object) => context.hold(line, 0, line.length - 1, lifecycle as never);
    if (isLifecycle) {
      if (context.waits(time)) hold({});
      else take(line);
    } else if (isMatch) {
      for (const batch of context.match(time)) {
        expect(batch.count).toBe(batch.bytes.toString().split('\n').length - 1);
        take(batch.bytes);
      }
      take(line);
    } else {
      const place = context.place(time);
      if (place === 'give') take(line);
      if (place === 'hold') hold();
    }
  }
  context.end();
  return { out, events: context.events, cut: context.cut };
}

const spanOf = (events: number | undefined) => (events === undefined ? undefined : { events });

/** Events a second apart; `!` matches, `c` is a lifecycle line. */
function lines(text: string): Given[] {
  return [...text].map((letter, at) => ({ at, isMatch: letter === '!', isLifecycle: letter === 'c' }));
}

describe('the context of events', () => {
  it.each<[string, ContextOptions, string, number[]]>([
    ['events before', { before: { events: 2 } }, '.....!...', [3, 4, 5]],
    ['events after', { after: { events: 2 } }, '..!....', [2, 3, 4]],
    ['both', { before: { events: 1 }, after: { events: 1 } }, '...!...', [2, 3, 4]],
    ['a time before', { before: { ms: 2000 } }, '.....!...', [3, 4, 5]],
    ['a time after', { after: { ms: 2000 } }, '..!.....', [2, 3, 4]],
    [
      'overlaps, once each',
      { before: { events: 3 }, after: { events: 3 } },
      '.!.!.....',
      [0, 1, 2, 3, 4, 5, 6],
    ],
    ['a match in the time after another begins it anew', { after: { ms: 2000 } }, '!.!...', [0, 1, 2, 3, 4]],
    ['less than there is', { before: { events: 9 } }, '.!', [0, 1]],
    ['matches side by side', { before: { events: 1 } }, '..!!!.', [1, 2, 3, 4]],
    ['without a match nothing', { before: { events: 2 }, after: { events: 2 } }, '......', []],
    ['all lifecycle lines, in order', { before: { events: 1 } }, 'c.c..c.!c..c', [0, 2, 5, 6, 7, 8, 11]],
    ['lifecycle lines between the events before', { before: { events: 2 } }, '..c.!', [1, 2, 3, 4]],
  ])('%s', (_title, options, text, expected) => {
    expect(given(options, lines(text)).out).toEqual(expected);
  });

  it('takes time by the lines, also when there were none for long', () => {
    const times = [0, 1, 100, 101].map((at, i) => ({ at, isMatch: i === 3 }));
    expect(given({ before: { ms: 10_000 } }, times).out).toEqual([2, 3]);
  });

  it('frees lifecycle lines by the times of others, when no event comes', () => {
    const text = [
      { at: 0 },
      { at: 1, isLifecycle: true },
      { at: 60, isLifecycle: true },
      { at: 61, isMatch: true },
    ];
    expect(given({ before: { ms: 10_000 } }, text).out).toEqual([1, 2, 3]);
  });

  it.each([
    ['set back', [0, 1, 2, -3600, -3599, -3598], 3, [0, 1, 2, 3, 4]],
    ['set ahead', [0, 1, 2, 3600, 3601, 3602], 4, [3, 4, 5]],
  ])('with a clock that is %s is still near its event', (_title, times, match, expected) => {
    const events = times.map((at, i) => ({ at, isMatch: i === match }));
    const around = { before: { ms: 2000 }, after: { ms: 1000 } };
    expect(given(around, events).out).toEqual(expected);
  });

  it('counts events where lines have no times', () => {
    const events = lines('...!...').map((one) => ({ ...one, at: Number.NaN }));
    expect(given({ before: { events: 1 }, after: { events: 1 } }, events).out).toEqual([2, 3, 4]);
  });

  it.each<[ContextOptions, string]>([
    [{ before: { events: 8 } }, 'a number'],
    [{ before: { ms: 8000 } }, 'a time'],
  ])('says what did not fit into memory: %j', (options) => {
    const events = lines('.........!..........!').map((one) => ({ ...one, length: 1000 }));
    const { out, cut, events: context } = given(options, events, 3500);
    expect(out).toEqual([6, 7, 8, 9, 17, 18, 19, 20]);
    expect([cut, context]).toEqual([2, 6]);
  });

  it('has no part of a line that is longer than the memory', () => {
    const events = lines('..!').map((one, i) => ({ ...one, length: i === 1 ? 100_000 : 0 }));
    expect(given({ before: { events: 5 } }, events, 50_000)).toEqual({ out: [2], events: 0, cut: 1 });
  });

  it('is not cut when the events that went are not wanted', () => {
    const events = lines('..........!').map((one) => ({ ...one, length: 1000 }));
    expect(given({ before: { ms: 1000 } }, events, 3500)).toMatchObject({ out: [9, 10], cut: 0 });
  });

  it('gives each line at most once and in order, and exactly those near a match', () => {
    const letter = fc.constantFrom('.', '.', '.', '!', 'c');
    const span = fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined });
    fc.assert(
      fc.property(fc.array(letter, { maxLength: 60 }), span, span, (letters, before, after) => {
        const text = letters.join('');
        const events = [...text].flatMap((one, i) => (one === 'c' ? [] : [i]));
        const near = (i: number) =>
          [...text].some((one, j) => {
            if (one !== '!') return false;
            const apart = events.indexOf(j) - events.indexOf(i);
            return apart === 0 || (apart > 0 ? apart <= (before ?? 0) : -apart <= (after ?? 0));
          });
        const expected = [...text].flatMap((one, i) => (one === 'c' || near(i) ? [i] : []));
        const options = { before: spanOf(before), after: spanOf(after) };
        expect(given(options, lines(text)).out).toEqual(expected);
      }),
    );
  });

  it('loses and repeats nothing, whatever the times, the lengths and the memory', () => {
    const step = fc.oneof(
      { weight: 9, arbitrary: fc.integer({ min: 0, max: 3 }) },
      fc.integer({ min: -99, max: 99 }),
    );
    const line = fc.record({
      step,
      kind: fc.constantFrom('.', '.', '.', '!', 'c'),
      length: fc.constantFrom(0, 0, 500, 70_000),
    });
    const span = fc.oneof(
      fc.constant(undefined),
      fc.record({ events: fc.integer({ min: 1, max: 9 }) }),
      fc.record({ ms: fc.integer({ min: 1, max: 20_000 }) }),
    );
    const memory = fc.constantFrom(100, 2000, 100_000, 1e9);
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 80 }),
        span,
        span,
        memory,
        (recorded, before, after, maxBytes) => {
          let at = 0;
          const all = recorded.map(({ step: seconds, kind, length }): Given => {
            at += seconds;
            return { at, length, isMatch: kind === '!', isLifecycle: kind === 'c' };
          });
          const { out } = given({ before, after }, all, maxBytes);
          expect(out).toEqual([...new Set(out)].sort((a, b) => a - b));
          const needed = all.flatMap(({ isMatch, isLifecycle }, i) => (isMatch || isLifecycle ? [i] : []));
          expect(needed.filter((i) => !out.includes(i))).toEqual([]);
        },
      ),
    );
  });
});
