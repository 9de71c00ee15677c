import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileFilter } from '../../../src/core/filter/filter.js';
import { compileSubjectPattern, subjectHints } from '../../../src/core/filter/subject-pattern.js';
import { FrameReader } from '../../../src/core/json/frame.js';

/** NATS's rules as they are written down, token by token. */
function naiveMatch(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const tokens = subject.split('.');
  for (const [i, token] of wanted.entries()) {
    if (token === '>') return tokens.slice(i).join('.') !== '';
    const actual = tokens[i];
    if (actual === undefined) return false;
    if (token === '*' ? actual === '' : actual !== token) return false;
  }
  return tokens.length === wanted.length;
}

describe('compileSubjectPattern', () => {
  it.each([
    ['opmas.devices.ap-7', 'opmas.devices.ap-7', true],
    ['opmas.devices.ap-7', 'opmas.devices.ap-70', false],
    ['opmas.devices.*', 'opmas.devices.ap-7', true],
    ['opmas.devices.*', 'opmas.devices', false],
    ['opmas.devices.*', 'opmas.devices.', false],
    ['opmas.devices.*', 'opmas.devices.ap-7.radio', false],
    ['opmas.*.ap-7', 'opmas.devices.ap-7', true],
    ['*', 'a', true],
    ['*', 'a.b', false],
    ['*', '', false],
    ['>', 'a', true],
    ['>', 'a.b.c', true],
    ['>', '', false],
    ['opmas.>', 'opmas', false],
    ['opmas.>', 'opmas.', false],
    ['opmas.>', 'opmas.a', true],
    ['opmas.>', 'opmas.a.b', true],
    ['*.>', 'a.b', true],
    ['*.>', 'a', false],
    ['a*', 'a*', true],
    ['a*', 'ab', false],
    ['a.b>', 'a.bc', false],
    ['a.b>', 'a.b>', true],
    ['A', 'a', false],
  ])('%j matches %j: %j', (pattern, subject, verdict) => {
    expect(compileSubjectPattern(pattern, '--subject')(subject)).toBe(verdict);
    expect(naiveMatch(pattern, subject)).toBe(verdict);
  });

  it.each(['', '.', 'a.', '.a', 'a..b', 'a.>.b', '>.a', '>.>', 'a b', 'a\tb', 'a.\n', 'a.'.repeat(999)])(
    'refuses %j',
    (pattern) => {
      expect(() => compileSubjectPattern(pattern, '--exclude-subject')).toThrow(
        expect.objectContaining({ code: 'USAGE', message: expect.stringContaining('--exclude-subject') }),
      );
    },
  );

  it('agrees with the rules applied token by token', () => {
    const token = fc.constantFrom('a', 'b', 'ab', '*', 'a*', 'é');
    const pattern = fc
      .tuple(fc.array(token, { maxLength: 4 }), fc.boolean())
      .filter(([tokens, rest]) => tokens.length > 0 || rest)
      .map(([tokens, rest]) => [...tokens, ...(rest ? ['>'] : [])].join('.'));
    const subject = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', 'é'), maxLength: 9 });
    fc.assert(
      fc.property(pattern, subject, (wanted, actual) => {
        expect(compileSubjectPattern(wanted, '--subject')(actual)).toBe(naiveMatch(wanted, actual));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('subjects to keep and to drop', () => {
  it.each([
    [[], [], undefined, true],
    [['>'], [], undefined, false],
    [[], ['>'], undefined, true],
    [['a.*', 'b.*'], [], 'b.c', true],
    [['a.*', 'b.*'], [], 'c.c', false],
    [['a.*'], ['a.b'], 'a.b', false],
    [['a.*'], ['a.b'], 'a.c', true],
    [[], ['a.>'], 'b', true],
    [[], ['a.>'], 'a.b', false],
  ])('keeps %j but not %j: %j → %j', async (subjects, excludeSubjects, subject, verdict) => {
    const filter = await compileFilter({ subjects, excludeSubjects });
    const reader = new FrameReader();
    reader.read(Buffer.from(JSON.stringify({ subject })));
    expect(filter.matches(reader, 'devices')).toBe(verdict);
  });
});

it('subjectHints tell of stars that are no wildcards', () => {
  expect(subjectHints(['opmas.ap-*', 'opmas.*', '>', 'a.*.>', '*'], ['a.>b'])).toEqual([
    '`subjects` opmas.ap-*: * and > are wildcards only as whole tokens (opmas.devices.*)',
    '`excludeSubjects` a.>b: * and > are wildcards only as whole tokens (opmas.devices.*)',
  ]);
});
