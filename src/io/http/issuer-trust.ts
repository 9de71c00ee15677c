import { X509Certificate } from 'node:crypto';
import * as net from 'node:net';
import * as tls from 'node:tls';
import { targetOf } from '../../core/address.js';
import type { ServerRoute } from './server-route.js';

const LIMIT_MS = 2500;
/** No chain is longer; one that refers to itself would have no end. */
const LONGEST_CHAIN = 10;

/**
 * Tells whether a CA that is trusted here has issued the server's certificate, whatever its dates. OpenSSL names only one
 * fault of a certificate, and an expired one of an attacker must not pass for a forgotten renewal.
 *
 * @returns `false` when the server shows no certificate.
 */
export async function isIssuerTrusted(route: ServerRoute): Promise<boolean> {
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
    return hasTrustedIssuer(socket.getPeerX509Certificate(), route.tls.ca);
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

function hasTrustedIssuer(leaf: X509Certificate | undefined, ca: string | undefined): boolean {
  const pems =
    ca === undefined ? tls.rootCertificates : (ca.match(/-----BEGIN[\s\S]+?-----END[^\n]+/g) ?? []);
  const roots = pems.map((pem) => new X509Certificate(pem));
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
