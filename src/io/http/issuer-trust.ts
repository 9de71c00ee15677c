import { X509Certificate } from 'node:crypto';
import * as net from 'node:net';
import * as tls from 'node:tls';
import { targetOf } from '../../core/address.js';
import type { Failure } from '../../core/failure/failure.js';
import { mayHideDistrust } from '../../core/failure/from-error.js';
import type { ProxyChoice } from './proxy-choice.js';
import type { TlsTrust } from './tls-trust.js';

const LIMIT_MS = 2500;
/** No chain is longer; one that refers to itself would have no end. */
const LONGEST_CHAIN = 10;

/** The way to a server. */
interface Route {
  base: URL;
  proxy: ProxyChoice | undefined;
  trust: TlsTrust;
}

/**
 * Calls a certificate untrusted that is, besides its other fault. OpenSSL names only one, and an expired certificate of
 * an attacker must not pass for a forgotten renewal.
 */
export async function untrustedFirst(failure: Failure, route: Route): Promise<Failure> {
  if (!mayHideDistrust(failure.kind) || route.proxy !== undefined || (await isIssuerTrusted(route))) {
    return failure;
  }
  return { ...failure, kind: 'certificate untrusted' };
}

/** Tells whether a CA that is trusted here has issued the server's certificate, whatever its dates. */
async function isIssuerTrusted(route: Route): Promise<boolean> {
  const target = targetOf(route.base);
  const servername = net.isIP(target.host) === 0 ? { servername: target.host } : {};
  // Nothing is sent over this connection.
  const socket = tls.connect({ ...target, ...servername, rejectUnauthorized: false });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.on('error', reject);
      socket.setTimeout(LIMIT_MS, () => reject(new Error('no TLS answer in time')));
    });
    return hasTrustedIssuer(socket.getPeerX509Certificate(), route.trust);
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

function hasTrustedIssuer(leaf: X509Certificate | undefined, trust: TlsTrust): boolean {
  const roots = trust.certificates.flatMap(parse);
  let certificate = leaf;
  for (let length = 0; certificate !== undefined && length < LONGEST_CHAIN; length++) {
    const current = certificate;
    if (roots.some((root) => isIssuedBy(current, root))) return true;
    const issuer: X509Certificate | undefined = current.issuerCertificate;
    certificate = issuer !== undefined && isIssuedBy(current, issuer) ? issuer : undefined;
  }
  return false;
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function parse(pem: string): X509Certificate[] {
  try {
    return [new X509Certificate(pem)];
  } catch {
    // A damaged entry of the system's store.
    return [];
  }
}
