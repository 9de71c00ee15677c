import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { Failure } from '../../core/failure/failure.js';
import { greetTls, type Way } from './opening.js';
import type { TlsTrust } from './tls-trust.js';

const LIMIT_MS = 5000;
/** Longest chain: a chain that refers to itself would have no end. */
const LONGEST_CHAIN = 10;

/**
 * Calls a certificate untrusted that is, besides its other fault. OpenSSL names only one, and an expired certificate of
 * an attacker must not pass for a forgotten renewal.
 */
export async function untrustedFirst(failure: Failure, way: Way): Promise<Failure> {
  const isDated = failure.kind === 'certificate expired' || failure.kind === 'certificate not yet valid';
  if (!isDated || (await isIssuerTrusted(way))) return failure;
  return { ...failure, kind: 'certificate untrusted' };
}

/** Returns whether a CA that is trusted here has issued the server's certificate, whatever its dates. */
async function isIssuerTrusted(way: Way): Promise<boolean> {
  let socket: TLSSocket | undefined;
  try {
    // This connection carries no data.
    socket = await greetTls(way, { rejectUnauthorized: false }, LIMIT_MS);
    return hasTrustedIssuer(socket.getPeerX509Certificate(), way.trust);
  } catch {
    return false;
  } finally {
    socket?.destroy();
  }
}

function hasTrustedIssuer(leaf: X509Certificate | undefined, trust: TlsTrust): boolean {
  const roots = trust.certificates.flatMap(parse);
  let certificate = leaf;
  for (let length = 0; certificate !== undefined && length < LONGEST_CHAIN; length++) {
    const current = certificate;
    if (roots.some((root) => root.raw.equals(current.raw) || isIssuedBy(current, root))) return true;
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
