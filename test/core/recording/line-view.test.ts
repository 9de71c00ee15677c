import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { eventHead, eventLineCapacity, writeEventLine } from '../../../src/core/recording/encoder.js';
import { LineView } from '../../../src/core/recording/line-view.js';
import { formatNestedLine, needsNesting } from '../../../src/core/recording/nested-event.js';
import { parseLine } from '../../../src/core/recording/parse-line.js';
import { formatTimestamp, parseTimestamp } from '../../../src/core/recording/timestamp.js';
import { damagedObject, expectedOf, fuzzRuns, objectText } from '../json/json-cases.js';

const STAMP = '2026-11-22T21:50:00.123456Z';
const head = eventHead(STAMP, 'devices');

/** The frame's event line between two others, and its place. */
function lineOf(frame: Buffer, hasLineBreaks: boolean): { bytes: Buffer; start: number; end: number } {
  const before = Buffer.from('{"received_at":"x"}\n');
  const line = needsNesting(frame.toString())
    ? formatNestedLine(head, frame)
    : flatLineOf(frame, hasLineBreaks);
  const bytes = Buffer.concat([before, line, before]);
  return { bytes, start: before.length, end: before.length + line.length - 1 };
}

function flatLineOf(frame: Buffer, hasLineBreaks: boolean): Buffer {
  const line = Buffer.alloc(eventLineCapacity(head, frame.length));
  return line.subarray(0, writeEventLine(line, 0, head, frame, hasLineBreaks));
}

