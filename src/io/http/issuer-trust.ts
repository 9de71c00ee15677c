import { X509Certificate } from 'node:crypto';
import * as net from 'node:net';
import * as tls from 'node:tls';

const LIMIT_MS = 2500;
/** No chain is longer; one that refers to itself would have no end. */
const LONGEST_CHAIN = 10;

/**
 * Tells whether a CA that is trusted here has issued a server's certificate, whatever its dates. OpenSSL names only one
 * fault of a certificate, and an expired one of an attacker must not pass for a forgotten renewal.
 *
 * @param ca PEM of the CA to trust in place of the usual ones. @returns `false` when the server shows no certificate.
 */
export async function isIssuerTrusted(host: string, port: number, ca: string | undefined): Promise<boolean> {
  const servername = net.isIP(host) === 0 ? { servername: host } : {};
  // Nothing is sent over this connection.
  const socket = tls.connect({ host, port, ...servername, rejectUnauthorized: false });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.on('error', reject);
      socket.setTimeout(LIMIT_MS, () => reject(new Error('no TLS answer in time')));
    });
    return hasTrustedIssuer(socket.getPeerX509Certificate(), ca);
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
