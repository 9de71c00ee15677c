import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, describe, expect, it } from 'vitest';
import { noToken, tokenFromFile, tokenFromStream, tokenFromText } from '../../../src/index.js';

const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-token-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
function fileWith(content: string | Buffer, mode = 0o600): string {
  const path = join(folder, `token-${count++}`);
  writeFileSync(path, content, { mode });
  chmodSync(path, mode);
  return path;
}

const utf16 = Buffer.from('\ufeffabc', 'utf16le');

describe('tokenFromFile', () => {
  it.each([
    ['as it is', 'abc.def'],
    ['with LF', 'abc.def\n'],
    ['with CRLF', 'abc.def\r\n'],
    ['with blanks around', '  \nabc.def \t\n\n'],
    ['with a BOM', '\ufeffabc.def\n'],
    ['with Bearer', 'Bearer abc.def\n'],
    ['with bearer and BOM', '\ufeffbearer   abc.def'],
    ['in quotes', '"abc.def"\r\n'],
    ['in single quotes', "'abc.def'"],
    ['with Bearer in quotes', '"Bearer abc.def"'],
    ['in quotes after Bearer', 'Bearer "abc.def"'],
    ['of a header', 'Authorization: Bearer abc.def\n'],
    ['of an environment file', 'OPMAS_TOKEN="abc.def"\n'],
    ['of a shell script', "export OPMAS_TOKEN='abc.def'\n"],
    ['of a login', '{"access_token":"abc.def","refresh_token":"ghi","token_type":"bearer"}'],
    ['of JSON with blanks', '\ufeff{\r\n  "token": "Bearer abc.def"\r\n}\r\n'],
    ['of a mock server', '{"listening":"ws://127.0.0.1:8000","token":"abc.def"}\n'],
    ['of JSON text', '"abc.def"'],
  ])('reads a token %s', async (_name, content) => {
    expect(await tokenFromFile(fileWith(content)).token()).toBe('abc.def');
  });

  it('keeps every character that a token may have', async () => {
    const token = 'a+b&c#d%e/f=g?h"i\'j\\k';
    expect(await tokenFromFile(fileWith(token)).token()).toBe(token);
  });

  it.each([
    ['empty', ''],
    ['blank', ' \r\n'],
    ['nothing but Bearer', 'Bearer '],
    ['with a blank inside', 'sesame open'],
    ['with a line break inside', 'sesame\nopen'],
    ['with a NUL inside', 'sesame\0open'],
    ['with an odd character', 'sesame\u200bopen'],
    ['JSON without a token', '{"sesame":"sesame"}'],
    ['JSON with a token that is no text', '{"token":{"sesame":1}}'],
    ['JSON with an empty token', '{"token":"","sesame":1}'],
    ['torn JSON', '{"access_token":"sesame'],
    ['a JSON array', '["sesame"]'],
    ['nothing but quotes', '""'],
    ['UTF-16', utf16],
    ['binary', Buffer.from([0xc3, 0x28, 0xa0])],
    ['of 1 MB', 'sesame'.repeat(175_000)],
  ])('refuses a file that is %s, by name', async (_name, content) => {
    const path = fileWith(content);
    const error = await tokenFromFile(path)
      .token()
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'AUTH' });
    expect(String(error)).toContain(path);
    expect(String(error)).not.toContain('sesame');
  });

  it.each([
    ['missing', join(folder, 'nowhere')],
    ['a directory', folder],
  ])('refuses what is %s, by name', async (_name, path) => {
    const error = await tokenFromFile(path)
      .token()
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'AUTH' });
    expect(String(error)).toContain(path);
  });

  it('is read afresh for every attempt and at every refusal', async () => {
    const path = fileWith('one');
    const provider = tokenFromFile(path);
    expect(await provider.token()).toBe('one');
    expect(await provider.renew?.()).toBe(false);
    writeFileSync(path, 'two');
    expect(await provider.renew?.()).toBe(true);
    expect(await provider.token()).toBe('two');
    expect(await provider.renew?.('one')).toBe(true);
    expect(await provider.renew?.('two')).toBe(false);
  });

  it('reads a pipe once and keeps what it gave', async () => {
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    const provider = tokenFromFile(path);
    const reading = provider.token();
    const writer = await open(path, 'w');
    await writer.write('Bearer from-a-');
    await writer.write('pipe\n');
    await writer.close();
    expect(await reading).toBe('from-a-pipe');
    expect(await provider.token()).toBe('from-a-pipe');
    expect(await provider.renew?.()).toBe(false);
  });

  it('gives what a pipe gave to all who ask while it is read', async () => {
    const path = join(folder, 'shared-pipe');
    execFileSync('mkfifo', [path]);
    const provider = tokenFromFile(path);
    const asking = Promise.all(Array.from({ length: 4 }, () => provider.token()));
    const writer = await open(path, 'w');
    await writer.write('from-a-pipe');
    await writer.close();
    expect(await asking).toEqual(Array(4).fill('from-a-pipe'));
  });

  it('says that it waits for a named pipe that nobody writes to, and does so no longer than it is told', async () => {
    const path = join(folder, 'silent-pipe');
    execFileSync('mkfifo', [path]);
    const warnings: string[] = [];
    const onWarning = (text: string) => warnings.push(text);
    const reading = tokenFromFile(path, { onWarning, pipeLimitMs: 1200 }).token();
    await expect(reading).rejects.toMatchObject({ message: expect.stringMatching(/in 1.2 s/) });
    expect(warnings).toEqual([`waiting for a writer on the pipe of ${path}`]);
  });

  it.each([0o644, 0o640, 0o604])('warns once about mode %o, with the fix', async (mode) => {
    const path = fileWith('abc', mode);
    const warnings: string[] = [];
    const provider = tokenFromFile(path, { onWarning: (text) => warnings.push(text) });
    await provider.token();
    await provider.token();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`chmod 600 ${path}`);
  });

  it('does not warn about a file that is private', async () => {
    const warnings: string[] = [];
    for (const mode of [0o600, 0o400]) {
      await tokenFromFile(fileWith('abc', mode), { onWarning: (text) => warnings.push(text) }).token();
    }
    expect(warnings).toEqual([]);
  });
});

describe('other sources', () => {
  it('reads a stream once, when it is needed, and keeps it', async () => {
    const provider = tokenFromStream(
      Readable.from([Buffer.from('\ufeffBear'), Buffer.from('er abc\r\n')]),
      'stdin',
    );
    const attempts = await Promise.all([provider.token(), provider.token()]);
    expect([...attempts, await provider.token()]).toEqual(['abc', 'abc', 'abc']);
  });

  it.each([
    ['empty', []],
    ['endless', Array.from({ length: 3 }, () => Buffer.alloc(65_536, 'a'))],
  ])('refuses a stream that is %s', async (_name, chunks) => {
    await expect(tokenFromStream(Readable.from(chunks), 'stdin').token()).rejects.toMatchObject({
      code: 'AUTH',
    });
  });

  it('takes text at once', async () => {
    expect(await tokenFromText(' Bearer abc\n', 'OPMAS_TOKEN').token()).toBe('abc');
    expect(() => tokenFromText('a b', 'OPMAS_TOKEN')).toThrow(/OPMAS_TOKEN/);
  });

  it('goes without one on purpose', async () => {
    expect(await noToken().token()).toBeUndefined();
  });
});
