import { expect, it } from 'vitest';
import { redactToken } from '../../../src/core/address.js';
import { failureOfError } from '../../../src/core/failure/from-error.js';
import { failureTable } from '../../../src/core/failure/table.js';
import { failedProxy, refusedByProxy } from '../../../src/io/http/proxy.js';

const system = (code: string, more: object = {}) =>
  Object.assign(new Error(`connect ${code}`), { code, ...more });
const proxy = {
  url: new URL('http://proxy:3128'),
  source: 'http_proxy',
  credentials: undefined,
};

it.each([
  [
    system('ECONNREFUSED', { address: '127.0.0.1', port: 1 }),
    'connection refused',
    'connection refused (127.0.0.1:1)',
  ],
  [system('ECONNRESET'), 'cut off', 'connection reset'],
  [system('ECONNRESET', { message: 'socket hang up' }), 'cut off', 'closed before the upgrade'],
  [system('ENOTFOUND', { hostname: 'x.test' }), 'unknown host', 'host x.test does not exist'],
  [system('EAI_AGAIN', { hostname: 'x.test' }), 'name server fails', 'name server does not answer'],
  [system('EMFILE'), 'local limit', 'too many open files on this machine'],
  [system('ETIMEDOUT', { address: '::1', port: 8000 }), 'unreachable', 'no answer ([::1]:8000)'],
  [
    system('EHOSTUNREACH', { address: '192.0.2.1', port: 80 }),
    'unreachable',
    'host unreachable (192.0.2.1:80)',
  ],
  [system('ENETUNREACH'), 'unreachable', 'network unreachable'],
  [system('EWHATEVER'), 'unreachable', 'EWHATEVER'],
  [system('HPE_HEADER_OVERFLOW'), 'not HTTP', 'the header of its answer is too large (HPE_HEADER_OVERFLOW)'],
  [system('EPROTO'), 'no TLS there', 'TLS handshake failed (EPROTO)'],
  [
    system('ERR_SSL_WRONG_VERSION_NUMBER', { reason: 'wrong version number' }),
    'no TLS there',
    'TLS handshake failed (wrong version number)',
  ],
  ...(
    [
      ['tlsv1 alert protocol version', 'TLS too old'],
      ['unsupported protocol', 'TLS too old'],
      ['dh key too small', 'TLS too old'],
      ['unsafe legacy renegotiation disabled', 'TLS too old'],
      ['sslv3 alert handshake failure', 'TLS not agreed'],
      ['ssl/tls alert handshake failure', 'TLS not agreed'],
      ['tlsv1 unrecognized name', 'certificate of another name'],
      ['tlsv13 alert certificate required', 'client certificate wanted'],
      ['sslv3 alert bad certificate', 'client certificate wanted'],
      ['packet length too long', 'no TLS there'],
    ] as const
  ).map(([reason, kind]) => {
    const message = `write EPROTO 80FF:error:0A000:SSL routines:ssl3_read_bytes:${reason}:../x.c:1:`;
    return [system('EPROTO', { message }), kind, `TLS handshake failed (${reason})`] as const;
  }),
  [
    system('UNSPECIFIED', { message: 'EE certificate key too weak' }),
    'certificate too weak',
    "the server's certificate is not trusted: EE certificate key too weak",
  ],
  ...(
    [
      ['CERT_HAS_EXPIRED', 'certificate expired'],
      ['DEPTH_ZERO_SELF_SIGNED_CERT', 'certificate self-signed'],
      ['SELF_SIGNED_CERT_IN_CHAIN', 'certificate untrusted'],
      ['CERT_REVOKED', 'certificate untrusted'],
      ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'certificate untrusted'],
      ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'certificate untrusted'],
      ['CERT_NOT_YET_VALID', 'certificate not yet valid'],
      ['ERR_TLS_CERT_ALTNAME_INVALID', 'certificate of another name'],
      ['HOSTNAME_MISMATCH', 'certificate of another name'],
      ['CERT_UNTRUSTED', 'certificate untrusted'],
    ] as const
  ).map(
    ([code, kind]) =>
      [system(code), kind, `the server's certificate is not trusted: connect ${code}`] as const,
  ),
  [
    new Error('Invalid Sec-WebSocket-Accept header'),
    'not a WebSocket',
    'garbled upgrade: Invalid Sec-WebSocket-Accept header',
  ],
  [
    refusedByProxy(proxy, 407),
    'proxy wants a login',
    'the proxy http://proxy:3128 (http_proxy) refused the connection with HTTP 407: it wants a user and a password',
  ],
  [
    failedProxy(proxy, system('ECONNREFUSED')),
    'proxy unreachable',
    'the proxy http://proxy:3128 (http_proxy) cannot be used: connection refused',
  ],
] as const)('%o is %s: %s', (error, kind, text) => {
  expect(failureOfError(error)).toMatchObject({ kind, event: { state: 'refused', error: text } });
});

