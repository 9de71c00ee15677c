import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameReader } from '../../../src/core/json/frame.js';
import { numberThatJsonLacks } from '../../../src/core/json/json-scanner.js';
import {
  damagedObject,
  type Expected,
  edgeCases,
  expectedOf,
  fuzzRuns,
  objectText,
  tokenSoup,
} from './json-cases.js';

const reader = new FrameReader();

/** Surroundings that a reader would take for part of the text if it read past either end. */
const surroundings = ['"', '}', '0', '\\u0041', ' ', '{"type":"a"}'];

function expectAgreement(text: Buffer): void {
  const expected = expectedOf(text);
  for (const around of surroundings) {
    const bytes = Buffer.concat([Buffer.from(around), text, Buffer.from(around)]);
    const start = around.length;
    const verdict = reader.read(bytes, start, start + text.length);
    if (verdict !== expected.verdict) throw new Error(`${verdict} for ${JSON.stringify(text.toString())}`);
    if (verdict === 'object') expectSame(text, expected);
  }
}

function expectSame(text: Buffer, expected: Expected): void {
  const { type, subject, hasLineBreaks, hasOurNames } = expected;
  const own = /^[\0-\x7f]+$/.test(type ?? '') ? type : undefined;
  const names = ['a', 'pong', own ?? 'a'];
  const isRight =
    reader.type === type &&
    reader.subject === subject &&
    reader.hasLineBreaks === hasLineBreaks &&
    reader.hasOurNames === hasOurNames &&
    names.every((name) => reader.typeIs(name) === (name === type));
  // Only then: a million calls of `expect` take longer than all that they check.
  if (!isRight) {
    const found = [reader.type, reader.subject, reader.hasLineBreaks, reader.hasOurNames];
    expect(found, text.toString()).toEqual([type, subject, hasLineBreaks, hasOurNames]);
    for (const name of names) expect(reader.typeIs(name), text.toString()).toBe(name === type);
  }
  const isAscii = text.every((byte) => byte < 0x80);
  if (reader.hasNonAscii === isAscii)
    throw new Error(`wrong hasNonAscii for ${JSON.stringify(text.toString())}`);
}

/** Reads a text as the rest of an object, after its first member. */
function expectAgreementOnRest(rest: Buffer): void {
  const line = Buffer.concat([Buffer.from('{"":""'), rest]);
  const expected = expectedOf(line);
  expect(reader.readLine(line, line.length, 6)).toBe(expected.verdict);
  if (expected.verdict === 'object')
    expect([reader.type, reader.subject]).toEqual([expected.type, expected.subject]);
}

describe('FrameReader agrees with JSON.parse', () => {
  test('on the edges of the grammar', () => {
    for (const text of edgeCases()) expectAgreement(text);
  });

  test('on any JSON object', () => {
    fc.assert(
      fc.property(objectText, (text) => expectAgreement(Buffer.from(text))),
      { numRuns: fuzzRuns },
    );
  });

  test('on damaged JSON objects', () => {
    fc.assert(
      fc.property(damagedObject, (text) => expectAgreement(text)),
      { numRuns: fuzzRuns },
    );
  });

  test('on tokens in any order', () => {
    fc.assert(
      fc.property(tokenSoup, (text) => expectAgreement(text)),
      { numRuns: fuzzRuns },
    );
  });

  test('on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 8 }), (bytes) => expectAgreement(Buffer.from(bytes))),
      { numRuns: fuzzRuns },
    );
  });

  test('on the rest of an object after a member', () => {
    const rest = fc.oneof(
      objectText.map((text) => Buffer.from(`,${text.trimStart().slice(1)}`)),
      damagedObject.map((text) => text.subarray(1)),
      tokenSoup,
    );
    fc.assert(
      fc.property(rest, (text) => expectAgreementOnRest(text)),
      { numRuns: fuzzRuns },
    );
  });
});

test('frames may be nested to any depth', () => {
  const depth = 300_000;
  const read = (text: string) => reader.read(Buffer.from(text));
  expect(read(`{"data":${'['.repeat(depth)}${']'.repeat(depth)},"type":"a"}`)).toBe('object');
  expect(reader.type).toBe('a');
  expect(read(`{"data":${'{"a":['.repeat(depth)}1${']}'.repeat(depth)}}`)).toBe('object');
  expect(read(`{"data":${'{"a":['.repeat(depth)}1${']}'.repeat(depth - 1)}}]}`)).toBe('not JSON');
  expect(read(`${'['.repeat(depth)}${']'.repeat(depth)}`)).toBe('not a JSON object');
  expect(read('['.repeat(depth))).toBe('not JSON');
  expect(read('{}')).toBe('object');
});

test('frames may have any length, before and after longer ones', () => {
  for (const length of [10, 100_000, 110_000, 500_000, 5_000_000, 200_000, 10]) {
    const text = Buffer.from(JSON.stringify({ data: 'x'.repeat(length), type: 'a' }));
    expect(reader.read(text)).toBe('object');
    expect(reader.type).toBe('a');
    expect(reader.read(text, 0, text.length - 1)).toBe('not JSON');
  }
});

describe('a number that JSON lacks', () => {
  test.each([
    ['{"a":NaN}', 'NaN'],
    ['{"a":-Infinity,"b":NaN}', '-Infinity'],
    ['[1,Infinity]', 'Infinity'],
    ['{"a":"\\"NaN","b":[NaN]}', 'NaN'],
    ['{"a":"NaN"', undefined],
    ['{"a":NaN', undefined],
    ['{"a":NaN,}', undefined],
    ['{"a":Nan}', undefined],
    ['{"a":"NaN', undefined],
    ['NaN "', undefined],
    ['{"a":Infinite}', undefined],
  ])('is found where nothing else is wrong: %s', (text, number) => {
    const verdict = numberThatJsonLacks(Buffer.from(text));
    expect(verdict).toBe(number === undefined ? undefined : `${number} is not JSON`);
  });

  test('is found in a message of any length and depth', () => {
    for (const text of [`"${'x'.repeat(2 ** 24)}"`, '['.repeat(1e6) + ']'.repeat(1e6), '"\\""'.repeat(1)]) {
      expect(numberThatJsonLacks(Buffer.from(`{"a":NaN,"b":${text}}`))).toBe('NaN is not JSON');
    }
  });
});
