import { describe, expect, it } from 'vitest';
import { editDistance } from '../../../src/core/edit-distance.js';
import { nearestName, typeHints } from '../../../src/core/filter/type-hints.js';
import { compileTypePatterns, createTypeMatcher } from '../../../src/core/filter/type-pattern.js';
import { EVENT_TYPES } from '../../../src/core/protocol.js';

const compile = (...lists: string[]) => compileTypePatterns(lists, '--type');

describe('createTypeMatcher', () => {
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
  ])('keeps %j but not %j: %j → %j', (included, excluded, type, verdict) => {
    const matches = createTypeMatcher(compile(...included), compile(...excluded));
    expect(matches(type)).toBe(verdict);
    // The second answer is a remembered one.
    expect(matches(type)).toBe(verdict);
  });

  it('gives right verdicts on ever new and on very long types', () => {
    const matches = createTypeMatcher(compile('*7'), []);
    for (let i = 0; i < 5000; i++) expect(matches(`type.${i}`)).toBe(i % 10 === 7);
    expect(matches(`${'x'.repeat(10_000)}7`)).toBe(true);
    expect(matches('x'.repeat(10_000))).toBe(false);
  });

  it.each(['', ' ', ',', 'a,,b', 'a,', '!device.error', '{a', 'a}'])('refuses %j', (pattern) => {
    expect(() => compile(pattern)).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringContaining('--type') }),
    );
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
      `--type ${written} matches no documented type; did you mean ${meant}?`,
    ]);
    expect(typeHints([], compile(written))).toEqual([
      `--exclude-type ${written} matches no documented type; did you mean ${meant}?`,
    ]);
  });

  it.each(['billing.invoice_created', 'x', 'z'.repeat(200)])('names nothing for %s', (written) => {
    expect(typeHints(compile(written), [])).toEqual([`--type ${written} matches no documented type`]);
  });

  it.each([...EVENT_TYPES, 'device.*', '*', '*.{error,alert}', '?????.*'])(
    'is silent about %s',
    (written) => {
      expect(typeHints(compile(written), [])).toEqual([]);
    },
  );

  it('tells when exclusions leave nothing', () => {
    expect(typeHints(compile('device.*'), compile('dev*'))).toEqual([
      '--exclude-type drops every documented type that is asked for',
    ]);
    expect(typeHints([], compile('*'))).toHaveLength(1);
  });
});

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    ['flaw', 'lawn', 2],
    ['same', 'same', 0],
  ])('%j %j: %i', (left, right, distance) => {
    expect(editDistance(left, right)).toBe(distance);
    expect(editDistance(right, left)).toBe(distance);
  });
});

it('nearestName finds each documented type by itself', () => {
  for (const type of EVENT_TYPES) expect(nearestName(type)).toBe(type);
});
