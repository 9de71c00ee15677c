import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { FrameReader } from '../../../src/core/json/frame.js';
import { JsonScanner } from '../../../src/core/json/json-scanner.js';
import { ScanMemory } from '../../../src/core/json/scan-memory.js';
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

/** A reader as there is one in a process without WebAssembly. */
async function readerWithoutWebAssembly(): Promise<FrameReader> {
  vi.resetModules();
  vi.stubGlobal('WebAssembly', undefined);
  const frame = await import('../../../src/core/json/frame.js');
  const parsing = new frame.FrameReader();
  parsing.read(Buffer.from('{}'));
  vi.unstubAllGlobals();
  return parsing;
}

/** Reading past either end would find something that goes on. */
const surroundings = ['"', '}', '0', '\\u0041', ' ', '{"type":"a"}'];

function expectAgreement(tested: FrameReader, text: Buffer): void {
  const expected = expectedOf(text);
  for (const around of surroundings) {
    const bytes = Buffer.concat([Buffer.from(around), text, Buffer.from(around)]);
    const start = around.length;
    const verdict = tested.read(bytes, start, start + text.length);
    if (verdict !== expected.verdict) throw new Error(`${verdict} for ${JSON.stringify(text.toString())}`);
    if (verdict === 'object') expectSame(tested, text, expected);
  }
}

function expectSame(tested: FrameReader, text: Buffer, expected: Expected): void {
  expect(tested.type).toBe(expected.type);
  expect(tested.subject).toBe(expected.subject);
  expect(tested.hasLineBreaks).toBe(expected.hasLineBreaks);
  const own = /^[\0-\x7f]+$/.test(expected.type ?? '') ? expected.type : undefined;
  for (const type of ['a', 'pong', own ?? 'a']) {
    expect(tested.typeIs(type)).toBe(type === expected.type);
  }
  const isAscii = text.every((byte) => byte < 0x80);
  if (tested.hasNonAscii === isAscii) throw new Error(`ASCII or not: ${JSON.stringify(text.toString())}`);
}

/** What stands in an object after a member, in the place of the member. */
function expectAgreementOnRest(tested: FrameReader, rest: Buffer): void {
  const line = Buffer.concat([Buffer.from('{"":""'), rest]);
  const expected = expectedOf(line);
  expect(tested.readLine(line, line.length, 6)).toBe(expected.verdict);
  if (expected.verdict === 'object')
    expect([tested.type, tested.subject]).toEqual([expected.type, expected.subject]);
}

describe.each([
  ['', async () => reader],
  [' where there is no WebAssembly', readerWithoutWebAssembly],
])('FrameReader agrees with JSON.parse%s', async (_where, create) => {
  const tested = await create();

  test('on the edges of the grammar', () => {
    for (const text of edgeCases()) expectAgreement(tested, text);
  });

  test('on any JSON object', () => {
    fc.assert(
      fc.property(objectText, (text) => expectAgreement(tested, Buffer.from(text))),
      { numRuns: fuzzRuns },
    );
  });

  test('on damaged JSON objects', () => {
    fc.assert(
      fc.property(damagedObject, (text) => expectAgreement(tested, text)),
      { numRuns: fuzzRuns },
    );
  });

  test('on tokens in any order', () => {
    fc.assert(
      fc.property(tokenSoup, (text) => expectAgreement(tested, text)),
      { numRuns: fuzzRuns },
    );
  });

  test('on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 8 }), (bytes) => expectAgreement(tested, Buffer.from(bytes))),
      { numRuns: fuzzRuns },
    );
  });

  test('on what goes on in an object after a member', () => {
    const rest = fc.oneof(
      objectText.map((text) => Buffer.from(`,${text.trimStart().slice(1)}`)),
      damagedObject.map((text) => text.subarray(1)),
      tokenSoup,
    );
    fc.assert(
      fc.property(rest, (text) => expectAgreementOnRest(tested, text)),
      { numRuns: fuzzRuns },
    );
  });
});

