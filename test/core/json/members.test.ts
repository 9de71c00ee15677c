import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { removeMembers } from '../../../src/core/json/members.js';
import { codePoint } from '../../support/code-point.js';

describe('removeMembers', () => {
  it.each([
    ['{}', '{}'],
    ['{ }', '{}'],
    ['{"a":1}', '{}'],
    ['{"b":1}', '{"b":1}'],
    ['{"a":1,"b":2}', '{"b":2}'],
    ['{"b":2,"a":1}', '{"b":2}'],
    [' { "b" : 1.0 , "a" : 1 } ', ' {"b" : 1.0 } '],
    ['{"a":1,"a":2}', '{"a":2}'],
    ['{"\\u0061":1,"b":2}', '{"b":2}'],
    ['{"b":{"a":1},"a":[{"a":"}"}]}', '{"b":{"a":1}}'],
    ['{"a":"\\"},{","b":"\\\\"}', '{"b":"\\\\"}'],
    ['{"b":12345678901234567890,"a":0}', '{"b":12345678901234567890}'],
    ['{"__proto__":1,"a":2}', '{"__proto__":1}'],
    ['{"b":"\u2028","a":1}', '{"b":"\u2028"}'],
    ['{"b":"\\ud800","a":1}', '{"b":"\\ud800"}'],
  ])('takes a out of %s', (text, rest) => {
    expect(removeMembers(text, ['a'])).toBe(rest);
  });

  it('goes through 100,000 levels', () => {
    const deep = `${'{"a":['.repeat(100_000)}${']}'.repeat(100_000)}`;
    expect(removeMembers(`{"b":${deep},"a":${deep}}`, ['a'])).toBe(`{"b":${deep}}`);
  });

  it('gives the object that JSON.parse would have without them', () => {
    const name = fc.constantFrom('a', 'b', 'c', '', '"', '\\', '__proto__', 'é', '\u2028');
    const members = fc.uniqueArray(fc.tuple(name, fc.jsonValue({ stringUnit: codePoint })), {
      selector: ([key]) => key,
    });
    fc.assert(
      fc.property(members, fc.subarray(['a', 'b', '"', 'é']), fc.nat(2), (entries, names, indent) => {
        const text = (list: typeof entries) =>
          `{${list.map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value, null, indent)}`).join(' ,')}}`;
        const rest = removeMembers(text(entries), names);
        expect(JSON.parse(rest)).toEqual(JSON.parse(text(entries.filter(([key]) => !names.includes(key)))));
      }),
    );
  });
});
