import type { Consequence, FailureRule, NextCommand } from './rule.js';

const LOG_IN: NextCommand = { name: 'auth login' };
/** Waits for the server, or the network, to come back. */
export const KEEP_TRYING: NextCommand = { name: 'tail', flags: ['--retries', 'forever'] };
/** Shows the answer of a gateway, and sends no secret. */
export const SHOW_ANSWER: NextCommand = { shell: ['curl', '-i', '{http}/health'] };
const SHOW_CLOCK: NextCommand = { shell: ['date'] };
const WATCH: NextCommand = { name: 'tail', flags: ['--lifecycle'] };
const OTHER_PORT = atUrl('{scheme}//{address}:RIGHT-PORT{prefix}');
const WITH_CA: NextCommand = { name: 'doctor', change: { ca: 'FILE' } };
const WITH_CERTIFICATE: NextCommand = { name: 'doctor', change: { cert: 'FILE', key: 'FILE' } };
/** Shows the versions, ciphers and certificates of a server, and sends nothing. */
const SHOW_HANDSHAKE: NextCommand = { shell: ['openssl', 's_client', '-connect', '{address}:{port}'] };
const WITHOUT_PROXY: NextCommand = { name: 'doctor', change: { proxy: 'none' } };
const WITH_PROXY_LOGIN: NextCommand = { name: 'doctor', change: { proxy: '{proxy}' } };

