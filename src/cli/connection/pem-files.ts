import { OpmasError, type RouteOptions } from '../../index.js';
import { isKeyEncrypted, quoted, readSecretFile } from '../../internal.js';
import type { KeptRouteOptions } from '../options/server-options.js';

/** The content of the files, and warnings about them. */
interface PemContents extends Pick<RouteOptions, 'ca' | 'cert' | 'key' | 'keyPassphrase' | 'sources'> {
  warnings: string[];
}

/** Asks for a passphrase. `undefined` = connect without the certificate, if at all: the user stops. */
export type AskPassphrase = (question: string) => Promise<string | undefined>;

/** A file, and its name in messages. */
interface PemFile {
  path: string;
  name: string;
}

/** A bundle of all public CAs, with comments, is smaller. */
const MAX_BYTES = 4 * 1024 ** 2;
const FLAGS = {
  ca: '--ca',
  cert: '--cert',
  key: '--key',
  keyPassphraseFile: '--key-passphrase-file',
} as const;

/**
 * Reads the files of a CA and of a client certificate. `ServerRoute` checks that they can be used.
 *
 * @param options Paths as typed; they come before those of the context.
 * @param ask For the passphrase of an encrypted key that no file has. @param nameOf Names a member of the context.
 * @throws {OpmasError} `USAGE`, naming the file and the remedy.
 */
export async function readPemFiles(
  options: KeptRouteOptions,
  context: (KeptRouteOptions & { name?: string }) | undefined,
  ask: AskPassphrase | undefined,
  nameOf = (what: string) => `the ${what} of context ${context!.name}`,
): Promise<PemContents> {
  const file = (option: keyof typeof FLAGS): PemFile | undefined => {
    const typed = options[option];
    if (typed !== undefined) return { path: typed, name: `${FLAGS[option]} ${typed}` };
    // A key belongs to its certificate.
    const stored = option !== 'ca' && options.cert !== undefined ? undefined : context?.[option];
    if (stored === undefined) return undefined;
    return { path: stored, name: `${nameOf(FLAGS[option].slice(2))} (${stored})` };
  };
  const [ca, cert, key, passphrase] = [file('ca'), file('cert'), file('key'), file('keyPassphraseFile')];
  const warnings: string[] = [];
  const sources = {
    ca: ca?.name ?? FLAGS.ca,
    cert: cert?.name ?? FLAGS.cert,
    key: key?.name ?? FLAGS.key,
    keyPassphrase: passphrase?.name ?? FLAGS.keyPassphraseFile,
  };
  const contents: PemContents = {
    sources,
    ca: await readPem(ca),
    cert: await readPem(cert),
    key: await readPem(key, warnings),
    keyPassphrase: (await readFileOf(passphrase, warnings))?.toString().replace(/\r?\n$/, ''),
    warnings,
  };
  const isAsked = contents.keyPassphrase === undefined && isKeyEncrypted(contents.key ?? contents.cert ?? '');
  if (isAsked && ask !== undefined) {
    contents.keyPassphrase = await ask(`Passphrase of ${(key ?? cert)?.path}: `);
    if (contents.keyPassphrase === undefined) return { ca: contents.ca, sources, warnings };
  }
  return contents;
}

/** @param warnings For a file that is to be secret. */
async function readFileOf(file: PemFile | undefined, warnings?: string[]): Promise<Buffer | undefined> {
  if (file === undefined) return undefined;
  const { bytes, warning } = await readSecretFile(file.path, file.name, MAX_BYTES).catch(asUsage);
  if (warning !== undefined) warnings?.push(warning);
  return bytes;
}

/** Throws an error about a file that the user named. */
export function asUsage(error: OpmasError): never {
  throw new OpmasError('USAGE', error.message, { hint: error.hint, cause: error });
}

/** Reads a file as text, unless it has another form than PEM. */
async function readPem(file: PemFile | undefined, warnings?: string[]): Promise<string | undefined> {
  const bytes = await readFileOf(file, warnings);
  if (file === undefined || bytes === undefined) return undefined;
  const form = otherFormOf(bytes);
  if (form === undefined) return bytes.toString('utf8');
  const [label, command] = form;
  const target = quoted(`${file.path.replace(/\.\w+$/, '')}.pem`);
  const both = command === 'pkcs12' ? `\nThen give --cert ${target}, which also holds the key.` : '';
  throw new OpmasError('USAGE', `${file.name} is ${label}, not PEM`, {
    hint: `Convert it: openssl ${command} -in ${quoted(file.path)} -out ${target}${both}`,
  });
}

/** Recognizes files that are often taken for PEM. @returns Their name, and the command of OpenSSL that reads them. */
function otherFormOf(bytes: Buffer): readonly [string, string] | undefined {
  const text = bytes.toString('latin1', 0, 4096);
  if (/-----BEGIN (PKCS7|CMS)-----/.test(text)) return ['PKCS#7', 'pkcs7 -print_certs'];
  // DER begins with a SEQUENCE and its length; what comes first in it tells the form.
  const length = bytes[1] ?? 0;
  if (bytes[0] !== 0x30 || text.includes('-----BEGIN')) return undefined;
  const content = bytes.subarray(length < 0x80 ? 2 : 2 + (length & 0x7f)).toString('hex', 0, 16);
  if (content.startsWith('020103')) return ['PKCS#12', 'pkcs12'];
  if (content.startsWith('06092a864886f70d0107')) return ['PKCS#7 in DER', 'pkcs7 -inform DER -print_certs'];
  if (/^30..06092a864886f70d01(05|0c)/.test(content))
    return ['an encrypted key in DER', 'pkey -inform DER -aes256'];
  return content.startsWith('0201') ? ['a key in DER', 'pkey -inform DER'] : ['DER', 'x509 -inform DER'];
}
