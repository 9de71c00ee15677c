import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameReader } from '../../../src/core/json/frame.js';
import { codePoint } from '../../support/code-point.js';

const reader = new FrameReader();

describe('FrameReader', () => {
  test('parses a frame only once', () => {
    reader.read(Buffer.from('{"type":"a","data":{"cpu":97}}'));
    expect(reader.value).toEqual({ type: 'a', data: { cpu: 97 } });
    expect(reader.value).toBe(reader.value);
    reader.read(Buffer.from('{"type":"b"}'));
    expect(reader.value).toEqual({ type: 'b' });
  });
});

describe('the texts of type and subject', () => {
  const length = fc.oneof(fc.integer({ max: 40, min: 0 }), fc.integer({ min: 100, max: 130 }));
  const text = length.chain((n) => fc.string({ unit: codePoint, minLength: n, maxLength: n }));

  test('are right however many there are, and however often they come', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { maxLength: 30 }), (pairs) => {
        for (const [type, subject] of [...pairs, ...pairs]) {
          reader.read(Buffer.from(JSON.stringify({ type, subject })));
          expect([reader.type, reader.subject]).toEqual([type, subject]);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('are right when they are asked for after another reader has read', () => {
    const other = new FrameReader();
    reader.read(Buffer.from('{"type":"a","subject":"b"}'));
    other.read(Buffer.from('{"type":"xx","subject":"yy"}'));
    expect([reader.type, reader.subject, other.type, other.subject]).toEqual(['a', 'b', 'xx', 'yy']);
  });

  test('are right where thousands differ little', () => {
    for (const round of [1, 2]) {
      for (let i = 0; i < 5000; i++) {
        reader.read(Buffer.from(`{"type":"t${i % 7}","subject":"opmas.devices.ap-${i}","round":${round}}`));
        if (reader.subject !== `opmas.devices.ap-${i}` || reader.type !== `t${i % 7}`) {
          throw new Error(`${reader.subject} in place of ${i}`);
        }
      }
    }
  });
});
