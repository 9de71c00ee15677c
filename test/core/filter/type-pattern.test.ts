import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileFilter, type FilterOptions } from '../../../src/core/filter/filter.js';
import { compileTypePatterns, nearestName, typeHints } from '../../../src/core/filter/type-pattern.js';
import { FrameReader } from '../../../src/core/json/frame.js';
import { EVENT_TYPES } from '../../../src/core/protocol.js';
import { nearestOf } from '../../../src/core/text.js';

const compile = (...lists: string[]) => compileTypePatterns(lists, '--type');
const matches = (pattern: string, type: string) => compile(pattern).some((one) => one.matches(type));

describe('a pattern', () => {
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
    ['[ab].(c|d)+', '[ab].(c|d)+', true],
    ['[ab]', 'a', false],
    ['a.c', 'abc', false],
    ['Device.*', 'device.error', false],
  ])('%j matches %j: %j', (pattern, type, verdict) => {
    expect(matches(pattern, type)).toBe(verdict);
  });

  it.each([
    ['{a,b}', ['a', 'b'], ['{a', 'a,b', '']],
    ['x.{a,b}.y', ['x.a.y', 'x.b.y'], ['x.ab.y']],
    ['{a,b}{c,d}', ['ac', 'bc', 'ad', 'bd'], ['ab', 'cd']],
    ['{a,{b,c}}', ['a', 'b', 'c'], ['bc']],
    ['a{,b}', ['a', 'ab'], ['b']],
    ['{*.error,x}', ['a.error', 'x'], ['xerror']],
  ])('with braces: %j matches %j, not %j', (pattern, matching, others) => {
    expect(matching.filter((type) => !matches(pattern, type))).toEqual([]);
    expect(others.filter((type) => matches(pattern, type))).toEqual([]);
  });

  it.each([
    ['a', ['a']],
    ['a,b', ['a', 'b']],
    [' a , b ', ['a', 'b']],
    ['a.{b,c},d', ['a.{b,c}', 'd']],
    ['{a,{b,c}},d', ['{a,{b,c}}', 'd']],
  ])('list is split at commas outside braces: %j', (list, texts) => {
    expect(compile(list).map(({ text }) => text)).toEqual(texts);
  });

  it.each(['{', '}', 'a{b', 'a}b', '{a}}', '{{a}', '}{'])(
    'whose braces do not pair is refused: %j',
    (pattern) => {
      expect(() => compile(pattern)).toThrow(
        expect.objectContaining({ code: 'USAGE', message: expect.stringContaining('do not pair') }),
      );
    },
  );

  it.each(['', ' ', ',', 'a,,b', 'a,', '!device.error', '{a', 'a}'])(
    'is refused, naming its option: %j',
    (pattern) => {
      expect(() => compile(pattern)).toThrow(
        expect.objectContaining({ code: 'USAGE', message: expect.stringContaining('--type') }),
      );
    },
  );

  it('with thousands of alternatives is refused', () => {
    expect(() => compile('{a,b}'.repeat(30))).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringContaining('too many alternatives') }),
    );
    expect(() => compile('a'.repeat(300))).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });

  it('agrees with a regular expression', () => {
    const unit = fc.constantFrom('a', 'b', '.', '*', '?', '\n', 'é');
    const glob = fc.string({ unit, minLength: 1, maxLength: 8 }).filter((one) => one.trim() === one);
    fc.assert(
      fc.property(glob, fc.string({ unit, maxLength: 10 }), (pattern, candidate) => {
        const source = pattern
          .replace(/\*+/g, '*')
          .replace(/[.]/g, '\\.')
          .replace(/\*/g, '[^]*')
          .replace(/\?/g, '[^]');
        expect(matches(pattern, candidate)).toBe(new RegExp(`^${source}$`).test(candidate));
      }),
      { numRuns: 2000 },
    );
  });

  it('with many stars ends at once on a long text that does not match', () => {
    expect(matches('*a'.repeat(100), `${'a'.repeat(20_000)}b`)).toBe(false);
  });
});

/** Returns whether a filter keeps events of a type; `undefined` for events without a type. */
async function keeper(options: FilterOptions): Promise<(type: string | undefined) => boolean> {
  const filter = await compileFilter(options);
  const reader = new FrameReader();
  return (type) => {
    expect(reader.read(Buffer.from(JSON.stringify({ type })))).toBe('object');
    return filter.matches(reader, 'devices');
  };
}