it('blames no port that speaks HTTP, and no CA for a certificate that was not made for servers', () => {
  const { hint, next } = failureOfError(system('HPE_INVALID_HEADER_TOKEN'));
  expect(hint).toContain('breaks the rules of HTTP');
  expect(JSON.stringify(next)).not.toContain('RIGHT-PORT');
  expect(failureOfError(system('HPE_INVALID_CONSTANT')).hint).toBeUndefined();
  const { kind, hint: none } = failureOfError(system('INVALID_PURPOSE'), { side: { hasCa: true } });
  expect(none).toBeUndefined();
  expect(failureTable[kind].message).toContain('was not made for a server');
});

it('names each address that was tried, once', () => {
  const errors = [
    system('ECONNREFUSED', { address: '::1', port: 8000 }),
    system('ECONNREFUSED', { address: '127.0.0.1', port: 8000 }),
    system('ECONNREFUSED', { address: '127.0.0.1', port: 8000 }),
  ];
  expect(failureOfError(new AggregateError(errors, ''))).toMatchObject({
    kind: 'connection refused',
    event: { error: 'connection refused ([::1]:8000, 127.0.0.1:8000)' },
  });
});

it('says how each address failed, and counts one that refuses as the one that tells', () => {
  const errors = [
    system('ENETUNREACH', { address: '2001:db8::1', port: 80 }),
    system('ETIMEDOUT', { address: '192.0.2.1', port: 80 }),
    system('ECONNREFUSED', { address: '192.0.2.2', port: 80 }),
  ];
  expect(failureOfError(new AggregateError(errors))).toMatchObject({
    kind: 'connection refused',
    event: {
      error:
        'network unreachable ([2001:db8::1]:80), no answer (192.0.2.1:80), connection refused (192.0.2.2:80)',
    },
  });
  const ours = [system('EADDRNOTAVAIL', { address: '::1', port: 80 }), ...errors.slice(0, 2)];
  expect(failureOfError(new AggregateError(ours)).kind).toBe('unreachable');
});

it('keeps a token out of the text of an error', () => {
  const token = 'canary-token-of-an-error';
  const { event } = failureOfError(new Error(`Invalid subprotocol ${token}`), {
    redact: (text) => redactToken(text, token),
  });
  expect(JSON.stringify(event)).not.toContain(token);
});

it.each([
  'sslv3 alert bad certificate',
  'sslv3 alert certificate expired',
  'sslv3 alert certificate revoked',
  'sslv3 alert certificate unknown',
  'tlsv1 alert unknown ca',
  'tlsv1 alert access denied',
])('%s is about the client certificate where there is one', (reason) => {
  const error = system('ERR_SSL_ALERT', { reason });
  expect(failureOfError(error, { side: { hasCertificate: true } }).kind).toBe('client certificate refused');
});

it('says after a hang-up that the client certificate may be why', () => {
  const hangUp = system('ECONNRESET', { message: 'socket hang up' });
  expect(failureOfError(hangUp, { side: { hasCertificate: true } }).hint).toContain('may not trust its CA');
  expect(failureOfError(hangUp).hint).toBeUndefined();
});

it('names the variable whose CA cannot be read, where the CA of a server is unknown', () => {
  const trustProblems = ['SSL_CERT_FILE=/x names no readable PEM certificate'];
  const error = system('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  expect(failureOfError(error, { side: { trustProblems } }).hint).toMatch(/^SSL_CERT_FILE=\/x .* `ca`$/);
});
