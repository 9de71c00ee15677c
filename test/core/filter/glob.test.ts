import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileGlob, expandBraces, splitAtCommas } from '../../../src/core/filter/glob.js';

describe('splitAtCommas', () => {
  it.each([
    ['a', ['a']],
    ['a,b', ['a', 'b']],
    ['a.{b,c},d', ['a.{b,c}', 'd']],
    ['{a,{b,c}},d', ['{a,{b,c}}', 'd']],
    ['a}b,c', ['a}b', 'c']],
    ['', ['']],
    ['a,', ['a', '']],
  ])('%j', (text, parts) => {
    expect(splitAtCommas(text)).toEqual(parts);
  });
});

describe('expandBraces', () => {
  it.each([
    ['a', ['a']],
    ['{a,b}', ['a', 'b']],
    ['x.{a,b}.y', ['x.a.y', 'x.b.y']],
    ['{a,b}{c,d}', ['ac', 'bc', 'ad', 'bd']],
    ['{a,{b,c}}', ['a', 'b', 'a', 'c']],
    ['a{,b}', ['a', 'ab']],
    ['{}', ['']],
  ])('%j', (pattern, expanded) => {
    expect(new Set(expandBraces(pattern, '--type'))).toEqual(new Set(expanded));
  });

  it.each(['{', '}', 'a{b', 'a}b', '{a}}', '{{a}', '}{'])('refuses %j', (pattern) => {
    expect(() => expandBraces(pattern, '--type')).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringContaining('do not pair') }),
    );
  });

  it('refuses a pattern that stands for thousands', () => {
    expect(() => expandBraces('{a,b}'.repeat(30), '--type')).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringContaining('too many alternatives') }),
    );
    expect(() => expandBraces('a'.repeat(300), '--type')).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});

describe('compileGlob', () => {
  it.each([
    ['device.error', 'device.error', true],
    ['device.error', 'device.errors', false],
    ['device.*', 'device.error', true],
    ['device.*', 'device.a.b', true],
    ['device.*', 'device.', true],
    ['device.*', 'device', false],
    ['*', '', true],
    ['*', 'anything', true],
    ['*.error', 'agent.error', true],
    ['*.error', 'error', false],
    ['?', '', false],
    ['?', 'a', true],
    ['a?c', 'abc', true],
    ['a?c', 'ac', false],
    ['a**c', 'abbc', true],
    ['', '', true],
    ['', 'a', false],
    ['[ab].(c|d)+', '[ab].(c|d)+', true],
    ['[ab]', 'a', false],
    ['a.c', 'abc', false],
    ['Device.*', 'device.error', false],
  ])('%j matches %j: %j', (pattern, text, verdict) => {
    expect(compileGlob(pattern)(text)).toBe(verdict);
  });

  it('agrees with a regular expression', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '?', '\n', 'é'), maxLength: 10 });
    const glob = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '?', '\n', 'é'), maxLength: 8 });
    fc.assert(
      fc.property(glob, text, (pattern, candidate) => {
        const source = pattern
          .replace(/\*+/g, '*')
          .replace(/[.]/g, '\\.')
          .replace(/\*/g, '[^]*')
          .replace(/\?/g, '[^]');
        expect(compileGlob(pattern)(candidate)).toBe(new RegExp(`^${source}$`).test(candidate));
      }),
      { numRuns: 2000 },
    );
  });

  it('many stars and a long text that does not match end at once', () => {
    const matches = compileGlob('*a'.repeat(100));
    expect(matches(`${'a'.repeat(20_000)}b`)).toBe(false);
  });
});
