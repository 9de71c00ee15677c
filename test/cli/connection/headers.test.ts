import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseHeader, readHeaders, shownHeader, warningsAbout } from '../../../src/cli/connection/headers.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'opmas-ws-headers-'));
  const files: Record<string, string | Buffer> = {
    key: 'sesame\n',
    windows: '\ufeffsesame\r\n',
    bare: 'sesame',
    'two line ends': 'sesame\n\n',
    'two lines': 'sesame\nX-B: c\n',
    empty: '',
    blank: ' \n',
    binary: Buffer.from([0xff, 0xfe, 0x41, 0x00]),
    control: 'se\0same',
    long: 'sesame'.repeat(4000),
  };
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(folder, name), content, { mode: 0o600 });
  }
  writeFileSync(join(folder, 'open'), 'sesame');
  chmodSync(join(folder, 'open'), 0o644);
});
afterAll(() => rmSync(folder, { recursive: true }));

const at = (name: string) => `X-A: @${join(folder, name)}`;
const typed = async (...lines: string[]) => (await readHeaders(lines, [], { HOME: folder })).headers;
const stored = async (environment: Record<string, string>, ...lines: string[]) =>
  (await readHeaders([], lines, environment)).headers;

describe('a header of the command line', () => {
  it.each([
    ['X-A: b', 'b'],
    ['X-A:b', 'b'],
    ['X-A: \t b c \t', 'b c'],
    ['X-A: b: c', 'b: c'],
    ['X-A: @@home', '@home'],
    ['X-A: $$5', '$5'],
    // As in curl: the shell replaces variables.
    ['X-A: $HOME', '$HOME'],
    ['X-A: $', '$'],
    ['X-A: @~/key', 'sesame'],
  ])('%s has the value %s', async (line, value) => {
    expect(await typed(line)).toEqual({ 'X-A': value });
  });

  it.each(['key', 'windows', 'bare'])(
    'takes its value from a file without the last line end: %s',
    async (name) => {
      expect(await typed(at(name))).toEqual({ 'X-A': 'sesame' });
    },
  );

  it.each([
    ['no-such-file', /no such file/],
    ['.', /directory/],
    ['two line ends', /line breaks/],
    ['two lines', /line breaks/],
    ['empty', /is empty/],
    ['blank', /is empty/],
    ['binary', /holds no text/],
    ['control', /control characters/],
    ['long', /too long/],
  ])('is refused when its file is wrong: %s', async (name, message) => {
    const error = await typed(at(name)).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'USAGE', message: expect.stringMatching(message) });
    if (name === 'no-such-file')
      expect(error).toMatchObject({ hint: expect.stringMatching(/^Write the value/) });
    if (name === '.') expect(error).toMatchObject({ hint: 'Give the path of a file.' });
    expect(JSON.stringify(error) + String(error)).toContain('X-A');
    expect(JSON.stringify(error) + String(error)).not.toContain('sesame');
  });

  it.each(['X-A', '@headers.txt', '', 'eyJhbGciOiJIUzI1NiJ9', 'X-A: @', 'X A: b', ': b', 'X-A:', 'Host: b'])(
    'is refused when it is %j',
    async (line) => {
      await expect(typed(line)).rejects.toMatchObject({ code: 'USAGE' });
      await expect(typed(line)).rejects.not.toThrow(/eyJ/);
    },
  );

  it('joins its values with those of the same name, as HTTP does', async () => {
    expect(await typed('X-A: 1', 'Cookie: a=1', 'x-a: 2', 'cookie: b=2')).toEqual({
      'X-A': '1, 2',
      Cookie: 'a=1; b=2',
    });
  });

  it('replaces the header of a context that has its name', async () => {
    const { headers } = await readHeaders(['x-a: mine'], ['X-A: 1', 'X-A: 2', 'X-B: 3'], {});
    expect(headers).toEqual({ 'x-a': 'mine', 'X-B': '3' });
  });

  it('warns of a file that others may read', async () => {
    const { warnings } = await readHeaders([at('open')], [], {});
    expect(warnings).toEqual([expect.stringMatching(/other users.*chmod 600/)]);
  });
});

describe('a header of a context', () => {
  it('takes its value from the environment at each use', async () => {
    expect(await stored({ KEY_1: 'sesame' }, 'X-A: $KEY_1')).toEqual({ 'X-A': 'sesame' });
    expect(await stored({ KEY_1: 'open' }, 'X-A: $KEY_1')).toEqual({ 'X-A': 'open' });
    expect(await stored({}, 'X-A: $$KEY_1', 'X-B: @@x')).toEqual({ 'X-A': '$KEY_1', 'X-B': '@x' });
  });

  it.each([{}, { KEY_1: '' }])('names the variable that is not set: %o', async (environment) => {
    await expect(stored(environment, 'X-A: $KEY_1')).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/KEY_1.*X-A.*is not set/),
    });
  });

  it('is refused when the variable holds characters that a header cannot have', async () => {
    await expect(stored({ KEY_1: 'a\nb' }, 'X-A: $KEY_1')).rejects.toMatchObject({
      code: 'USAGE',
      hint: expect.stringContaining('KEY_1'),
    });
  });

  it.each(['X-A: $(KEY)', 'X-A: $5', 'X-A: $'])('is refused when it names no variable: %s', (line) => {
    expect(() => parseHeader(line, true)).toThrow(/names no environment variable/);
  });
});

it.each([
  ['Authorization: Basic abc', /process list.*@FILE/, /configuration.*\$VARIABLE/],
  ['X-Api-Key: abc', /process list/, /configuration/],
  ['cf-access-client-SECRET: abc', /process list/, /configuration/],
  ['X-Tenant: abc', undefined, undefined],
  ['X-Api-Key: @file', undefined, undefined],
  ['X-Tenant: Bearer $TOKEN', /literal \$/, /literal \$/],
  ['X-Tenant: $$TENANT', undefined, undefined],
])('the value of %s is worth this warning: %s, in a context %s', (line, ofLine, inContext) => {
  for (const [warnings, pattern] of [
    [warningsAbout([line], false), ofLine],
    [warningsAbout([line], true), inContext],
  ] as const) {
    expect(warnings).toEqual(pattern === undefined ? [] : [expect.stringMatching(pattern)]);
    expect(warnings.join()).not.toContain('abc');
  }
});

it.each([
  ['X-A: @file', false, 'X-A: @file'],
  ['X-A: sesame', false, 'X-A: VALUE'],
  ['X-A: @@sesame', false, 'X-A: VALUE'],
  ['X-A: $KEY', false, 'X-A: VALUE'],
  ['X-A: $KEY', true, 'X-A: $KEY'],
  ['X-A: $$sesame', true, 'X-A: VALUE'],
  ['sesame', false, 'NAME: VALUE'],
])('%s is repeated without its value (in a context: %s): %s', (line, isInContext, shown) => {
  expect(shownHeader(line, isInContext, 'VALUE')).toBe(shown);
});
