import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BytePattern } from '../../../src/core/recording/byte-pattern.js';

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

test('is found where it stands and nowhere else, whatever became of the bytes it was made of', () => {
  const bytes = fc.uint8Array({ max: 3, maxLength: 40 });
  fc.assert(
    fc.property(bytes, fc.uint8Array({ max: 3, maxLength: 9 }), (text, part) => {
      const source = Buffer.from(part);
      const pattern = new BytePattern(source);
      source.fill(9);
      expect(pattern.length).toBe(part.length);
      for (let at = 0; at + part.length <= text.length; at++) {
        const stands = Buffer.from(text.subarray(at, at + part.length)).equals(part);
        expect(pattern.standsAt(viewOf(text), at)).toBe(stands);
      }
    }),
  );
});
