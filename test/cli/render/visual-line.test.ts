import fc from 'fast-check';
import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { fitting, widthOf } from '../../../src/cli/render/visual-line.js';

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
    ['❤️', 2],
    ['Ω', 1],
    ['…', 1],
  ])('%j: %i', (text, width) => {
    expect(widthOf(text)).toBe(width);
  });

  it('agrees with string-width on the characters that it does not measure', () => {
    for (let code = 0x20; code < 0x600; code++) {
      const character = String.fromCharCode(code);
      if (widthOf(character) !== stringWidth(character)) expect.fail(`U+${code.toString(16)}`);
      // What combines with the letter before it is seen only after one.
      if (widthOf(`a${character}`) !== stringWidth(`a${character}`)) expect.fail(`a, U+${code.toString(16)}`);
    }
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
