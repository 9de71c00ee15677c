import { describe, expect, it } from 'vitest';
import {
  formatDuration,
  formatSize,
  parseCount,
  parseDuration,
  parseSize,
} from '../../../src/cli/options/quantity.js';

const usage = expect.objectContaining({ code: 'USAGE', message: expect.stringContaining('--x') });

describe('parseDuration', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['2d', 172_800_000],
    ['2h30m', 9_000_000],
    ['1.5s', 1500],
    ['1m5ms', 60_005],
    ['0s', 0],
  ])('%s: %i ms', (text, milliseconds) => {
    expect(parseDuration(text, '--x')).toBe(milliseconds);
  });

  it.each([
    '',
    '5',
    '-5s',
    '5 s',
    '1e3s',
    '5 apples',
    '.5s',
    '5.s',
    's',
    '5S',
    '5y',
    '1,5s',
    `${'9'.repeat(400)}h`,
  ])('refuses %j', (text) => {
    expect(() => parseDuration(text, '--x')).toThrow(usage);
  });
});

describe('parseSize', () => {
  it.each([
    ['100B', 100],
    ['64KiB', 65_536],
    ['16MiB', 16_777_216],
    ['1.5GB', 1_500_000_000],
    ['1kB', 1000],
    ['0.5B', 0],
  ])('%s: %i', (text, bytes) => {
    expect(parseSize(text, '--x')).toBe(bytes);
  });

  it.each(['', '5', '-5B', '5 MiB', '5mb', '5M', 'abc', '1e3B', '2TiB', `${'9'.repeat(400)}B`])(
    'refuses %j',
    (text) => {
      expect(() => parseSize(text, '--x')).toThrow(usage);
    },
  );
});

it.each(['', '0', '-1', '1.5', 'x', '1e3', '9'.repeat(20)])('parseCount refuses %j', (text) => {
  expect(() => parseCount(text, '--x')).toThrow(usage);
});

it.each([
  [0, '0ms'],
  [850, '850ms'],
  [999.4, '999ms'],
  [999.6, '1s'],
  [1000, '1s'],
  [4200, '4.2s'],
  [59_940, '59.9s'],
  [59_960, '1m00s'],
  [192_000, '3m12s'],
  [3_599_400, '59m59s'],
  [3_599_600, '1h00m'],
  [7_500_000, '2h05m'],
  [180_000_000, '50h00m'],
])('formatDuration(%d) is %s', (milliseconds, text) => {
  expect(formatDuration(milliseconds)).toBe(text);
});

it.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1 KiB'],
  [1536, '1.5 KiB'],
  [1_048_575, '1 MiB'],
  [1_572_864, '1.5 MiB'],
  [1024 ** 5, '1024 TiB'],
])('formatSize(%i) is %s', (bytes, text) => {
  expect(formatSize(bytes)).toBe(text);
});
