import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameReader } from '../../../src/core/json/frame.js';
import { JsonScanner } from '../../../src/core/json/json-scanner.js';
import { damagedObject, edgeCases, expectedOf, fuzzRuns, objectText, tokenSoup } from './json-cases.js';

const reader = new FrameReader();
/** Reading past either end would find something that goes on. */
const surroundings = ['"', '}', '0', '\\u0041', ' ', '{"type":"a"}'];

function expectAgreement(text: Buffer): void {
  const expected = expectedOf(text);
  for (const around of surroundings) {
    const bytes = Buffer.concat([Buffer.from(around), text, Buffer.from(around)]);
    const start = around.length;
    const verdict = reader.read(bytes, start, start + text.length);
    if (verdict !== expected.verdict) throw new Error(`${verdict} for ${JSON.stringify(text.toString())}`);
    if (verdict !== 'object') continue;
    expect(reader.type).toBe(expected.type);
    expect(reader.subject).toBe(expected.subject);
    expect(reader.hasLineBreaks).toBe(expected.hasLineBreaks);
    const isAscii = text.every((byte) => byte < 0x80);
    if (reader.hasNonAscii === isAscii) throw new Error(`ASCII or not: ${JSON.stringify(text.toString())}`);
  }
}

describe('JsonScanner agrees with JSON.parse', () => {
  test('F70: on the edges of the grammar', () => {
    for (const text of edgeCases()) expectAgreement(text);
  });

  test('F70: on any JSON object', () => {
    fc.assert(
      fc.property(objectText, (text) => expectAgreement(Buffer.from(text))),
      { numRuns: fuzzRuns },
    );
  });

  test('F70: on damaged JSON objects', () => {
    fc.assert(fc.property(damagedObject, expectAgreement), { numRuns: fuzzRuns });
  });

  test('F70: on tokens in any order', () => {
    fc.assert(fc.property(tokenSoup, expectAgreement), { numRuns: fuzzRuns });
  });

  test('F70: on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 8 }), (bytes) => expectAgreement(Buffer.from(bytes))),
      { numRuns: fuzzRuns },
    );
  });
});

describe('JsonScanner', () => {
  test('F67: takes nesting of any depth', () => {
    const depth = 300_000;
    const scanner = new JsonScanner();
    const scan = (text: string) => scanner.scan(Buffer.from(text), 0, text.length);
    expect(scan(`{"data":${'['.repeat(depth)}${']'.repeat(depth)},"type":"a"}`)).toBe('object');
    expect(scanner.typeEnd - scanner.typeStart).toBe(1);
    expect(scan(`{"data":${'{"a":['.repeat(depth)}1${']}'.repeat(depth)}}`)).toBe('object');
    expect(scan(`{"data":${'{"a":['.repeat(depth)}1${']}'.repeat(depth - 1)}}]}`)).toBe('not JSON');
    expect(scan(`${'['.repeat(depth)}${']'.repeat(depth)}`)).toBe('not a JSON object');
    expect(scan('['.repeat(depth))).toBe('not JSON');
    expect(scan('{}')).toBe('object');
  });
});
