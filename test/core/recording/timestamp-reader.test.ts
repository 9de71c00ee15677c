import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatTimestamp, TIMESTAMP_LENGTH } from '../../../src/core/recording/timestamp.js';
import { TimestampReader } from '../../../src/core/recording/timestamp-reader.js';

const time = fc.oneof(
  fc.integer({ min: 0, max: 4_102_444_800_000_000 }),
  // Near each other, so that one is read by what is known of the one before.
  fc.integer({ min: 1_795_384_200_000_000, max: 1_795_384_400_000_000 }),
);

/** Behind it there is always more than a timestamp takes, as in a line. */
const viewOf = (text: string): DataView => {
  const bytes = Buffer.from(`${text}${' '.repeat(TIMESTAMP_LENGTH)}`);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
};

test('reads what was written, one after another, wherever it stands', () => {
  fc.assert(
    fc.property(fc.array(time), fc.nat(20), (times, at) => {
      const reader = new TimestampReader();
      for (const one of times) {
        expect(reader.read(viewOf(`${'x'.repeat(at)}${formatTimestamp(one)}"`), at)).toBe(one);
      }
    }),
  );
});

test.each([
  '2026-11-22T21:50:60.123456Z',
  '2026-11-22T21:50:0x.123456Z',
  '2026-11-22T21:50:00,123456Z',
  '2026-11-22T21:50:00.12345xZ',
  '2026-11-22T21:50:00.1234567',
  '2026-11-22T21:50:00.12+02:00',
  '2026-11-22T21:50:00.1+02:00',
  '2026-13-22T21:50:00.123456Z',
  '2026-11-22T21:50:00.123',
  '',
])('%j is no time, also after one of the same minute', (text) => {
  const reader = new TimestampReader();
  expect(reader.read(viewOf(text), 0)).toBeNaN();
  expect(reader.read(viewOf('2026-11-22T21:50:00.000001Z'), 0)).toBe(1_795_384_200_000_001);
  expect(reader.read(viewOf(text), 0)).toBeNaN();
});
