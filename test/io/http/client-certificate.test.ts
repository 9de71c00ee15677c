import { createPrivateKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OpmasError } from '../../../src/core/errors.js';
import {
  type ClientCertificateOptions,
  readClientCertificate,
} from '../../../src/io/http/client-certificate.js';
import { type Certificate, CertificateAuthority, withoutOpenssl } from '../../support/certificates.js';

const DAY_MS = 86_400_000;

function faultOf(options: ClientCertificateOptions, nowMs = Date.now()): OpmasError {
  try {
    readClientCertificate(options, nowMs);
  } catch (error) {
    if (error instanceof OpmasError && error.code === 'USAGE') return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe.skipIf(withoutOpenssl)('a client certificate', () => {
  let authority: CertificateAuthority;
  let client: Certificate;
  let other: Certificate;
  beforeAll(() => {
    authority = new CertificateAuthority();
    client = authority.issue('DNS:client', 2, { newKey: 'rsa:2048' });
    other = authority.issue('DNS:other');
  });
  afterAll(() => authority.remove());

  const encrypted = (type: 'pkcs8' | 'pkcs1', passphrase = 'open sesame') =>
    createPrivateKey(client.key)
      .export({ type, format: 'pem', cipher: 'aes-256-cbc', passphrase })
      .toString();

  it('is none when none is given', () => {
    expect(readClientCertificate({}, Date.now())).toBeUndefined();
  });

  it.each<[string, () => ClientCertificateOptions]>([
    ['in two texts', () => client],
    ['in one text', () => ({ cert: `${client.key}${client.cert}` })],
    ['with the chain above it', () => ({ ...client, cert: client.cert + authority.pem })],
    ['with the chain in the wrong order', () => ({ ...client, cert: authority.pem + client.cert })],
    [
      'with text around it, as openssl pkcs12 writes it',
      () => ({ cert: `Bag Attributes\n  a: B\n${client.cert}Bag\n${client.key}` }),
    ],
    [
      'with the line ends of Windows',
      () => ({ cert: client.cert.replaceAll('\n', '\r\n'), key: client.key.replaceAll('\n', '\r\n') }),
    ],
    [
      'with an encrypted key',
      () => ({ cert: client.cert, key: encrypted('pkcs8'), keyPassphrase: 'open sesame' }),
    ],
    [
      'with a key of the old encrypted form',
      () => ({ cert: client.cert, key: encrypted('pkcs1'), keyPassphrase: 'open sesame' }),
    ],
  ])('is read %s, with the leaf first and the key in clear', (_, make) => {
    const read = readClientCertificate(make(), Date.now());
    expect(read?.cert.replaceAll('\r', '').startsWith(client.cert.trim())).toBe(true);
    expect(createPrivateKey(read!.key).equals(createPrivateKey(client.key))).toBe(true);
  });

  it.each<[string, () => ClientCertificateOptions, string, RegExp?]>([
    ['a key alone', () => ({ key: client.key }), 'key needs cert'],
    ['a passphrase alone', () => ({ keyPassphrase: 'x' }), 'keyPassphrase needs cert'],
    ['a certificate without a key', () => ({ cert: client.cert }), 'cert holds no private key', /with key/],
    [
      'the two swapped',
      () => ({ cert: client.key, key: client.cert }),
      'cert holds no PEM certificate',
      /swapped/,
    ],
    ['a key that is none', () => ({ cert: client.cert, key: 'hello' }), 'key holds no PEM private key'],
    [
      'a key of another certificate',
      () => ({ cert: client.cert, key: other.key }),
      'key does not fit the certificate',
    ],
    [
      'an encrypted key without its passphrase',
      () => ({ cert: client.cert, key: encrypted('pkcs8') }),
      'the private key in key is encrypted',
      /keyPassphrase/,
    ],
    [
      'a wrong passphrase',
      () => ({ cert: client.cert, key: encrypted('pkcs8'), keyPassphrase: 'open barley' }),
      'the passphrase of key is wrong',
    ],
    [
      'a wrong passphrase of the old form',
      () => ({ cert: client.cert, key: encrypted('pkcs1'), keyPassphrase: 'open barley' }),
      'the passphrase of key is wrong',
    ],
    [
      'a damaged certificate',
      () => ({ ...client, cert: client.cert.replace(/\n.{20}/, '\n') }),
      'cert holds a damaged certificate',
    ],
    [
      'a damaged key',
      () => ({ ...client, key: client.key.replace(/\n.{20}/, '\n') }),
      'the private key in key is damaged, or of a kind that OpenSSL does not know',
    ],
  ])('is refused: %s', (_, make, message, hint = /^/) => {
    const fault = faultOf(make());
    expect(fault.message).toBe(message);
    expect(fault.hint ?? '').toMatch(hint);
    expect(`${fault.message}${fault.hint}`).not.toContain('open ');
  });

  it('is refused before and after its time, with a word about the clock', () => {
    for (const [days, what] of [
      [3, 'expired on'],
      [-3, 'is not valid before'],
    ] as const) {
      const fault = faultOf(client, Date.now() + days * DAY_MS);
      expect(fault.message).toContain(`the certificate in cert ${what} `);
      expect(fault.hint).toContain('unless the clock of this machine is wrong (20');
    }
  });
});
