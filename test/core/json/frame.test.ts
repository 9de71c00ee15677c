import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameReader } from '../../../src/core/json/frame.js';
import {
  eventHead,
  eventLineCapacity,
  eventLineShape,
  frameOf,
  writeEventLine,
} from '../../../src/core/recording/event-line.js';
import { damagedObject, expectedOf, fuzzRuns, objectText } from './json-cases.js';

const head = eventHead('2026-11-22T21:50:00.123456Z', 'devices');
const reader = new FrameReader();

/** The frame's event line between two others, and where it stands. */
function lineOf(frame: Buffer, hasLineBreaks: boolean): { bytes: Buffer; start: number; end: number } {
  const before = Buffer.from('{"received_at":"x"}\n');
  const line = Buffer.alloc(eventLineCapacity(head, frame.length));
  const length = writeEventLine(line, 0, head, frame, hasLineBreaks);
  const bytes = Buffer.concat([before, line.subarray(0, length), before]);
  return { bytes, start: before.length, end: before.length + length - 1 };
}

describe('FrameReader', () => {
  test('parses a frame only once', () => {
    reader.read(Buffer.from('{"type":"a","data":{"cpu":97}}'));
    expect(reader.value).toEqual({ type: 'a', data: { cpu: 97 } });
    expect(reader.value).toBe(reader.value);
    reader.read(Buffer.from('{"type":"b"}'));
    expect(reader.value).toEqual({ type: 'b' });
  });

  test('reads the frame of an event line in place as it reads the frame alone', () => {
    fc.assert(
      fc.property(objectText, (text) => {
        const frame = Buffer.from(text);
        const expected = expectedOf(frame);
        const { bytes, start, end } = lineOf(frame, expected.hasLineBreaks === true);
        const shape = eventLineShape(bytes, start, end);
        if (shape === undefined) throw new Error('no shape');
        expect(reader.readLine(bytes, end, shape.members)).toBe('object');
        expect([reader.type, reader.subject]).toEqual([expected.type, expected.subject]);
        expect(reader.hasLineBreaks).toBe(false);
        expect(reader.value).toEqual(expected.value);
        expect(frameOf(bytes, start, end, shape)).toEqual(Buffer.from(text.replace(/[\r\n]/g, ' ')));
      }),
      { numRuns: fuzzRuns },
    );
  });

  test('says of a damaged event line what JSON.parse says of the whole line', () => {
    fc.assert(
      fc.property(fc.boolean(), damagedObject, (inHead, damaged) => {
        // Damage to a frame moves into the line; with `inHead` it follows the head without a comma.
        const line = inHead
          ? Buffer.concat([head, damaged])
          : Buffer.concat([head, Buffer.from(','), damaged.subarray(1)]);
        const shape = eventLineShape(line, 0, line.length);
        if (shape === undefined) return;
        const expected = expectedOf(line);
        expect(reader.readLine(line, line.length, shape.members)).toBe(expected.verdict);
        if (expected.verdict !== 'object') return;
        const { received_at, endpoint, ...members } = expected.value ?? {};
        expect(reader.type).toBe(expected.type);
        expect(reader.value).toMatchObject(members);
        expect(expectedOf(frameOf(line, 0, line.length, shape)).value).toEqual(reader.value);
      }),
      { numRuns: fuzzRuns },
    );
  });
});

describe('eventLineShape', () => {
  const at = '"received_at":"2026-11-22T21:50:00.123456Z"';
  test.each([
    `{${at},"endpoint":"devices"}`,
    `{${at},"endpoint":"devices" }`,
    `  {${at},"endpoint":"","type":"a"}`,
    `{${at},"endpoint":"/api/v1/ws/device/42","type":"a"}`,
  ])('finds the parts of %s', (text) => {
    const bytes = Buffer.from(text);
    const shape = eventLineShape(bytes, 0, bytes.length);
    expect(shape && bytes.toString('utf8', shape.endpoint, shape.endpointEnd)).toBe(
      JSON.parse(text).endpoint,
    );
    expect(shape && reader.readLine(bytes, bytes.length, shape.members)).toBe('object');
  });

  test.each([
    `{${at},"endpoint":"a\\"b","type":"a"}`,
    `{${at},"endpoint":"devices" ,"type":"a"}`,
    `{${at},"endpoint":"devices"`,
    `{${at},"endpoint":"dev\u0001ices"}`,
    `{${at},"endpoint":"devices`,
    `{${at}, "endpoint":"devices"}`,
    `{"received_at":"2026-11-22T21:50:00.12345\\"Z","endpoint":"devices"}`,
    `{"received_at":"2026-11-22T21:50:00.1234567","endpoint":"devices"}`,
    `{"received_at":"2026-11-22T21:50:00.1234\u00006Z","endpoint":"devices"}`,
    `{${at},"connection":{"state":"open"},"endpoint":"devices"}`,
    `{${at}}`,
    '',
  ])('leaves %s to parseLine', (text) => {
    expect(eventLineShape(Buffer.from(text), 0, Buffer.byteLength(text))).toBeUndefined();
  });
});

describe('the texts of type and subject', () => {
  const length = fc.oneof(fc.integer({ max: 40, min: 0 }), fc.integer({ min: 100, max: 130 }));
  const text = length.chain((n) => fc.string({ unit: 'binary', minLength: n, maxLength: n }));

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