describe('JsonScanner', () => {
  test('takes nesting of any depth', () => {
    const depth = 300_000;
    const scanner = new JsonScanner();
    const scan = (text: string) => scanner.scan(Buffer.from(text), 0, text.length);
    expect(scan(`{"data":${'['.repeat(depth)}${']'.repeat(depth)},"type":"a"}`)).toBe('object');
    expect(scanner.type).toBe('a');
    expect(scan(`{"data":${'{"a":['.repeat(depth)}1${']}'.repeat(depth)}}`)).toBe('object');
    expect(scan(`{"data":${'{"a":['.repeat(depth)}1${']}'.repeat(depth - 1)}}]}`)).toBe('not JSON');
    expect(scan(`${'['.repeat(depth)}${']'.repeat(depth)}`)).toBe('not a JSON object');
    expect(scan('['.repeat(depth))).toBe('not JSON');
    expect(scan('{}')).toBe('object');
  });
});

describe('a text in the memory of the scanner', () => {
  const text = Buffer.from('{"type":"a","subject":"ü"}');

  /** Puts texts into the memory, one behind the other. */
  function memoryWith(...texts: Buffer[]): { memory: ScanMemory; scanner: JsonScanner } {
    const memory = ScanMemory.create(texts.reduce((sum, { length }) => sum + length, 1))!;
    memory.room.set(Buffer.concat(texts));
    return { memory, scanner: new JsonScanner(memory) };
  }

  test('is scanned where it stands, and stays as it is, like all around it', () => {
    const { memory, scanner } = memoryWith(text, text, text);
    const before = Buffer.from(memory.room);
    const bytes = memory.room.subarray(text.length);
    expect(scanner.scan(bytes, 0, text.length)).toBe('object');
    expect([scanner.type, scanner.subject]).toEqual(['a', 'ü']);
    expect(scanner.hasNonAscii).toBe(true);
    expect(scanner.scan(bytes, 0, text.length - 1)).toBe('not JSON');
    expect(scanner.scan(bytes, 0, text.length + 1)).toBe('not JSON');
    expect(memory.room.equals(before)).toBe(true);
  });

  test('may end where the room ends', () => {
    const { memory, scanner } = memoryWith(text);
    const end = memory.room.length - 1;
    for (const tail of ['"}', '12345}', 'true}', '\\u0041"}', '12345', '"', '\\', 't']) {
      const whole = `{"type":${tail.endsWith('"}') && tail !== '"}' ? '"' : ''}${tail === '"}' ? '""}' : tail}`;
      const bytes = Buffer.from(whole);
      memory.room.set(bytes, end - bytes.length);
      expect(scanner.scan(memory.room, end - bytes.length, end)).toBe(expectedOf(bytes).verdict);
    }
  });

  test('may be nested deeper than the memory has levels', () => {
    const depth = ScanMemory.create(1)!.mostLevels + 1;
    const deep = (levels: number) =>
      Buffer.from(`{"type":"a","data":${'['.repeat(levels)}${']'.repeat(levels)}}`);
    for (const levels of [depth - 2, depth - 1, depth]) {
      const { memory, scanner } = memoryWith(deep(levels));
      const { length } = deep(levels);
      expect(scanner.scan(memory.room, 0, length)).toBe('object');
      expect(scanner.type).toBe('a');
      expect(scanner.scan(memory.room, 0, length - 1)).toBe('not JSON');
    }
  });
});

test('texts of any length are scanned, before and after longer ones', () => {
  for (const length of [10, 100_000, 110_000, 500_000, 5_000_000, 200_000, 10]) {
    const text = Buffer.from(JSON.stringify({ data: 'x'.repeat(length), type: 'a' }));
    expect(reader.read(text)).toBe('object');
    expect(reader.type).toBe('a');
    expect(reader.read(text, 0, text.length - 1)).toBe('not JSON');
  }
});
