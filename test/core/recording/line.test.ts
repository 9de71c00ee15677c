import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConnectionEvent } from '../../../src/core/recording/connection-event.js';
import {
  eventHead,
  eventLineCapacity,
  formatInvalidLine,
  formatLifecycleLine,
  writeEventLine,
} from '../../../src/core/recording/encoder.js';
import type { Line } from '../../../src/core/recording/format.js';
import { parseLine } from '../../../src/core/recording/parse-line.js';
import { codePoint } from '../../support/code-point.js';

const STAMP = '2026-11-22T21:50:00.123456Z';

/** The line of a frame, without its LF. */
function lineOf(frame: string | Buffer, endpoint = 'devices'): Buffer {
  const bytes = Buffer.from(frame);
  const head = eventHead(STAMP, endpoint);
  const target = Buffer.alloc(eventLineCapacity(head, bytes.length) + 10, 0x7e);
  const hasLineBreaks = bytes.includes(0x0a) || bytes.includes(0x0d);
  const end = writeEventLine(target, 5, head, bytes, hasLineBreaks);
  expect(end - 5).toBeLessThanOrEqual(eventLineCapacity(head, bytes.length));
  expect(target[end - 1]).toBe(0x0a);
  expect(target.subarray(end).every((byte) => byte === 0x7e)).toBe(true);
  return target.subarray(5, end - 1);
}

function parse(line: Buffer | string): Line {
  const bytes = Buffer.from(line);
  // Not at the start and not at the end of the memory, as in a batch.
  const around = Buffer.concat([Buffer.from('{"x":1}\n'), bytes, Buffer.from('\n{}')]);
  const parsed = parseLine(around, 8, 8 + bytes.length);
  expect(parsed).toBeDefined();
  return parsed!;
}

/** Line breaks between tokens become spaces; that is all that may change. */
const expected = (frame: string): string => frame.replace(/[\r\n]/g, ' ');

