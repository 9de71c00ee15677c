import { expect, test } from 'vitest';
import { type Moment, TimeWindow } from '../../../src/core/recording/line-selection.js';

const SECOND = 1_000_000;
const START = 1_000 * SECOND;

function places(from: Moment | undefined, to: Moment | undefined, seconds: readonly (number | undefined)[]) {
  const window = new TimeWindow(from, to);
  return seconds.map((second) => window.place(second === undefined ? Number.NaN : START + second * SECOND));
}

test.each<[string, Moment | undefined, Moment | undefined, (number | undefined)[], string[]]>([
  [
    'without ends all is inside',
    undefined,
    undefined,
    [0, 5, -9, 1e9],
    ['inside', 'inside', 'inside', 'inside'],
  ],
  [
    'an offset counts from the first line',
    { from: 'start', micros: 2 * SECOND },
    undefined,
    [0, 1, 2, 3],
    ['before', 'before', 'inside', 'inside'],
  ],
  [
    'a time of day is a time of day',
    { from: '1970', micros: START + SECOND },
    { from: '1970', micros: START + 2 * SECOND },
    [0, 1, 2, 3],
    ['before', 'inside', 'inside', 'after'],
  ],
  [
    'lines far behind the end end the reading, near ones do not',
    undefined,
    { from: 'start', micros: 0 },
    [0, 0.5, 60, 60.1, 0],
    ['inside', 'after', 'after', 'over', 'inside'],
  ],
  [
    'a line without a time lies where the line before it does',
    { from: 'start', micros: SECOND },
    undefined,
    [undefined, 0, undefined, 2, undefined],
    ['inside', 'before', 'before', 'inside', 'inside'],
  ],
  [
    'both kinds go together',
    { from: 'start', micros: SECOND },
    { from: '1970', micros: START + 2 * SECOND },
    [0, 1, 2, 99],
    ['before', 'inside', 'inside', 'over'],
  ],
])('%s', (_title, from, to, seconds, expected) => {
  expect(places(from, to, seconds)).toEqual(expected);
});
