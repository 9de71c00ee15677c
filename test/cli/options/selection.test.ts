import { expect, it } from 'vitest';
import { Command } from '../../../src/cli/commander.js';
import { addFilterOptions, filterOptionsOf } from '../../../src/cli/options/selection.js';

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

it('leaves out what was not given', () => {
  expect(Object.values(optionsOf()).every((value) => value === undefined)).toBe(true);
});
