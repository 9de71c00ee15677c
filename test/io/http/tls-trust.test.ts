import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tls from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Environment } from '../../../src/io/http/proxy-choice.js';
import { systemStore, TlsTrust } from '../../../src/io/http/tls-trust.js';
import { type Certificate, CertificateAuthority, withoutOpenssl } from '../../support/certificates.js';
import { RawServer } from '../../support/raw-server.js';

const damaged = '-----BEGIN CERTIFICATE-----\nMIIBdamaged\n-----END CERTIFICATE-----\n';

describe.skipIf(withoutOpenssl)('the CAs that count', () => {
  const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-trust-'));
  const names = ['first', 'second', 'third', 'given', 'unknown'] as const;
  const authorities = new Map<string, CertificateAuthority>();
  const servers = new Map<string, RawServer>();
  /** The certificate of the last server. */
  let leaf: Certificate;
  const path = (name: string) => join(folder, name);

  beforeAll(async () => {
    mkdirSync(path('certs'));
    for (const name of names) {
      const authority = new CertificateAuthority(`opmas-ws test CA, ${name}`);
      authorities.set(name, authority);
      leaf = authority.issue('DNS:localhost');
      servers.set(name, await RawServer.start({ tls: leaf }));
    }
    writeFileSync(path('first.pem'), `# comments\n${damaged}${authorities.get('first')!.pem}`);
    cpSync(authorities.get('second')!.path, path('certs/0123abcd.0'));
    cpSync(authorities.get('third')!.path, path('third.pem'));
    writeFileSync(path('certs/README'), 'no certificate');
  });
  afterAll(async () => {
    for (const authority of authorities.values()) authority.remove();
    for (const server of servers.values()) await server.stop();
    rmSync(folder, { recursive: true });
  });
  afterEach(() => vi.unstubAllEnvs());

  const environment = (): Environment => ({
    SSL_CERT_FILE: path('first.pem'),
    SSL_CERT_DIR: `${path('nowhere')}:${path('certs')}`,
    NODE_EXTRA_CA_CERTS: path('third.pem'),
  });

  async function isTrusted(name: string, options: tls.ConnectionOptions): Promise<boolean> {
    const socket = tls.connect({ port: servers.get(name)!.port, servername: 'localhost', ...options });
    try {
      return await new Promise((resolve) => {
        socket.once('secureConnect', () => resolve(true)).once('error', () => resolve(false));
      });
    } finally {
      socket.destroy();
    }
  }

  it.each([
    ['as usual', ''],
    ['where an option of Node.js replaces its own', '--use-openssl-ca'],
  ])('add up: those of the environment, and those given, %s', async (_, options) => {
    vi.stubEnv('NODE_OPTIONS', options);
    const { server } = new TlsTrust({ ca: authorities.get('given')!.pem }, environment());
    const trusted = await Promise.all(names.map((name) => isTrusted(name, server)));
    expect(trusted).toEqual([true, true, true, true, false]);
  });

  it('may be the certificate of a server itself', async () => {
    const { server } = new TlsTrust({ ca: leaf.cert }, {});
    const trusted = await Promise.all(names.map((name) => isTrusted(name, server)));
    expect(trusted).toEqual([false, false, false, false, true]);
  });

  it('are only those of the system where the environment names none', async () => {
    const { server } = new TlsTrust({}, {});
    expect(await Promise.all(names.map((name) => isTrusted(name, server)))).not.toContain(true);
  });

  it.each([
    ['is not there', 'nosuch.pem'],
    ['is a folder', 'certs'],
    ['holds no certificate', 'certs/README'],
  ])('are read without an error when a file %s; it is known for a later message', (_, name) => {
    const { certificates, problems } = systemStore({ ...environment(), SSL_CERT_FILE: path(name) });
    expect(certificates).toEqual(
      expect.arrayContaining(['second', 'third'].map((each) => authorities.get(each)!.pem.trim())),
    );
    expect(problems).toEqual([`SSL_CERT_FILE=${path(name)} names no readable PEM certificate`]);
  });

  it('are not read without end from a device', () => {
    const problems = ['SSL_CERT_FILE=/dev/zero names no readable PEM certificate'];
    expect(systemStore({ SSL_CERT_FILE: '/dev/zero' }).problems).toEqual(problems);
  });
});
