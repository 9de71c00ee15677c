import fc from 'fast-check';

const SURROGATES = 0x800;
const FIRST_SURROGATE = 0xd800;

/**
 * Any code point, as a unit of strings: what `unit: 'binary'` of fast-check stands for, without its table of a million
 * texts, which each process would build for a second.
 */
export const codePoint: fc.Arbitrary<string> = fc.nat(0x10ffff - SURROGATES).map(
  (number) => String.fromCodePoint(number < FIRST_SURROGATE ? number : number + SURROGATES),
  (text) => {
    const code = typeof text === 'string' ? text.codePointAt(0) : undefined;
    if (code === undefined || text !== String.fromCodePoint(code) || /\p{Surrogate}/u.test(text)) {
      throw new Error('not a code point');
    }
    return code < FIRST_SURROGATE ? code : code - SURROGATES;
  },
);
