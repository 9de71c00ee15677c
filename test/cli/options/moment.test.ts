import { afterEach, describe, expect, it } from 'vitest';
import { parseMoment, parseSpan, timeOf } from '../../../src/cli/options/quantity.js';
import { partOptionsOf } from '../../../src/cli/options/selection.js';
import type { OpmasError } from '../../../src/index.js';

const zone = process.env.TZ;
afterEach(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

describe('a point of a recording', () => {
  it.each([
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['0s', 0],
    ['-15m', -900_000],
    ['2026-11-22T21:50:00Z', '2026-11-22T21:50:00Z'],
    ['2026-11-22 21:50', '2026-11-22 21:50'],
  ])('%s', (text, moment) => {
    expect(parseMoment(text, '--from')).toBe(moment);
  });

  it.each([
    '22:30',
    '15',
    '-',
    '--5m',
    'yesterday',
    '2026-11',
    '2026-13-01',
    '2026-02-30 10:00',
    '2026-11-22Z',
  ])('%s is a usage error', (text) => {
    expect(() => parseMoment(text, '--from')).toThrow(/^--from: /);
  });

  it('without its date is a usage error that says how to write it for today', () => {
    const hint = (text: string) => {
      try {
        return parseMoment(text, '--from');
      } catch (error) {
        return (error as OpmasError).hint;
      }
    };
    const [, whole = ''] = /--from '(\d{4}-\d\d-\d\d 09:50)'\.$/.exec(String(hint('09:50'))) ?? [];
    expect(parseMoment(whole, '--from')).toBe(whole);
    expect(Math.abs(Date.parse(whole) - Date.now())).toBeLessThan(86_400_000);
  });

  it.each([
    ['2026-11-22T21:50:00.123456Z', '2026-11-22T21:50:00.123456Z'],
    ['2026-11-22T21:50+01:00', '2026-11-22T21:50:00+01:00'],
    ['2026-11-22', '2026-11-21T23:00:00Z'],
    ['2026-11-22 21:50', '2026-11-22T20:50:00Z'],
    ['2026-07-22T21:50:10.5', '2026-07-22T19:50:10.5Z'],
  ])('%s in Berlin is %s', (text, time) => {
    process.env.TZ = 'Europe/Berlin';
    expect(timeOf(text, { name: '--from', utc: false })).toBe(time);
  });

  it('without a zone is in UTC with --utc', () => {
    process.env.TZ = 'Europe/Berlin';
    expect(partOptionsOf({ from: '2026-11-22 21:50', utc: true }).from).toBe('2026-11-22T21:50:00Z');
    expect(partOptionsOf({ from: '2026-10-25 02:30', utc: true }).from).toBe('2026-10-25T02:30:00Z');
  });

  it.each([
    ['2026-03-29 02:30', /does not exist in the local zone/],
    ['2026-10-25 02:30', /comes twice in the local zone/],
  ])('%s in Berlin is a usage error', (text, message) => {
    process.env.TZ = 'Europe/Berlin';
    expect(() => timeOf(text, { name: '--to', utc: false })).toThrow(message);
  });
});

describe('--last', () => {
  it('is a number of events or a time', () => {
    expect(partOptionsOf({ last: parseSpan('20', '--last') })).toMatchObject({ last: 20, from: undefined });
    expect(partOptionsOf({ last: parseSpan('15m', '--last') })).toMatchObject({ from: -900_000 });
  });

  it.each(['0', '-5', '0s', 'x', '1.5'])('%s is a usage error', (text) => {
    expect(() => parseSpan(text, '--last')).toThrow(/^--last/);
  });

  it('with a time excludes --from', () => {
    expect(() => partOptionsOf({ from: 0, last: { ms: 5 } })).toThrow('--from and --last');
    expect(partOptionsOf({ from: 0, last: { events: 5 } })).toMatchObject({ from: 0, last: 5 });
  });
});
