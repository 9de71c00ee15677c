import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileLinearRegex, RegexFault } from '../../src/core/linear-regex.js';

describe('compileLinearRegex', () => {
  it.each([
    ['abc', 'xabcx', true],
    ['', '', true],
    ['^$', '', true],
    ['^$', 'a', false],
    ['^ap-[0-9]+$', 'ap-77', true],
    ['^ap-[0-9]+$', 'ap-7x', false],
    ['re(set|boot)$', 'radio reboot', true],
    ['(a|b|)c', 'c', true],
    ['a{2,3}b', 'aab', true],
    ['^a{2,3}b', 'aaaab', false],
    ['^a{2}$', 'aaa', false],
    ['^a{2,}$', 'aaaa', true],
    ['^a{0}$', '', true],
    ['a{,2}', 'a{,2}', true],
    ['a+?b', 'aab', true],
    ['a.c', 'a\nc', false],
    ['a.c', 'a🚀c', true],
    ['^[^a-c]$', 'd', true],
    ['^[^a-c]$', 'b', false],
    ['[]a]', ']', false],
    ['[\\]a]', ']', true],
    ['[\\w.-]+@', 'a-b.c@', true],
    ['^[\\w-.]+$', 'a-b.c', true],
    ['\\d\\D\\s\\S\\w\\W', '1a b_-', true],
    ['\\bcpu\\b', 'the cpu is', true],
    ['\\bcpu\\b', 'cpus', false],
    ['\\Bpu', 'cpu', true],
    ['\\.\\*\\\\', '.*\\', true],
    ['\\x41\\u0042\\t', 'AB\t', true],
    ['^\\p{Lu}+$', 'ÄÖ', true],
    ['(?i)ERROR', 'an Error', true],
    ['(?i)^[a-z]+$', 'ABC', true],
    ['(?:ab)+c', 'ababc', true],
    ['(?P<name>a)(?<other>b)', 'ab', true],
    ['\\Aab\\z', 'ab', true],
    ['}', '}', true],
    ['a]', 'a]', true],
  ])('%j in %j: %j', (pattern, text, found) => {
    const matches = compileLinearRegex(pattern);
    expect(matches(text)).toBe(found);
    expect(matches(text)).toBe(found);
  });

  it.each([
    '(',
    ')',
    'a)',
    '(a',
    '[',
    '[a',
    '*',
    'a**',
    'a{3,2}',
    'a{2000}',
    '\\',
    '(?=a)',
    '(?!a)',
    '(?<=a)',
    '(a)\\1',
    '[z-a]',
  ])('refuses %j', (pattern) => {
    expect(() => compileLinearRegex(pattern)).toThrow(RegexFault);
  });

  it('refuses patterns that grow beyond all bounds', () => {
    expect(() => compileLinearRegex('((a{100}){100}){100}')).toThrow(RegexFault);
    expect(() => compileLinearRegex(`${'('.repeat(5000)}${')'.repeat(5000)}`)).toThrow(RegexFault);
  });

  it.each(['(a+)+$', '^(a|a)*$', '(a?){50}a{50}$', '(.*a){20}$', '^(([a-z])+.)+[A-Z]([a-z])+$'])(
    'F71: %s on 5,000 letters that do not match ends at once',
    (pattern) => {
      expect(compileLinearRegex(pattern)(`${'a'.repeat(5000)}!`)).toBe(false);
    },
  );

  it('agrees with RegExp', () => {
    const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\w', '\\d', '\\b', '^', '$', '\\.', 'é');
    const pattern = fc.letrec<{ node: string }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        atom,
        fc.tuple(tie('node'), tie('node')).map(([left, right]) => left + right),
        fc.tuple(tie('node'), tie('node')).map(([left, right]) => `(${left}|${right})`),
        fc
          .tuple(tie('node'), fc.constantFrom('*', '+', '?', '{2}', '{1,2}', '{2,}', '*?'))
          .map(([inner, times]) => `(?:${inner})${times}`),
      ),
    })).node;
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', ' ', '1', 'é', '🚀'), maxLength: 8 });
    fc.assert(
      fc.property(pattern, text, (source, candidate) => {
        expect(compileLinearRegex(source)(candidate)).toBe(new RegExp(source, 'u').test(candidate));
      }),
      { numRuns: 3000 },
    );
  });
});
