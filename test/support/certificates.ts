import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why no certificates can be made here; `undefined` when they can. */
export const withoutOpenssl: string | undefined =
  spawnSync('openssl', ['version']).status === 0 ? undefined : 'openssl is not installed';

export interface Certificate {
  key: string;
  cert: string;
}

export interface IssueOptions {
  newKey?: string;
  digest?: string;
}

/** A CA of its own for one test file, whose keys are worth nothing. */
export class CertificateAuthority {
  readonly #folder = mkdtempSync(join(tmpdir(), 'opmas-ws-ca-'));
  /** Path of the CA's certificate. */
  readonly path = join(this.#folder, 'ca.pem');

  constructor(name = 'opmas-ws test CA') {
    this.#openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'key.pem');
    this.#openssl(
      ...['req', '-x509', '-new', '-key', 'key.pem', '-days', '2', '-subj', `/CN=${name}`],
      ...['-out', 'ca.pem'],
    );
  }

  /** The CA's certificate as PEM. */
  get pem(): string {
    return readFileSync(this.path, 'utf8');
  }

  /**
   * A certificate for a name (`DNS:localhost`, `IP:127.0.0.1`); one that expired if the days are negative.
   *
   * @param options `newKey`: a key of its own, such as `rsa:768`. `digest`: of the signature, such as `sha1`.
   */
  issue(names: string, days = 2, { newKey, digest = 'sha256' }: IssueOptions = {}): Certificate {
    const key = newKey === undefined ? 'key.pem' : 'own.pem';
    const making =
      newKey === undefined
        ? ['-new', '-key', key]
        : ['-nodes', '-newkey', ...newKey.split(' '), '-keyout', key];
    writeFileSync(join(this.#folder, 'names.ext'), `subjectAltName=${names}`);
    this.#openssl('req', ...making, '-subj', '/CN=server', '-out', 'request.pem');
    this.#openssl(
      ...['x509', '-req', '-in', 'request.pem', '-CA', 'ca.pem', '-CAkey', 'key.pem', '-CAcreateserial'],
      ...['-days', String(days), `-${digest}`, '-extfile', 'names.ext', '-out', 'cert.pem'],
    );
    return { key: this.#read(key), cert: this.#read('cert.pem') };
  }

  /** A certificate that nobody but itself has signed. */
  selfSigned(): Certificate {
    this.#openssl(
      ...['req', '-x509', '-new', '-key', 'key.pem', '-days', '2', '-subj', '/CN=localhost'],
      ...['-addext', 'subjectAltName=DNS:localhost', '-out', 'self.pem'],
    );
    return { key: this.#read('key.pem'), cert: this.#read('self.pem') };
  }

  /** Writes certificate and key in another form. @param command Of OpenSSL: `x509 -outform DER`. */
  convert(command: string, { cert, key }: Certificate, path: string): void {
    writeFileSync(join(this.#folder, 'both.pem'), cert + key);
    this.#openssl(...command.split(' '), '-in', 'both.pem', '-out', path);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #read(name: string): string {
    return readFileSync(join(this.#folder, name), 'utf8');
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: 'ignore' });
  }
}
