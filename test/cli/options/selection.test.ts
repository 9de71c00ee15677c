import { describe, expect, it } from 'vitest';
import { Command } from '../../../src/cli/commander.js';
import { addFilterOptions, endpointsOf, filterOptionsOf } from '../../../src/cli/options/selection.js';

const optionsOf = (...args: string[]) =>
  filterOptionsOf(addFilterOptions(new Command().exitOverride()).parse(args, { from: 'user' }).opts());

it('gives every option, each as often as it was given', () => {
  expect(
    optionsOf(
      ...['-t', 'device.*,agent.*', '--type', '*.error', '--exclude-type', 'a', '--exclude-type=b'],
      ...['-s', 'x.>', '--subject', 'y.*', '--exclude-subject', 'z', '-w', 'data.cpu > 90'],
    ),
  ).toEqual({
    types: ['device.*,agent.*', '*.error'],
    excludeTypes: ['a', 'b'],
    subjects: ['x.>', 'y.*'],
    excludeSubjects: ['z'],
    where: ['data.cpu > 90'],
  });
});

it('leaves out options that were not given', () => {
  expect(Object.values(optionsOf()).every((value) => value === undefined)).toBe(true);
});

describe('endpoints', () => {
  it('are all four without a word, and else as named', () => {
    expect(endpointsOf([])).toEqual(['devices', 'agents', 'rules', 'system']);
    expect(endpointsOf(['system', '/x/y%20z/'])).toEqual(['system', '/x/y%20z/']);
  });

  it.each(['device/42', 'agent/7', 'rule/3', 'device/aa:bb:cc', 'device/ap-7.lab_1~a@b', 'agent/...'])(
    'of a single object are labeled by the path on the server: %s',
    (word) => {
      expect(endpointsOf([word])).toEqual([`/api/v1/ws/${word}`]);
    },
  );

  it.each<readonly [string, string]>([
    ['device', 'Did you mean devices? A single one is device/ID.'],
    ['Device/42', 'Did you mean device/42?'],
    ['agnt/7', 'Did you mean agent/7?'],
    ['devices/42', 'Did you mean device/42? If the server has /api/v1/ws/devices/42, give that path.'],
    [
      'C:/Program Files/Git/api/v1/ws/device/42',
      'Git Bash rewrites words that begin with /: type device/42.',
    ],
    ['D:\\git\\api\\v1\\ws\\rule\\3', 'put MSYS_NO_PATHCONV=1 before the command'],
    ['C:/msys64/events', 'put MSYS_NO_PATHCONV=1 before the command'],
    ['device/1,agent/2', 'Separate endpoints with spaces: device/1 agent/2.'],
    ['sytem', 'Did you mean system?'],
    ['system/1', 'Endpoints are devices, agents, rules, system, device/ID'],
    ...['', '.', '..', 'a b', '%2e%2e', '42/x', '42/', '/42', '42?x', '42#x', 'a\\b', 'é', '4\n'].map(
      (id) => [`device/${id}`, 'An id has letters, digits, - . _ ~ : and @: device/42.'] as const,
    ),
    ...['/a?b', '/a#b', '/a b', '/a/../b', '/a/./b', '/a/%2E%2e', '/..', '/a\\b', '/a\u0007'].map(
      (path) => [path, 'A path has no query, no fragment, no spaces'] as const,
    ),
  ])('that do not exist are refused with the right form: %j', (word, hint) => {
    expect(() => endpointsOf([word])).toThrow(
      expect.objectContaining({ code: 'USAGE', hint: expect.stringContaining(hint) }),
    );
  });
});
