import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { OpmasError } from '../../core/errors.js';

/** The user's choice of a client certificate, as PEM. */
export interface ClientCertificateOptions {
  /** The certificate, and the chain above it, if the server needs it. May also hold the key. */
  cert?: string | undefined;
  /** Its private key. Default: the one in `cert`. */
  key?: string | undefined;
  /** Decrypts the key. */
  keyPassphrase?: string | undefined;
  /** The origins of options, for messages: `{ cert: '--cert client.pem' }`. Default: their names. */
  sources?: { readonly [Name in 'proxy' | 'ca' | 'cert' | 'key' | 'keyPassphrase']?: string } | undefined;
}

/** A client certificate that can be used: the leaf first, and the key without a passphrase. */
export interface ClientCertificate {
  cert: string;
  key: string;
}

const PEM_CERTIFICATE = 'A PEM certificate begins with -----BEGIN CERTIFICATE-----.';
const PEM_KEY = 'A PEM key begins with -----BEGIN PRIVATE KEY-----.';
const OPTION_NAMES = { cert: 'cert', key: 'key', keyPassphrase: 'keyPassphrase' };

/**
 * Reads a client certificate and checks it: key and certificate belong together, and the certificate is valid now.
 *
 * @param nowMs Wall clock, milliseconds since 1970.
 * @returns `undefined` when none is given.
 * @throws {OpmasError} `USAGE`, naming the option and what to do.
 */
export function readClientCertificate(
  options: ClientCertificateOptions,
  nowMs: number,
): ClientCertificate | undefined {
  const { cert, key: ownKey, keyPassphrase, sources } = options;
  const names = { ...OPTION_NAMES, ...sources };
  if (cert === undefined) {
    if (ownKey === undefined && keyPassphrase === undefined) return undefined;
    throw usage(
      `${ownKey === undefined ? names.keyPassphrase : names.key} needs ${names.cert}`,
      `Give the certificate with ${names.cert}.`,
    );
  }
  const chain = certificatesIn(cert);
  if (chain.length === 0) {
    const areSwapped = privateKeyIn(cert) !== undefined && certificatesIn(ownKey ?? '').length > 0;
    const hint = areSwapped ? 'Are the two swapped?' : PEM_CERTIFICATE;
    throw usage(`${names.cert} holds no PEM certificate`, hint);
  }
  const key = readKey(options, names);
  const certificates = chain.map((pem) => parseCertificate(pem, names.cert));
  // OpenSSL takes the first for our own. Programs that convert certificates do not always write it first.
  const own = certificates.findIndex((certificate) => certificate.checkPrivateKey(key));
  if (own < 0) {
    throw usage(
      `${ownKey === undefined ? `the private key in ${names.cert}` : names.key} does not fit the certificate`,
      'Give the key that the certificate was made for.',
    );
  }
  checkDates(certificates[own]!, nowMs, names.cert);
  const ordered = [chain[own]!, ...chain.filter((_, index) => index !== own)];
  return { cert: ordered.join('\n'), key: key.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

/** Returns the certificates in a text, each as PEM of its own, so that a damaged one does not hide those behind it. */
export function certificatesIn(text: string): string[] {
  return text.match(/-----BEGIN ((TRUSTED |X509 )?CERTIFICATE)-----\s[\s\w+/=]+-----END \1-----/g) ?? [];
}

/** Returns the certificates of a CA that the user gave, as PEM of their own. @throws {OpmasError} `USAGE` */
export function readCa(text: string | undefined, name = 'ca'): string[] {
  if (text === undefined) return [];
  const certificates = certificatesIn(text);
  if (certificates.length === 0) {
    const isKey = privateKeyIn(text) !== undefined;
    throw usage(
      `${name} holds no PEM certificate`,
      isKey ? 'It holds a private key. Give the certificate of the CA.' : PEM_CERTIFICATE,
    );
  }
  for (const pem of certificates) parseCertificate(pem, name);
  return certificates;
}

/** Returns whether a passphrase is needed for the private key in a text. */
export function isKeyEncrypted(text: string): boolean {
  return /^(-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED)/m.test(privateKeyIn(text) ?? '');
}

function privateKeyIn(text: string): string | undefined {
  return /-----BEGIN ([A-Z ]*PRIVATE KEY)-----[\s\S]+?-----END \1-----/.exec(text)?.[0];
}

function readKey(
  { cert, key, keyPassphrase }: ClientCertificateOptions,
  names: typeof OPTION_NAMES,
): KeyObject {
  const pem = privateKeyIn(key ?? cert ?? '');
  if (pem === undefined) {
    if (key !== undefined) throw usage(`${names.key} holds no PEM private key`, PEM_KEY);
    throw usage(`${names.cert} holds no private key`, `Give the key with ${names.key}.`);
  }
  const holder = key === undefined ? names.cert : names.key;
  const isEncrypted = isKeyEncrypted(pem);
  if (isEncrypted && keyPassphrase === undefined) {
    throw usage(
      `the private key in ${holder} is encrypted`,
      `Give its passphrase with ${names.keyPassphrase}.`,
    );
  }
  try {
    return createPrivateKey({ key: pem, passphrase: keyPassphrase });
  } catch (cause) {
    // OpenSSL finds a wrong passphrase by what it decrypts, so it names many faults.
    if (isEncrypted)
      throw usage(`the passphrase of ${holder} is wrong`, 'Try it: openssl pkey -noout -in FILE');
    throw usage(
      `the private key in ${holder} is damaged, or of a kind that OpenSSL does not know`,
      undefined,
      cause,
    );
  }
}

function parseCertificate(pem: string, name: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw usage(`${name} holds a damaged certificate`, undefined, cause);
  }
}

function checkDates({ validFrom, validTo }: X509Certificate, nowMs: number, name: string): void {
  const clock = `unless the clock of this machine is wrong (${new Date(nowMs).toISOString()})`;
  if (Date.parse(validTo) < nowMs) {
    throw usage(`the certificate in ${name} expired on ${validTo}`, `Get a new one, ${clock}.`);
  }
  if (Date.parse(validFrom) > nowMs) {
    throw usage(`the certificate in ${name} is not valid before ${validFrom}`, `Wait until then, ${clock}.`);
  }
}

function usage(what: string, hint?: string, cause?: unknown): OpmasError {
  return new OpmasError('USAGE', what, { hint, cause });
}