describe('types to keep and to drop', () => {
  it.each([
    [[], [], 'anything', true],
    [[], [], undefined, true],
    [['*'], [], undefined, false],
    [[], ['*'], undefined, true],
    [['*'], [], '', true],
    [['device.*'], [], 'device.error', true],
    [['device.*'], [], 'agent.error', false],
    [['device.*,agent.*'], [], 'agent.error', true],
    [['device.*', 'agent.*'], [], 'agent.error', true],
    [['{device,agent}.error'], [], 'agent.error', true],
    [['{device,agent}.error'], [], 'rule.error', false],
    [[' device.* , agent.* '], [], 'agent.error', true],
    [['device.*'], ['*.error'], 'device.error', false],
    [['device.*'], ['*.error'], 'device.status_update', true],
    [[], ['*.error'], 'agent.error', false],
    [['device.error'], ['device.error'], 'device.error', false],
    [['*'], [], '__proto__', true],
    [['constructor'], [], 'constructor', true],
  ])('keeps %j but not %j: %j → %j', async (types, excludeTypes, type, verdict) => {
    const keeps = await keeper({ types, excludeTypes });
    expect(keeps(type)).toBe(verdict);
    // The second answer comes from the cache.
    expect(keeps(type)).toBe(verdict);
  });

  it('gives right verdicts on ever new and on very long types', async () => {
    const keeps = await keeper({ types: ['*7'] });
    for (let i = 0; i < 5000; i++) expect(keeps(`type.${i}`)).toBe(i % 10 === 7);
    expect(keeps(`${'x'.repeat(10_000)}7`)).toBe(true);
    expect(keeps('x'.repeat(10_000))).toBe(false);
  });
});

describe('typeHints', () => {
  it.each([
    ['device.eror', 'device.error'],
    ['devcie.error', 'device.error'],
    ['Device.Error', 'device.error'],
    ['device.status', 'device.status_update'],
    ['device', 'device.*'],
    ['devices.*', 'device.*'],
    ['devices', 'device.*'],
    ['agents.*', 'agent.*'],
    ['rule.trigered', 'rule.triggered'],
    ['*.eror', '*.error'],
    ['system.metric', 'system.metrics'],
    ['rule.execution_completed', 'rule.execution_complete'],
  ])('%s → %s', (written, meant) => {
    expect(typeHints(compile(written), [])).toEqual([
      `\`types\` ${written} matches no documented type; did you mean ${meant}?`,
    ]);
    expect(typeHints([], compile(written))).toEqual([
      `\`excludeTypes\` ${written} matches no documented type; did you mean ${meant}?`,
    ]);
  });

  it.each(['billing.invoice_created', 'x', 'z'.repeat(200)])('names nothing for %s', (written) => {
    expect(typeHints(compile(written), [])).toEqual([`\`types\` ${written} matches no documented type`]);
  });

  it.each([...EVENT_TYPES, 'device.*', '*', '*.{error,alert}', '?????.*'])(
    'is silent about %s',
    (written) => {
      expect(typeHints(compile(written), [])).toEqual([]);
    },
  );

  it('tells when exclusions leave nothing', () => {
    expect(typeHints(compile('device.*'), compile('dev*'))).toEqual([
      '`excludeTypes` drops every documented type that `types` keeps',
    ]);
    expect(typeHints([], compile('*'))).toHaveLength(1);
  });
});

describe('the nearest name', () => {
  it.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    ['flaw', 'lawn', 2],
    ['same', 'Same', 0],
  ])('to %j may be %j with %i wrong letters', (word, name, mistakes) => {
    expect(nearestOf(word, ['quite another', name], mistakes)).toBe(name);
    expect(nearestOf(name, ['quite another', word], mistakes)).toBe(word);
    expect(nearestOf(word, [name], mistakes - 1)).toBeUndefined();
  });

  it('is the one with the fewest wrong letters', () => {
    expect(nearestOf('agent', ['agents', 'agent', 'agen'], 2)).toBe('agent');
  });
});

it('nearestName finds each documented type by itself', () => {
  for (const type of EVENT_TYPES) expect(nearestName(type)).toBe(type);
});