describe('event lines', () => {
  it.each([
    '{}',
    '{ }',
    '{\n}',
    ' {}',
    '\r\n{ }\t',
    '{"type":"device.error","subject":"opmas.devices.ap-7","data":{"cpu":97}}',
    '{ "type" : "t" }',
    '\t\n {\r\n  "a": 1,\r\n  "b": [\r\n    2\r\n  ]\r\n}\n',
    '{"n":12345678901234567890,"m":1.0,"k":1e400,"z":-0}',
    '{"a":1,"a":2,"a":3}',
    '{"received_at":"mine","endpoint":"mine"}',
    '{"endpoint":"mine","connection":{"state":"open"},"invalid":{"reason":"x"}}',
    '{"s":"\\ud800 \\u0000 \\/ \u2028\u2029 é 漢 🚀"}',
    '{"__proto__":{"a":1},"constructor":null}',
    '{"":""}',
    '{"a":"}","b":"{\\"received_at\\":\\"x\\""}',
  ])('keep %j', (frame) => {
    const line = lineOf(frame);
    expect(line.includes(0x0a)).toBe(false);
    expect(line.toString().trimStart()).toMatch(/^\{"received_at":"[^"]{27}","endpoint":"devices"[,}\s]/);
    const parsed = parse(line);
    expect(parsed).toMatchObject({ kind: 'event', receivedAt: STAMP, endpoint: 'devices' });
    expect((parsed as { frame: Buffer }).frame.toString()).toBe(expected(frame));
  });

  it('keep any frame byte for byte', () => {
    const space = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r'), maxLength: 3 });
    const name = fc.oneof(
      fc.constantFrom('received_at', 'endpoint', 'connection', 'invalid', 'type', '__proto__'),
      fc.string({ unit: codePoint, maxLength: 4 }),
    );
    const value = fc.oneof(
      fc.jsonValue({ stringUnit: codePoint }).map((json) => JSON.stringify(json)),
      fc.constantFrom('1.0', '1e2', '12345678901234567890', '"\\u00e9"', '"\\ud800"', '{"state":"open"}'),
    );
    const frame = fc
      .tuple(fc.array(fc.tuple(name, value, space), { maxLength: 5 }), space, space)
      .map(([members, before, after]) => {
        const texts = members.map(
          ([key, json, gap]) => `${gap}${JSON.stringify(key)}${gap}:${gap}${json}${gap}`,
        );
        return `${before}{${texts.length === 0 ? after : texts.join(',')}}${after}`;
      });
    const endpoint = fc.constantFrom('devices', '/api/v1/ws/device/42', '/a"b\\c', '/é漢', '');
    fc.assert(
      fc.property(frame, endpoint, (text, label) => {
        const line = lineOf(text, label);
        const parsed = parse(line);
        expect(parsed).toMatchObject({ kind: 'event', receivedAt: STAMP, endpoint: label });
        const { frame: back } = parsed as { frame: Buffer };
        expect(back.toString()).toBe(expected(text));
      }),
      { numRuns: 500 },
    );
  });

  it('keep 100,000 levels', () => {
    const frame = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    expect((parse(lineOf(frame)) as { frame: Buffer }).frame.toString()).toBe(frame);
  });
});

describe('lines that are not events', () => {
  it('keep the frame, text or binary', () => {
    const text = fc.string({ unit: 'grapheme' }).map((content) => Buffer.from(content));
    const binary = fc.uint8Array().map((content) => Buffer.from(content));
    fc.assert(
      fc.property(
        fc.oneof(fc.tuple(text, fc.constant(false)), fc.tuple(binary, fc.constant(true))),
        fc.string(),
        ([frame, isBinary], reason) => {
          const line = formatInvalidLine(STAMP, 'rules', reason, frame, isBinary);
          expect(line.indexOf(0x0a)).toBe(line.length - 1);
          const parsed = parse(line.subarray(0, -1));
          expect(parsed).toEqual({
            kind: 'invalid',
            receivedAt: STAMP,
            endpoint: 'rules',
            reason,
            frame,
            binary: isBinary,
          });
        },
      ),
    );
  });

  it.each([
    ['control characters', '\u0001'],
    ['quotes', '"'],
    ['plain text', 'x'],
  ])('stay short enough to be read again, even for a text full of %s', (_name, character) => {
    const frame = Buffer.alloc(16 * 1024 * 1024, character);
    const line = formatInvalidLine(STAMP, 'rules', 'not JSON', frame, false);
    expect(line.length).toBeLessThan(24 * 1024 * 1024);
    const { frame: kept, binary } = parse(line.subarray(0, -1)) as { frame: Buffer; binary: boolean };
    expect(kept.equals(frame)).toBe(true);
    expect(binary).toBe(false);
  });

  it.each<ConnectionEvent>([
    { state: 'connecting', attempt: 1, url: 'ws://h/', recorder: 'opmas-ws/1', format: 1 },
    { state: 'refused', status: 403, error: '\n\u001b\u2028', retry_in_ms: 5 },
    { state: 'open', gap_since: STAMP },
    { state: 'closed', code: 4001, reason: '"}\n' },
    { state: 'dropped', count: 5, from: STAMP, to: STAMP },
  ])('keep the connection event: %j', (connection) => {
    const line = formatLifecycleLine(STAMP, 'system', connection);
    expect(line.indexOf(0x0a)).toBe(line.length - 1);
    expect(line.toString()).toMatch(/^\{"received_at":"[^"]+","connection":\{"state":/);
    expect(parse(line.subarray(0, -1))).toEqual({
      kind: 'connection',
      receivedAt: STAMP,
      endpoint: 'system',
      connection,
    });
  });
});

describe('lines of other origin', () => {
  const moved = `{ "type": "t", "endpoint": "devices", "received_at": "${STAMP}", "data": {} }`;
  it.each<[string, string, string | undefined, string | undefined, string?]>([
    ['{"type":"t"}', 'event', undefined, undefined, '{"type":"t"}'],
    ['{}', 'event', undefined, undefined, '{}'],
    [' { } ', 'event', undefined, undefined, ' { } '],
    [moved, 'event', STAMP, 'devices', '{"type": "t","data": {} }'],
    [`{"received_at":"${STAMP}","type":"t"}`, 'event', STAMP, undefined, '{"type":"t"}'],
    ['{"received_at":5.25,"endpoint":"x"}', 'event', '1970-01-01T00:00:05.250000Z', 'x', '{}'],
    ['{"received_at":-5,"a":1}', 'event', undefined, undefined, '{"received_at":-5,"a":1}'],
    ['{"received_at":null,"a":1}', 'event', undefined, undefined, '{"received_at":null,"a":1}'],
    ['{"received_at":1e300,"a":1}', 'event', undefined, undefined, '{"received_at":1e300,"a":1}'],
    ['{"endpoint":"devices","a":1}', 'event', undefined, 'devices', '{"a":1}'],
    ['{"endpoint":"/api/v1/ws/device/42","a":1}', 'event', undefined, '/api/v1/ws/device/42', '{"a":1}'],
    ['{"endpoint":"10.0.0.1:443","a":1}', 'event', undefined, undefined, '{"endpoint":"10.0.0.1:443","a":1}'],
    ['{"endpoint":5,"a":1}', 'event', undefined, undefined, '{"endpoint":5,"a":1}'],
    ['{"connection":{"state":"open"},"endpoint":"devices"}', 'connection', undefined, 'devices'],
    ['{"connection":{"state":"up"},"endpoint":"devices"}', 'event', undefined, 'devices'],
    ['{"connection":{"state":"open"},"endpoint":"devices","a":1}', 'event', undefined, 'devices'],
    ['{"invalid":{"reason":"r","text":"t"},"endpoint":"rules"}', 'invalid', undefined, 'rules', 't'],
    ['{"invalid":{"text":"t"},"endpoint":"rules"}', 'event', undefined, 'rules'],
    [`{"endpoint":"x","received_at":"${STAMP}","connection":{"state":"open"}}`, 'connection', STAMP, 'x'],
    [`{"endpoint":"x","received_at":"${STAMP}","connection":{"state":5}}`, 'event', STAMP, 'x'],
    [`{"endpoint":"x","received_at":"${STAMP}","connection":null}`, 'event', STAMP, 'x'],
    [`{"invalid":{"reason":"r","text":"t"},"received_at":"${STAMP}"}`, 'invalid', STAMP, undefined, 't'],
    ['{"connection":{"state":"open"}}', 'event', undefined, undefined],
    ['{"invalid":{"text":"t"}}', 'event', undefined, undefined],
  ])('%s', (text, kind, receivedAt, endpoint, frame) => {
    const parsed = parse(text);
    expect(parsed).toMatchObject({ kind, receivedAt, endpoint });
    if (frame !== undefined) expect((parsed as { frame: Buffer }).frame.toString()).toBe(frame);
  });

  it.each([1795384200.123456, 1795384200123.456, 1795384200123456])(
    'a number of seconds, milliseconds or microseconds is a time: %d',
    (time) => {
      const line = `{"received_at":${time},"endpoint":"devices","type":"t"}`;
      expect(parse(line)).toMatchObject({ receivedAt: STAMP, endpoint: 'devices' });
    },
  );

  it.each([
    '',
    ' ',
    '[]',
    '5',
    'null',
    '"text"',
    '{"torn":',
    '{"a":1}x',
    '\u0000',
    `{"received_at":"${STAMP}","endpoint":"devices"`,
  ])('%j is not a line', (text) => {
    const bytes = Buffer.from(text);
    expect(parseLine(bytes, 0, bytes.length)).toBeUndefined();
  });

  it('a line that only begins like ours is read by the names of its members', () => {
    const escaped = `{"received_at":"${'\\u0041'.repeat(4)}abZ","endpoint":"devices","a":1}`;
    expect(parse(escaped)).toMatchObject({ kind: 'event', receivedAt: 'AAAAabZ', endpoint: 'devices' });
    const spaced = `{"received_at":"${STAMP}","endpoint":"devices" ,"a":1}`;
    expect((parse(spaced) as { frame: Buffer }).frame.toString()).toBe('{"a":1}');
  });
});
