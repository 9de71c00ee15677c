import { expect, test } from 'vitest';
import { type KnownMoment, TimeWindow } from '../../../src/core/recording/line-selection.js';

const SECOND = 1_000_000;
const START = 1_000 * SECOND;

function places(
  from: KnownMoment | undefined,
  to: KnownMoment | undefined,
  seconds: readonly (number | undefined)[],
) {
  const window = new TimeWindow(from, to);
  return seconds.map((second) => window.place(second === undefined ? Number.NaN : START + second * SECOND));
}

test.each<[string, KnownMoment | undefined, KnownMoment | undefined, (number | undefined)[], string[]]>([
  [
    'without ends all is inside',
    undefined,
    undefined,
    [0, 5, -9, 1e9],
    ['inside', 'inside', 'inside', 'inside'],
  ],
  [
    'an offset counts from the first line',
    { offset: 2 * SECOND },
    undefined,
    [0, 1, 2, 3],
    ['before', 'before', 'inside', 'inside'],
  ],
  [
    'a time of day is a time of day',
    { at: START + SECOND },
    { at: START + 2 * SECOND },
    [0, 1, 2, 3],
    ['before', 'inside', 'inside', 'after'],
  ],
  [
    'lines far behind the end end the reading, near ones do not',
    undefined,
    { offset: 0 },
    [0, 0.5, 60, 60.1, 0],
    ['inside', 'after', 'after', 'over', 'inside'],
  ],
  [
    'a line without a time lies where the line before it does',
    { offset: SECOND },
    undefined,
    [undefined, 0, undefined, 2, undefined],
    ['inside', 'before', 'before', 'inside', 'inside'],
  ],
  [
    'both kinds go together',
    { offset: SECOND },
    { at: START + 2 * SECOND },
    [0, 1, 2, 99],
    ['before', 'inside', 'inside', 'over'],
  ],
])('%s', (_title, from, to, seconds, expected) => {
  expect(places(from, to, seconds)).toEqual(expected);
});