const rules = {
  // The token.
  'token unusable': {
    code: 'USAGE',
    consequence: 'fatal',
    message: 'the token cannot be read',
    next: LOG_IN,
  },
  'token source failing': network('retry', 'the token could not be read this time', KEEP_TRYING),
  'no token': auth('there is no token for {base}'),
  'token expired': auth('the token has expired'),
  'token refused': auth(
    'the server rejected the token: it may be for another server, or the signing key may have changed',
  ),
  'token not valid yet': {
    ...auth(
      'the token is not valid yet (nbf): wait until it is, or check the clock of the server that issued it',
    ),
    next: SHOW_CLOCK,
  },
  unknown: auth(
    'the server refuses the connection, and nothing proves why: the token may be invalid, the path may not exist, or the server objects to something else',
  ),
  // The way to the server.
  'unknown host': network(
    'likelyFatal',
    'the host name {host} does not exist: check the name in the URL; if only a proxy knows it, give the proxy with `proxy`',
    atUrl('{scheme}//RIGHT-NAME:{port}{prefix}'),
  ),
  'name server fails': network(
    'retry',
    'the name {host} cannot be looked up: there is no network, or the name server is down; if this network has a proxy, give it with `proxy`',
    { shell: ['nslookup', '{host}'] },
  ),
  'connection refused': network(
    'retry',
    'nothing listens on port {port} of {host}: the server is down, or the port is wrong',
    OTHER_PORT,
  ),
  unreachable: network(
    'retry',
    'the host {host} does not answer: it is down, or a firewall or a missing VPN is in the way; if this network has a proxy, give it with `proxy`',
    KEEP_TRYING,
  ),
  'local limit': network(
    'retry',
    'this machine has no file or port left for another connection: close some, or raise the limit',
    { shell: ['ulimit', '-n'] },
  ),
  'cut off': network(
    'retry',
    'the host {host} accepted the connection and closed it without an answer: the port is wrong, or the server is failing',
    OTHER_PORT,
  ),
  silent: network(
    'retry',
    'the host {host} accepted the connection but did not answer: the port is wrong, or the server hangs',
    OTHER_PORT,
  ),
  'proxy unreachable': network('retry', '{proxy} cannot be reached', WITHOUT_PROXY),
  'proxy silent': network(
    'retry',
    '{proxy} opened no tunnel to {host} in time: it hangs, or {host} does not answer it',
    WITHOUT_PROXY,
  ),
  'proxy failing': network('retry', '{proxy} is failing, or cannot reach {host}', WITHOUT_PROXY),
  'no proxy': network('retry', '{proxy} does not answer like a proxy', WITHOUT_PROXY),
  'proxy wants a login': network('likelyFatal', '{proxy} wants a user and a password', WITH_PROXY_LOGIN),
  'proxy refuses': network('likelyFatal', '{proxy} refuses to connect to {host}', WITHOUT_PROXY),
  // TLS.
  'certificate expired': network(
    'fatal',
    'the certificate of {host} has expired: its operator has to renew it, unless the clock of this machine is wrong',
    SHOW_CLOCK,
  ),
  'certificate not yet valid': network(
    'fatal',
    'the certificate of {host} is not valid yet: is the clock of this machine right?',
    SHOW_CLOCK,
  ),
  'certificate self-signed': network(
    'fatal',
    'the certificate of {host} is self-signed and not trusted here: if it is your own, trust it with `ca`',
    WITH_CA,
  ),
  'certificate untrusted': network(
    'fatal',
    'the certificate of {host} is signed by a CA that is not trusted here, or the server leaves out the certificates in between: if the CA is your own, give it with `ca`',
    WITH_CA,
  ),
  'certificate of another name': network(
    'fatal',
    'the certificate is for another name than {host}: use a URL with a name that the certificate is for',
    atUrl('wss://NAME-IN-THE-CERTIFICATE:{port}{prefix}'),
  ),
  'certificate too weak': network(
    'fatal',
    'the certificate of {host}, or of a CA above it, is too weak, or was not made for a server: its operator has to replace it',
    SHOW_HANDSHAKE,
  ),
  'client certificate wanted': network(
    'likelyFatal',
    'a gateway in front of {host} wants a client certificate: give it with `cert` and `key`',
    WITH_CERTIFICATE,
  ),
  'client certificate refused': network(
    'likelyFatal',
    'a gateway in front of {host} does not accept the client certificate: it has expired or was revoked, or the gateway does not trust its CA',
    WITH_CERTIFICATE,
  ),
  'TLS too old': network(
    'likelyFatal',
    'the server {host} offers only versions or ciphers of TLS that are too old to be safe: its operator has to turn on TLS 1.2 or newer',
    SHOW_HANDSHAKE,
  ),
  'TLS not agreed': network(
    'likelyFatal',
    'the server {host} ended the TLS handshake: it has no cipher in common with this machine, or no protocol, or wants a client certificate (`cert` and `key`)',
    SHOW_HANDSHAKE,
  ),
  'no TLS there': network(
    'likelyFatal',
    'port {port} of {host} does not speak TLS: is this a ws:// port?',
    atUrl('ws://{address}:{port}{prefix}'),
  ),
  'TLS wanted': network(
    'likelyFatal',
    'port {port} of {host} speaks TLS: use wss://',
    atUrl('wss://{address}:{port}{prefix}'),
  ),
  // An answer that is no WebSocket.
  'not HTTP': network(
    'likelyFatal',
    'port {port} of {host} does not speak HTTP: the port is wrong',
    OTHER_PORT,
  ),
  'not a WebSocket': network(
    'likelyFatal',
    'the host {host} answers HTTP, but opens no WebSocket: another service, a login page of the network, or a proxy that drops the upgrade',
    OTHER_PORT,
  ),
  redirected: network(
    'likelyFatal',
    'the server redirects, and a redirect is never followed with a token: if the target is your server, use its URL; if it is the login page of a gateway, add the header that it takes instead with `headers`',
    SHOW_ANSWER,
  ),
  'gateway refuses this machine': network(
    'likelyFatal',
    'a gateway in front of the API of {host} (a firewall, a VPN, a reverse proxy) refuses this machine: connect the VPN, or ask the administrator of the gateway; if it wants a header or a client certificate, give the right one with `headers`, or with `cert` and `key`',
    SHOW_ANSWER,
  ),
  'gateway wants credentials': network(
    'likelyFatal',
    'a gateway in front of the API of {host} wants credentials of its own: give the header that it accepts with `headers.Authorization`; for Basic, the file holds Basic and the base64 text of USER:PASSWORD',
    { name: 'doctor', change: { header: ['Authorization: @FILE'] } },
  ),
  'endpoint refuses': network(
    'likelyFatal',
    'the endpoint refuses the connection, though the API accepts the token: this user may lack the right to it, or the server wants something else in the request',
    { name: 'doctor', change: { endpoints: [] } },
  ),
  'endpoint does not exist': network(
    'likelyFatal',
    'there is no such endpoint below {base}, or the server refuses it: its name is wrong, the server does not have it, or a proxy does not pass it on',
    { name: 'doctor', change: { endpoints: [] } },
  ),
  'no API there': network(
    'likelyFatal',
    'there is no OPMAS API below {base}: wrong port (another service answers), or wrong prefix',
    atUrl('{scheme}//{address}:RIGHT-PORT/RIGHT-PREFIX'),
  ),
  'rate limited': network('retry', 'the server received too many requests from this machine', KEEP_TRYING),
  'server fails': network('retry', 'the server, or a proxy in front of it, is failing', KEEP_TRYING),
  // An end after the connection was open.
  'normal close': network('normal', 'the server opens the connection and closes it again', WATCH),
  closed: network('retry', 'the server opens the connection and closes it again: its log may say why', WATCH),
  'closed for policy': network(
    'likelyFatal',
    'the server closed the connection with 1008 though its API accepts the token: it may have received too many messages (`heartbeatMs` sets their interval)',
    WATCH,
  ),
  'protocol error': network(
    'likelyFatal',
    'the connection opened, so the URL is right, but the server, this client or a proxy between them breaks the rules of WebSocket',
    WATCH,
  ),
  'message too big': network(
    'likelyFatal',
    'the server found a message too big, so `maxMessageBytes` changes nothing: its log may say why',
    WATCH,
  ),
  'no pong': network(
    'retry',
    'the connection opens, but no ping is answered: the server hangs or does not know pings, or a proxy holds them back',
    WATCH,
  ),
} satisfies Record<string, FailureRule>;

/** A reason that keeps a client from its events. */
export type FailureKind = keyof typeof rules;

/** The one table of failures: exit code, retry rule, message and next command of each. */
export const failureTable: Readonly<Record<FailureKind, FailureRule>> = rules;

function atUrl(url: string): NextCommand {
  return { name: 'doctor', change: { url } };
}

function auth(message: string): FailureRule {
  return { code: 'AUTH', consequence: 'renew', message, next: LOG_IN };
}

function network(consequence: Consequence, message: string, next: NextCommand): FailureRule {
  return { code: 'NETWORK', consequence, message, next };
}