describe('a view of a line', () => {
  const view = new LineView();

  test('shows the frame of any event line as the server sent it', () => {
    fc.assert(
      fc.property(objectText, (text) => {
        const expected = expectedOf(Buffer.from(text));
        const { bytes, start, end } = lineOf(Buffer.from(text), expected.hasLineBreaks === true);
        expect(view.read(bytes, start, end)).toBe('event');
        expect([view.endpoint, view.receivedAt]).toEqual(['devices', parseTimestamp(STAMP)]);
        expect([view.frame.type, view.frame.subject]).toEqual([expected.type, expected.subject]);
        expect(view.frame.value).toEqual(expected.value);
        // Not `toEqual`, which compares bytes one by one.
        const sent = Buffer.from(text.replace(/[\r\n]/g, ' '));
        expect(view.payload()?.equals(sent), text).toBe(true);
      }),
      { numRuns: fuzzRuns },
    );
  });

  test('judges a damaged event line as JSON.parse judges the whole line', () => {
    fc.assert(
      fc.property(fc.boolean(), damagedObject, (inHead, damaged) => {
        // Damage to a frame moves into the line; with `inHead` it follows the head without a comma.
        const line = inHead
          ? Buffer.concat([head, damaged])
          : Buffer.concat([head, Buffer.from(','), damaged.subarray(1)]);
        const expected = expectedOf(line);
        expect(view.read(line, 0, line.length)).toBe(expected.verdict === 'object' ? 'event' : undefined);
        if (expected.verdict !== 'object') return;
        const { received_at, endpoint, ...members } = expected.value ?? {};
        // Such a line may have a nested event, whose own test is in nested-event.test.ts.
        if (Object.keys(members).join() === 'event') return;
        expect(view.frame.type).toBe(expected.type);
        expect(view.frame.value).toMatchObject(members);
        expect(JSON.parse(view.payload()?.toString() ?? '')).toEqual(view.frame.value);
      }),
      { numRuns: fuzzRuns },
    );
  });

  const at = `"received_at":"${STAMP}"`;
  test.each([
    `{${at},"endpoint":"devices"}`,
    `{${at},"endpoint":"devices" }`,
    `{${at},"endpoint":"devices","type":"a"}`,
    `{${at},"endpoint":"","type":"a"}`,
    `  {${at},"endpoint":"devices","type":"a"}`,
    `{${at},"endpoint":"/api/v1/ws/device/42","type":"a"}`,
    `{${at},"endpoint":"/é漢","type":"a"}`,
    `{${at},"endpoint":"a\\"b","type":"a"}`,
    `{${at},"endpoint":"devices" ,"type":"a"}`,
    `{${at}, "endpoint":"devices"}`,
    `{"received_at":"2026-11-22T21:50:00.12345\\"Z","endpoint":"devices","type":"a"}`,
    `{"received_at":"2026-11-22T21:50:00.1234567","endpoint":"devices","type":"a"}`,
    `{"received_at":"2026-11-22T21:50:0x.123456Z","endpoint":"devices","type":"a"}`,
    `{${at},"connection":{"state":"open"},"endpoint":"devices"}`,
    `{${at},"invalid":{"reason":"r","text":"t"},"endpoint":"devices"}`,
    `{${at}}`,
    '{"type":"a"}',
    // Damage.
    `{${at},"endpoint":"devices"`,
    `{${at},"endpoint":"devices"x}`,
    `{${at},"endpoint":"dev\u0001ices"}`,
    `{${at},"endpoint":"devices`,
    `{${at},"endpoint":"devices",`,
    '',
  ])('agrees with the parser about %j', (text) => {
    const bytes = Buffer.from(`${text}\n{}`);
    const end = bytes.length - 3;
    const parsed = parseLine(bytes, 0, end);
    for (const skipJsonCheck of [false, true]) {
      const other = new LineView({ skipJsonCheck });
      for (let time = 0; time < 2; time++) {
        expect(other.read(bytes, 0, end)).toBe(parsed?.kind);
        if (parsed === undefined) continue;
        if (parsed.endpoint !== undefined) expect(other.endpoint).toBe(parsed.endpoint);
        expect(other.receivedAt).toBe(parseTimestamp(parsed.receivedAt ?? '') ?? Number.NaN);
        expect(other.payload()).toEqual('frame' in parsed ? parsed.frame : undefined);
        expect(other.connection).toEqual('connection' in parsed ? parsed.connection : undefined);
      }
    }
  });

  test('sees damage in the time of a line', () => {
    const line = Buffer.from(
      `{"received_at":"2026-11-22T21:50:00.1234\u00006Z","endpoint":"devices","type":"a"}`,
    );
    expect(view.read(line, 0, line.length)).toBeUndefined();
  });

  test('finds a line that is glued to a torn one, even when it does not check the JSON', () => {
    const torn = `{${at},"endpoint":"devices","type":"device.er`;
    const whole = `{${at},"endpoint":"devices","type":"a"}`;
    const quick = new LineView({ skipJsonCheck: true });
    expect(quick.read(Buffer.from(whole), 0, whole.length)).toBe('event');
    expect(quick.read(Buffer.from(torn + whole), 0, torn.length + whole.length)).toBeUndefined();
    const quoted = JSON.stringify({ note: whole });
    const harmless = `{${at},"endpoint":"devices",${quoted.slice(1)}`;
    expect(quick.read(Buffer.from(harmless), 0, harmless.length)).toBe('event');
  });

  test('reads more endpoints than it remembers', () => {
    for (let i = 0; i < 30; i++) {
      const text = Buffer.from(`{${at},"endpoint":"/path/${i % 15}","type":"a"}`);
      view.read(text, 0, text.length);
      expect(view.endpoint).toBe(`/path/${i % 15}`);
    }
  });
});

describe('times', () => {
  const micros = fc.oneof(
    fc.integer({ min: 0, max: 4_102_444_800_000_000 }),
    // Close together: most lines share the minute of the line before.
    fc.integer({ min: 1_795_384_200_000_000, max: 1_795_384_400_000_000 }),
  );
  const read = (view: LineView, stamp: string) => {
    const line = Buffer.from(`{"received_at":"${stamp}","endpoint":"devices","type":"a"}`);
    return view.read(line, 0, line.length) && view.receivedAt;
  };

  test('are read as they were written, one after another', () => {
    fc.assert(
      fc.property(fc.array(micros), (times) => {
        const view = new LineView();
        for (const time of times) expect(read(view, formatTimestamp(time))).toBe(time);
      }),
    );
  });

  test.each([
    '2026-11-22T21:50:60.123456Z',
    '2026-11-22T21:50:0x.123456Z',
    '2026-11-22T21:50:00,123456Z',
    '2026-11-22T21:50:00.12345xZ',
    '2026-11-22T21:50:00.1234567',
    '2026-13-22T21:50:00.123456Z',
    '',
  ])('%j is not a time, even after a line of the same minute', (stamp) => {
    const view = new LineView();
    expect(read(view, stamp)).toBeNaN();
    expect(read(view, '2026-11-22T21:50:00.000001Z')).toBe(1_795_384_200_000_001);
    expect(read(view, stamp)).toBeNaN();
  });
});
