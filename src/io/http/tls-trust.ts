import { readdirSync, readFileSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import * as tls from 'node:tls';
import { OpmasError } from '../../core/errors.js';
import type { TlsSide } from '../../core/failure/from-error.js';
import { systemClock } from '../clock.js';
import {
  type ClientCertificate,
  type ClientCertificateOptions,
  certificatesIn,
  readCa,
  readClientCertificate,
} from './client-certificate.js';
import type { Environment } from './proxy-choice.js';

/** The user's choices about certificates. */
export interface TrustOptions extends ClientCertificateOptions {
  /** PEM of CAs to trust, besides those of Node.js, of the system and of the environment. */
  ca?: string | undefined;
  /** Leaves the server's certificate unverified. Default false. */
  insecure?: boolean | undefined;
}

/** The certificates of a TLS connection, as options of Node.js. */
export type TlsOptions = Required<Pick<tls.ConnectionOptions, 'secureContext' | 'rejectUnauthorized'>>;

/** The CAs that the system and the environment name, besides those of Node.js. */
interface SystemStore {
  /** PEM, one certificate each. */
  certificates: readonly string[];
  /** Variables that name something that cannot be used, as clauses for people. */
  problems: readonly string[];
}

/** The system's store as one file; the first that exists counts. */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt', // Debian, Arch, Alpine
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem', // Fedora, RHEL
  '/etc/pki/tls/certs/ca-bundle.crt', // older RHEL
  '/etc/ssl/ca-bundle.pem', // SUSE
  '/etc/ssl/cert.pem', // Alpine, BSD, macOS
  '/usr/local/share/certs/ca-root-nss.crt', // FreeBSD
];
/** A bundle has a quarter of a megabyte; a folder has some hundred files. */
const MAX_FILE_BYTES = 16 * 1024 ** 2;
const MAX_FILES = 2000;

/** Present in Node.js 22.15, 24 and newer. */
const { getCACertificates } = tls as { getCACertificates?: (type: 'system') => string[] };

/** The certificates that connections trust and show: one rule for streams, REST, checks and proxies. */
export class TlsTrust implements TlsSide {
  readonly #environment: Environment;
  readonly #added: readonly string[];
  readonly #isVerified: boolean;
  readonly #own: ClientCertificate | undefined;
  #server: TlsOptions | undefined;
  #proxy: TlsOptions | undefined;

  /** @throws {OpmasError} `USAGE` when a certificate cannot be used. */
  constructor(options: TrustOptions, environment: Environment) {
    this.#environment = environment;
    this.#added = readCa(options.ca, options.sources?.ca);
    this.#isVerified = options.insecure !== true;
    this.#own = readClientCertificate(options, systemClock.nowMicros() / 1000);
    if (this.#own !== undefined) this.#checkOwn();
  }

  /** For the server. Made at the first use, because it takes some milliseconds and `ws://` needs none. */
  get server(): TlsOptions {
    // Always set: without it, NODE_TLS_REJECT_UNAUTHORIZED would decide.
    this.#server ??= { secureContext: this.#makeContext(this.#own), rejectUnauthorized: this.#isVerified };
    return this.#server;
  }

  /** For a proxy, which is always verified and gets no certificate of ours. */
  get proxy(): TlsOptions {
    this.#proxy ??= { secureContext: this.#makeContext(undefined), rejectUnauthorized: true };
    return this.#proxy;
  }

  get hasCa(): boolean {
    return this.#added.length > 0;
  }

  get hasCertificate(): boolean {
    return this.#own !== undefined;
  }

  get trustProblems(): readonly string[] {
    return systemStore(this.#environment).problems;
  }

  /** All CAs that are trusted, as PEM. */
  get certificates(): readonly string[] {
    return [...tls.rootCertificates, ...this.#besides];
  }

  get #besides(): readonly string[] {
    return [...systemStore(this.#environment).certificates, ...this.#added];
  }

  #makeContext(own: ClientCertificate | undefined): tls.SecureContext {
    // As in curl: the certificate of a server, or of a CA below another, may be trusted by itself.
    const options = { ...own, allowPartialTrustChain: true };
    // This option of Node.js replaces its own CAs.
    const isReplaced = /openssl-ca/.test(`${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS}`);
    const context = isReplaced ? undefined : tls.createSecureContext(options);
    const store = context?.context as { addCACert?: (pem: string) => void } | undefined;
    // Adding to the CAs that all contexts share takes 3 ms. The option `ca` has to repeat those of Node.js, for 20 ms more.
    if (store?.addCACert === undefined) {
      return tls.createSecureContext({ ...options, ca: [...this.certificates] });
    }
    const known = new Set(tls.rootCertificates.map(withoutLineEnds));
    for (const pem of this.#besides) if (!known.has(withoutLineEnds(pem))) store.addCACert(pem);
    return context!;
  }

  /** OpenSSL refuses a certificate with a key that is too weak. */
  #checkOwn(): void {
    try {
      void this.server;
    } catch (cause) {
      const { reason = String(cause) } = cause as { reason?: string };
      throw new OpmasError('USAGE', `the client certificate cannot be used: ${reason}`, { cause });
    }
  }
}

const withoutLineEnds = (pem: string) => pem.replace(/[\r\n]/g, '');

let read: { names: string; store: SystemStore } | undefined;

/**
 * Reads the CAs that the system and the environment name: the system's store, the file of `SSL_CERT_FILE`, the folders
 * of `SSL_CERT_DIR` and the file of `NODE_EXTRA_CA_CERTS`. They add up. They are read once and never fail.
 */
export function systemStore(environment: Environment): SystemStore {
  const { SSL_CERT_FILE: file, SSL_CERT_DIR: folders, NODE_EXTRA_CA_CERTS: extra } = environment;
  const names = JSON.stringify([file, folders, extra]);
  if (read?.names !== names) {
    const problems: string[] = [];
    const fromFile = (variable: string, path: string | undefined) => {
      const found = path ? certificatesIn(readCertificates(path)) : [];
      if (path && found.length === 0) problems.push(`${variable}=${path} names no readable PEM certificate`);
      return found;
    };
    const certificates = new Set([
      ...osCertificates(),
      ...fromFile('SSL_CERT_FILE', file),
      ...(folders?.split(delimiter) ?? []).flatMap(certificatesOfFolder),
      ...fromFile('NODE_EXTRA_CA_CERTS', extra),
    ]);
    read = { names, store: { certificates: [...certificates], problems } };
  }
  return read.store;
}

function osCertificates(): string[] {
  const isFile = process.platform !== 'darwin' && process.platform !== 'win32';
  // A file holds the same certificates as the function gives, and is read in a tenth of the time.
  for (const path of isFile || getCACertificates === undefined ? BUNDLES : []) {
    const found = certificatesIn(readCertificates(path));
    if (found.length > 0) return found;
  }
  return getCACertificates?.('system') ?? [];
}

/** Reads the certificates in a folder. OpenSSL finds them there by hash; links with such names count once. */
function certificatesOfFolder(path: string): string[] {
  try {
    const names = readdirSync(path).filter((name) => /\.(pem|crt|cer|\d)$/.test(name));
    return names.slice(0, MAX_FILES).flatMap((name) => certificatesIn(readCertificates(join(path, name))));
  } catch {
    return [];
  }
}

/** Reads a file as text. Returns '' if it cannot be read, is too large, or is no file. */
function readCertificates(path: string): string {
  try {
    const stats = statSync(path);
    return stats.isFile() && stats.size <= MAX_FILE_BYTES ? readFileSync(path, 'latin1') : '';
  } catch {
    return '';
  }
}
