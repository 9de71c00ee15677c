import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeUnsafe, escapeUnsafeJson } from '../../src/core/text.js';
import { codePoint } from '../support/code-point.js';

describe('escapeUnsafe', () => {
  it.each([
    ['plain text, ünïcode 漢字 🚀', 'plain text, ünïcode 漢字 🚀'],
    ['\u001b[2J', '\\u001b[2J'],
    ['a\nb\r\tc', 'a\\nb\\r\\tc'],
    ['\u0000\u007f\u0080\u009b', '\\u0000\\u007f\\u0080\\u009b'],
    ['\u202eabc\u2066', '\\u202eabc\\u2066'],
    ['\u2028\u2029', '\\u2028\\u2029'],
    ['a\u200bb\ufeff', 'a\\u200bb\\ufeff'],
    ['\u{e0041}', '\\udb40\\udc41'],
    ['\ud800', '\\ud800'],
    ['\udc00a', '\\udc00a'],
    ['\ud800\ud83d\ude80', '\\ud800🚀'],
    ['❤\ufe0f', '❤\ufe0f'],
    ['e\u0301', 'e\u0301'],
    ['👩\u200d👩\u200d👧 ❤\ufe0f\u200d🔥 🧑🏽\u200d🚀', '👩\u200d👩\u200d👧 ❤\ufe0f\u200d🔥 🧑🏽\u200d🚀'],
    ['a\u200db 🚀\u200d \u200d🚀', 'a\\u200db 🚀\\u200d \\u200d🚀'],
    ['a\u{e0100}b\u{e01ef}', 'a\\udb40\\udd00b\\udb40\\uddef'],
    ['\u180b\u06dd', '\\u180b\\u06dd'],
  ])('escapes what could harm in %j', (text, safe) => {
    expect(escapeUnsafe(text)).toBe(safe);
    expect(escapeUnsafe(safe)).toBe(safe);
  });

  it('leaves nothing invisible but the variation selectors of emoji, and no control, format or lone character', () => {
    const left: string[] = [];
    for (let codePoint = 0; codePoint <= 0x10ffff; codePoint++) {
      const char = String.fromCodePoint(codePoint);
      const isUnsafe =
        /\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}|\p{Cs}/u.test(char) ||
        (/\p{Default_Ignorable_Code_Point}/u.test(char) && !/[\ufe00-\ufe0f]/.test(char));
      if (isUnsafe && escapeUnsafe(char) === char) left.push(codePoint.toString(16));
    }
    expect(left).toEqual([]);
  });

  it('leaves printable text alone', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'Z', '~', ' ', 'é', '漢', '🚀', '"', '\\') }),
        (text) => {
          expect(escapeUnsafe(text)).toBe(text);
        },
      ),
    );
  });
});

describe('escapeUnsafeJson', () => {
  it('keeps the value and is safe to show', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ stringUnit: codePoint }),
        fc.constantFrom('', '\n', '\t', '\r\n'),
        (value, gap) => {
          const json = gap + JSON.stringify(value, null, gap) + gap;
          const safe = escapeUnsafeJson(json);
          expect(JSON.parse(safe)).toEqual(JSON.parse(json));
          expect(escapeUnsafe(safe)).toBe(safe);
        },
      ),
    );
  });

  it.each([
    ['{"a":\t1}\n', '{"a": 1} '],
    ['{"a":"\u009b\u202e"}', '{"a":"\\u009b\\u202e"}'],
    ['"\u2028"', '"\\u2028"'],
    ['{"a":"\\u001b"}', '{"a":"\\u001b"}'],
  ])('%j', (json, safe) => {
    expect(escapeUnsafeJson(json)).toBe(safe);
  });
});
