import fc from 'fast-check';
import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { fitting, widthOf } from '../../../src/cli/render/text-width.js';
import { escapeUnsafe } from '../../../src/core/printable.js';

describe('widthOf', () => {
  it.each([
    ['', 0],
    ['plain', 5],
    ['é', 1],
    ['e\u0301', 1],
    ['漢字', 4],
    ['가', 2],
    ['ｱ', 1],
    ['🚀', 2],
    ['❤️', 3],
    ['Ω', 1],
    ['…', 1],
  ])('%j: %i', (text, width) => {
    expect(widthOf(text)).toBe(width);
  });

  it('F83: is never less than string-width says, for any character that is shown as it is', () => {
    const short: string[] = [];
    for (let codePoint = 0x20; codePoint <= 0x10ffff; codePoint += codePoint < 0x20000 ? 1 : 97) {
      const char = String.fromCodePoint(codePoint);
      if (escapeUnsafe(char) === char && widthOf(char) < stringWidth(`a${char}`) - 1) short.push(char);
    }
    expect(short).toEqual([]);
  });
});

describe('fitting', () => {
  it.each([
    ['plain', 3, 'pla'],
    ['plain', 9, 'plain'],
    ['漢字', 3, '漢'],
    ['漢字', 1, ''],
    ['e\u0301e\u0301', 1, 'e\u0301'],
    ['a', 0, ''],
    ['a', -1, ''],
    ['a🚀b', 2, 'a'],
  ])('%j in %i: %j', (text, columns, kept) => {
    expect(fitting(text, columns)).toBe(kept);
  });

  it('is the beginning, and fits', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 0, max: 20 }), (text, columns) => {
        const kept = fitting(text, columns);
        expect(text.startsWith(kept)).toBe(true);
        expect(widthOf(kept)).toBeLessThanOrEqual(columns);
      }),
    );
  });
});
