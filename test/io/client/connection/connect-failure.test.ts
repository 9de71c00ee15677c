import { expect, it } from 'vitest';
import { connectFailureOf } from '../../../../src/io/client/connection/connect-failure.js';
import { ProxyError } from '../../../../src/io/http/proxy.js';

const system = (code: string, more: object = {}) =>
  Object.assign(new Error(`connect ${code}`), { code, ...more });
const proxy = {
  url: new URL('http://user:secret@proxy:3128'),
  variable: 'http_proxy',
  credentials: undefined,
};

it.each([
  [
    system('ECONNREFUSED', { address: '127.0.0.1', port: 1 }),
    'unreachable',
    'connection refused (127.0.0.1:1)',
  ],
  [system('ECONNRESET'), 'unreachable', 'connection reset'],
  [system('ECONNRESET', { message: 'socket hang up' }), 'unreachable', 'closed before the upgrade'],
  [system('ENOTFOUND', { hostname: 'x.test' }), 'unknown host', 'host x.test does not exist'],
  [system('EAI_AGAIN', { hostname: 'x.test' }), 'unreachable', 'name server does not answer'],
  [system('EMFILE'), 'unreachable', 'too many open files on this machine'],
  [system('ETIMEDOUT', { address: '::1', port: 8000 }), 'unreachable', 'no answer ([::1]:8000)'],
  [
    system('EHOSTUNREACH', { address: '192.0.2.1', port: 80 }),
    'unreachable',
    'host unreachable (192.0.2.1:80)',
  ],
  [system('ENETUNREACH'), 'unreachable', 'network unreachable'],
  [system('EWHATEVER'), 'unreachable', 'EWHATEVER'],
  [system('HPE_HEADER_OVERFLOW'), 'garbled', 'the header of its answer is too large (HPE_HEADER_OVERFLOW)'],
  [system('EPROTO'), 'garbled', 'the server does not speak TLS there, or not as we do'],
  [system('ERR_SSL_WRONG_VERSION_NUMBER'), 'garbled', 'the server does not speak TLS there, or not as we do'],
  ...[
    'CERT_HAS_EXPIRED',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'CERT_REVOKED',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'CERT_NOT_YET_VALID',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'HOSTNAME_MISMATCH',
    'CERT_UNTRUSTED',
  ].map(
    (code) =>
      [system(code), 'certificate', `the server's certificate is not trusted: connect ${code}`] as const,
  ),
  [
    new Error('Invalid Sec-WebSocket-Accept header'),
    'garbled',
    'garbled upgrade: Invalid Sec-WebSocket-Accept header',
  ],
  [
    new ProxyError(proxy, 'refusal', 'refused', { status: 407 }),
    'garbled',
    'the proxy http://proxy:3128 (http_proxy) refused',
  ],
  [
    new ProxyError(proxy, 'silent', 'is away'),
    'unreachable',
    'the proxy http://proxy:3128 (http_proxy) is away',
  ],
] as const)('%o is %s: %s', (error, failure, text) => {
  expect(connectFailureOf(error)).toMatchObject({ failure, error: text });
});

it('names each address that was tried, once', () => {
  const errors = [
    system('ECONNREFUSED', { address: '::1', port: 8000 }),
    system('ECONNREFUSED', { address: '127.0.0.1', port: 8000 }),
    system('ECONNREFUSED', { address: '127.0.0.1', port: 8000 }),
  ];
  expect(connectFailureOf(new AggregateError(errors, ''))).toMatchObject({
    failure: 'unreachable',
    error: 'connection refused ([::1]:8000, 127.0.0.1:8000)',
  });
});
