import { createPrivateKey } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPemFiles } from '../../../src/cli/connection/pem-files.js';
import type { KeptRouteOptions } from '../../../src/cli/options/server-options.js';
import { ServerRoute } from '../../../src/io/http/server-route.js';
import { type Certificate, CertificateAuthority, withoutOpenssl } from '../../support/certificates.js';

const PASSPHRASE = 'open sesame';
const url = new URL('wss://localhost');

describe.skipIf(withoutOpenssl)('the files of certificates', () => {
  const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-pem-'));
  const path = (name: string) => join(folder, name);
  let authority: CertificateAuthority;
  let client: Certificate;
  beforeAll(() => {
    authority = new CertificateAuthority();
    client = authority.issue('DNS:client');
    const write = (name: string, content: string) => writeFileSync(path(name), content, { mode: 0o600 });
    write('ca.pem', authority.pem);
    write('c.pem', client.cert);
    write('c.key', client.key);
    const encrypted = {
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: PASSPHRASE,
    } as const;
    write('e.key', createPrivateKey(client.key).export(encrypted).toString());
    write('hello', 'hello\n');
    write('pass', `${PASSPHRASE}\n`);
    authority.convert('pkcs12 -export -passout pass:x', client, path('c.p12'));
    authority.convert('x509 -outform DER', client, path('c.der'));
    authority.convert('pkey -outform DER', client, path('k.der'));
    authority.convert('pkcs8 -topk8 -outform DER -passout pass:x', client, path('e.der'));
    authority.convert('crl2pkcs7 -nocrl -certfile both.pem', client, path('c.p7b'));
    authority.convert('crl2pkcs7 -nocrl -certfile both.pem -outform DER', client, path('d.p7b'));
  });
  afterAll(() => {
    authority.remove();
    rmSync(folder, { recursive: true });
  });

  const inFolder = (paths: KeptRouteOptions): KeptRouteOptions =>
    Object.fromEntries(
      Object.entries(paths as Record<string, string>).map(([name, file]) => [
        name,
        file.startsWith('/') ? file : path(file),
      ]),
    );

  const routeOf = async (paths: KeptRouteOptions, base = url) =>
    new ServerRoute(base, await readPemFiles(paths, undefined, undefined));

  it.each<[string, KeptRouteOptions, RegExp]>([
    [
      'a CA that is not there',
      { ca: 'nosuch.pem' },
      /^--ca .*nosuch\.pem cannot be read: there is no such file\nCheck the path\./,
    ],
    [
      'a CA that is a folder',
      { ca: '.' },
      /^--ca .* cannot be read: it is a directory \(EISDIR\)\nGive the path of a file\./,
    ],
    ['a CA that is none', { ca: 'hello' }, /^--ca .*hello holds no PEM certificate/],
    ['a CA that is a key', { ca: 'c.key' }, /c\.key holds no PEM certificate\nIt holds a private key/],
    ['a device as CA', { ca: '/dev/zero' }, /^--ca \/dev\/zero holds no PEM certificate/],
    [
      'a certificate without its key',
      { cert: 'c.pem' },
      /^--cert .*c\.pem holds no private key\n.*with --key/,
    ],
    ['a key without a certificate', { key: 'c.key' }, /^--key .*c\.key needs --cert/],
    [
      'PKCS#12',
      { cert: 'c.p12' },
      /c\.p12 is PKCS#12, not PEM\n.*openssl pkcs12 -in .*c\.p12 -out .*c\.pem\n/,
    ],
    [
      'a certificate in DER',
      { cert: 'c.der', key: 'c.key' },
      /openssl x509 -inform DER -in .*c\.der -out .*c\.pem/,
    ],
    ['a key in DER', { cert: 'c.pem', key: 'k.der' }, /openssl pkey -inform DER -in .*k\.der -out .*k\.pem/],
    [
      'an encrypted key in DER',
      { cert: 'c.pem', key: 'e.der' },
      /openssl pkey -inform DER -aes256 -in .*e\.der/,
    ],
    [
      'PKCS#7',
      { ca: 'c.p7b' },
      /is PKCS#7, not PEM\n.*openssl pkcs7 -print_certs -in .*c\.p7b -out .*c\.pem/,
    ],
    ['PKCS#7 in DER', { ca: 'd.p7b' }, /openssl pkcs7 -inform DER -print_certs -in .*d\.p7b/],
    [
      'an encrypted key without a terminal',
      { cert: 'c.pem', key: 'e.key' },
      /e\.key is encrypted\n.*--key-passphrase-file/,
    ],
    [
      'a wrong passphrase',
      { cert: 'c.pem', key: 'e.key', keyPassphraseFile: 'hello' },
      /^the passphrase of --key .*e\.key is wrong/,
    ],
    [
      'a passphrase that is not there',
      { cert: 'c.pem', key: 'e.key', keyPassphraseFile: 'no' },
      /^--key-passphrase-file .*no cannot be read/,
    ],
  ])('are refused: %s', async (_, paths, message) => {
    const error = await routeOf(inFolder(paths)).catch((one: unknown) => one);
    expect(error).toMatchObject({ code: 'USAGE' });
    const { message: what, hint = '' } = error as { message: string; hint?: string };
    expect(`${what}\n${hint}`).toMatch(message);
  });

  it('give the passphrase of a file, or ask for it once', async () => {
    const paths = inFolder({ cert: 'c.pem', key: 'e.key' });
    const questions: string[] = [];
    const ask = async (question: string) => {
      questions.push(question);
      return PASSPHRASE;
    };
    expect(await readPemFiles(paths, undefined, ask)).toMatchObject({ keyPassphrase: PASSPHRASE });
    const withFile = { ...paths, keyPassphraseFile: path('pass') };
    expect(await readPemFiles(withFile, undefined, ask)).toMatchObject({
      keyPassphrase: PASSPHRASE,
      warnings: [],
    });
    expect(questions).toEqual([`Passphrase of ${path('e.key')}: `]);
  });

  it('are those of the context, named so in messages, unless others are typed', async () => {
    const context = {
      name: 'lab',
      url: url.href,
      ...inFolder({ cert: 'c.pem', key: 'c.key', ca: 'nosuch' }),
    };
    await expect(readPemFiles({}, context, undefined)).rejects.toMatchObject({
      message: expect.stringMatching(/^the ca of context lab \(.*nosuch\) cannot be read/),
    });
    const typed = inFolder({ ca: 'ca.pem' });
    expect(await readPemFiles(typed, context, undefined)).toMatchObject({
      ca: authority.pem,
      ...client,
    });
    const withOther = inFolder({ ca: 'ca.pem', cert: 'c.pem' });
    const other = await readPemFiles(withOther, context, undefined);
    expect(() => new ServerRoute(url, other)).toThrow(/^--cert .* holds no private key/);
  });

  it('are refused for ws://, which has no TLS', async () => {
    const paths = inFolder({ cert: 'c.pem', key: 'c.key' });
    await expect(routeOf(paths, new URL('ws://localhost'))).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('are read without a check of the key when the user stops', async () => {
    const paths = inFolder({ ca: 'ca.pem', cert: 'c.pem', key: 'e.key' });
    const contents = await readPemFiles(paths, undefined, async () => undefined);
    expect(contents).toMatchObject({ ca: authority.pem, warnings: [] });
    expect(contents).not.toHaveProperty('cert');
  });

  it.skipIf(process.platform === 'win32')('warn of a key that others may read', async () => {
    writeFileSync(path('open.key'), client.key, { mode: 0o644 });
    const { warnings } = await readPemFiles(
      inFolder({ cert: 'c.pem', key: 'open.key' }),
      undefined,
      undefined,
    );
    expect(warnings).toEqual([
      expect.stringMatching(/other users .* may read --key .*open\.key; run: chmod 600/),
    ]);
  });
});
