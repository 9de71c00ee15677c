import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTimestamp, parseTimestamp, TIMESTAMP_LENGTH } from '../../../src/core/recording/timestamp.js';

describe('formatTimestamp', () => {
  it.each([
    [0, '1970-01-01T00:00:00.000000Z'],
    [1, '1970-01-01T00:00:00.000001Z'],
    [999, '1970-01-01T00:00:00.000999Z'],
    [-1, '1969-12-31T23:59:59.999999Z'],
    [1_795_384_200_123_456, '2026-11-22T21:50:00.123456Z'],
  ])('%i is %s', (microseconds, text) => {
    expect(formatTimestamp(microseconds)).toBe(text);
    expect(parseTimestamp(text)).toBe(microseconds);
  });

  it('has one length up to the end of the year 9999, where a double is less exact than a microsecond', () => {
    const end = parseTimestamp('9999-12-31T23:59:59.999999Z')!;
    expect(formatTimestamp(end)).toMatch(/^9999-12-31T23:59:59\.9999\d\dZ$/);
  });

  it('is read back, always of one length', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -62_135_596_800_000_000, max: Number.MAX_SAFE_INTEGER }),
        (microseconds) => {
          const text = formatTimestamp(microseconds);
          expect(text).toHaveLength(TIMESTAMP_LENGTH);
          expect(parseTimestamp(text)).toBe(microseconds);
        },
      ),
    );
  });
});

describe('parseTimestamp', () => {
  it.each([
    ['2026-11-22T21:50:00Z', '2026-11-22T21:50:00.000000Z'],
    ['2026-11-22T21:50:00.1Z', '2026-11-22T21:50:00.100000Z'],
    ['2026-11-22T21:50:00.123456789Z', '2026-11-22T21:50:00.123456Z'],
    ['2026-11-22t21:50:00z', '2026-11-22T21:50:00.000000Z'],
    ['2026-11-22 21:50:00Z', '2026-11-22T21:50:00.000000Z'],
    ['2026-11-22T23:50:00.5+02:00', '2026-11-22T21:50:00.500000Z'],
    ['2026-11-22T16:20:00-05:30', '2026-11-22T21:50:00.000000Z'],
    ['2028-02-29T00:00:00Z', '2028-02-29T00:00:00.000000Z'],
  ])('reads %s', (text, same) => {
    expect(formatTimestamp(parseTimestamp(text)!)).toBe(same);
  });

  it.each([
    ...['', 'now', '2026-11-22', '2026-11-22T21:50:00', '2026-11-22T21:50Z', '2026-11-22T21:50:00.Z'],
    ...['2026-11-22T21:50:00.1234567890Z', '2026-13-01T00:00:00Z', '2026-02-30T00:00:00Z'],
    ...['2026-11-22T25:00:00Z', '2026-11-22T24:00:00Z', '2026-11-22T21:60:00Z', '2026-11-22T21:50:00+0200'],
    ...['2026-11-22T21:50:00+25:00', ' 2026-11-22T21:50:00Z', '2026-11-22T21:50:00Z\n', '1763848200'],
  ])('does not read %j', (text) => {
    expect(parseTimestamp(text)).toBeUndefined();
  });
});
