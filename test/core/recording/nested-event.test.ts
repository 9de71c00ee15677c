import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventHead, eventLineCapacity, writeEventLine } from '../../../src/core/recording/encoder.js';
import type { EventLine } from '../../../src/core/recording/format.js';
import { LineView } from '../../../src/core/recording/line-view.js';
import { formatNestedLine, needsNesting } from '../../../src/core/recording/nested-event.js';
import { parseLine } from '../../../src/core/recording/parse-line.js';

const STAMP = '2026-11-22T21:50:00.123456Z';
const head = eventHead(STAMP, 'devices');

/** Bytes as a text with a character for each: `toEqual` compares them one by one, which takes long. */
const exact = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('latin1');

/** The line of format version 1, in which every event is spliced into its line. */
function flat(frame: Buffer): Buffer {
  const line = Buffer.alloc(eventLineCapacity(head, frame.length));
  return line.subarray(0, writeEventLine(line, 0, head, frame, true) - 1);
}

/** The line that this version writes. */
function written(frame: Buffer): Buffer {
  return needsNesting(frame.toString()) ? formatNestedLine(head, frame).subarray(0, -1) : flat(frame);
}

const value: fc.Arbitrary<string> = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom('1.0', '12345678901234567890', '"devices"', `"${STAMP}"`, 'null', '{}', '"}"', '[{}]'),
    tie('object'),
  ),
  object: fc
    .tuple(
      fc.constantFrom('', ' ', '\n', '\t'),
      fc.array(fc.tuple(fc.constantFrom('event', 'event', 'endpoint', 'received_at', 'type'), tie('value')), {
        maxLength: 3,
      }),
    )
    .map(
      ([gap, members]) =>
        `${gap}{${gap}${members.map(([name, text]) => `"${name}"${gap}:${gap}${text}`).join(',')}${gap}}${gap}`,
    ),
})).object;

describe('an event with members that are named as ours', () => {
  it('comes back byte for byte, and any JSON parser sees our members', () => {
    const views = [new LineView(), new LineView({ skipJsonCheck: true })];
    fc.assert(
      fc.property(value, (text) => {
        const line = written(Buffer.from(text));
        const sent = Buffer.from(text.replace(/[\r\n]/g, ' '));
        expect(JSON.parse(line.toString())).toMatchObject({ received_at: STAMP, endpoint: 'devices' });
        const { frame, ...rest } = parseLine(line) as EventLine;
        expect(rest).toEqual({ kind: 'event', receivedAt: STAMP, endpoint: 'devices' });
        const texts = [exact(frame)];
        for (const view of views) {
          texts.push(`${view.read(line, 0, line.length)} ${exact(view.payload())} ${view.endpoint}`);
        }
        expect(texts).toEqual([exact(sent), ...views.map(() => `event ${exact(sent)} devices`)]);
      }),
      { numRuns: 1000 },
    );
  });

  it('comes back byte for byte from a recording of version 1, where it is not nested', () => {
    const view = new LineView();
    view.format = 1;
    fc.assert(
      fc.property(value, (text) => {
        const line = flat(Buffer.from(text));
        view.read(line, 0, line.length);
        expect(exact(view.payload())).toBe(exact(Buffer.from(text.replace(/[\r\n]/g, ' '))));
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['{"type":"a","endpoint":"10.0.0.1:443"}', true],
    ['{"received_at":1}', true],
    ['{"event":{"type":"a"}}', false],
    ['{"event":{"endpoint":1}}', true],
    ['{"event":{"event":{"endpoint":1}}}', true],
    ['{"event":{"endpoint":1},"type":"a"}', false],
    ['{"data":{"endpoint":1,"received_at":2}}', false],
    ['{"event":["endpoint"]}', false],
  ])('is nested only where nothing else would do: %s', (text, isNested) => {
    expect(needsNesting(text)).toBe(isNested);
  });

  it('is read in time that grows with its length, however deep it is', () => {
    const depth = 200_000;
    const text = `${'{"event":'.repeat(depth)}1${'}'.repeat(depth)}`;
    const line = written(Buffer.from(text));
    expect((parseLine(line) as EventLine).frame.toString()).toBe(text);
  });

  const event = '{"endpoint": 1.0,"type":"a"}';
  it.each([
    ['with sorted members', `{"endpoint":"devices","event":${event},"received_at":"${STAMP}"}`],
    ['with spaces', `{ "received_at": "${STAMP}", "endpoint": "devices", "event": ${event} }`],
    ['without its time', `{"endpoint":"devices","event":${event}}`],
    ['without its endpoint', `{"received_at":"${STAMP}","event":${event}}`],
  ])('is found in a line that others have rewritten %s', (_how, line) => {
    expect((parseLine(Buffer.from(line)) as EventLine).frame.toString()).toBe(event);
  });
});
