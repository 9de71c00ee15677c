import { expect, it } from 'vitest';
import { relativeTime } from '../../src/core/text.js';

it.each([
  [0, 'now'],
  [499, 'now'],
  [999, 'in 1 second'],
  [1000, 'in 1 second'],
  [59_400, 'in 59 seconds'],
  [59_999, 'in 1 minute'],
  [60_000, 'in 1 minute'],
  [42 * 60_000, 'in 42 minutes'],
  [-3_600_000, '1 hour ago'],
  [-49 * 3_600_000, '2 days ago'],
  [7973 * 365.25 * 86_400_000, 'in 7973 years'],
])('%d ms from now is "%s"', (offset, expected) => {
  expect(relativeTime(1_700_000_000_000 + offset, 1_700_000_000_000)).toBe(expected);
});
