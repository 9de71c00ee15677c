import type { ErrorCode } from '../errors.js';
import type { ConnectionFault } from './check.js';
import type { NextCommand } from './next-command.js';

/** Why this is so, and what to type next. `{host}`, `{port}`, `{base}`, `{scheme}` and `{prefix}` stand for the server's. */
export interface Advice {
  code: ErrorCode;
  text: string;
  next: NextCommand;
}

const LOG_IN: NextCommand = { name: 'auth login' };
const AGAIN: NextCommand = { name: 'doctor' };
const OTHER_PORT = atUrl('{scheme}//{host}:RIGHT-PORT{prefix}');
const WITH_CA: NextCommand = { name: 'doctor', change: { ca: 'FILE' } };
const WITHOUT_PROXY: NextCommand = { name: 'doctor', environment: 'NO_PROXY={host}' };

/** What to tell of each fault. */
export const advices: Readonly<Record<ConnectionFault, Advice>> = {
  'token unusable': usage('the token cannot be read', LOG_IN),
  'no token': auth('there is no token for {base}', LOG_IN),
  'unknown host': network(
    'the host name {host} does not exist',
    atUrl('{scheme}//RIGHT-NAME:{port}{prefix}'),
  ),
  'name server fails': network(
    'the name of {host} cannot be looked up: no network, or the name server is down',
    AGAIN,
  ),
  'connection refused': network(
    'nothing listens on port {port} of {host}: the server is down, or the port is wrong',
    OTHER_PORT,
  ),
  unreachable: network(
    '{host} does not answer: it is down, or a firewall or a missing VPN is in the way',
    AGAIN,
  ),
  'certificate expired': network(
    'the certificate of {host} has expired; whoever runs the server has to renew it',
    { name: 'doctor', change: { insecure: true } },
  ),
  'certificate not yet valid': network(
    'the certificate of {host} is not valid yet: is the clock of this machine right?',
    { name: 'date' },
  ),
  'certificate self-signed': network(
    'the certificate of {host} is self-signed, and not trusted here',
    WITH_CA,
  ),
  'certificate untrusted': network(
    'the certificate of {host} comes from a CA that is not trusted here',
    WITH_CA,
  ),
  'certificate of another name': network(
    'the certificate is for another name than {host}',
    atUrl('wss://NAME-IN-THE-CERTIFICATE:{port}{prefix}'),
  ),
  'no TLS there': network(
    'port {port} of {host} does not speak TLS: wrong port, or ws:// is meant',
    atUrl('ws://{host}:{port}{prefix}'),
  ),
  'TLS wanted': network(
    'port {port} of {host} speaks TLS: wss:// is meant',
    atUrl('wss://{host}:{port}{prefix}'),
  ),
  'not HTTP': network('port {port} of {host} speaks something else than HTTP: wrong port', OTHER_PORT),
  'cut off': network(
    '{host} takes the connection and closes it without an answer: wrong port, or a failing server',
    OTHER_PORT,
  ),
  silent: network(
    '{host} takes the connection and says nothing: wrong port, or a server that hangs',
    OTHER_PORT,
  ),
  'not a WebSocket': network(
    '{host} answers HTTP but no WebSocket: another service, a login page of the network, or a proxy that does not pass upgrades on',
    OTHER_PORT,
  ),
  redirected: network('the server redirects, which is never followed with a token', atUrl('TARGET')),
  'wrong path': network(
    'there is no such endpoint below {base}, though the token is not at fault: its name is wrong, the server does not have it, or a proxy does not pass it on',
    { name: 'doctor', change: { endpoints: [] } },
  ),
  'no API': network(
    'there is no OPMAS API below {base}: wrong port (another service answers), or wrong prefix',
    atUrl('{scheme}//{host}:RIGHT-PORT/RIGHT-PREFIX'),
  ),
  'token expired': auth('the token has expired', LOG_IN),
  'token refused': auth(
    'the server refuses the token: it is for another server, or the signing key has changed',
    LOG_IN,
  ),
  forbidden: auth(
    'the server turns the connection away, and its API does not say why: the token is refused, or the path does not exist',
    LOG_IN,
  ),
  'policy violated': auth(
    'the server closes the connection with 1008, and its API does not say why: the token is refused, or the server objects to something else',
    LOG_IN,
  ),
  'rate limited': network('the server has had too many requests from here', AGAIN),
  'server failing': network('the server, or what it stands behind, fails', AGAIN),
  closed: network('the server opens the connection and closes it again', {
    name: 'tail',
    flags: ['--lifecycle'],
  }),
  'no pong': network(
    'the connection opens, but no ping is answered: the server hangs or knows no pings, or a proxy holds them back',
    { name: 'tail', flags: ['--lifecycle'] },
  ),
  'proxy unreachable': network('the proxy that the environment names cannot be reached', WITHOUT_PROXY),
  'proxy silent': network(
    'the proxy that the environment names opens no way to {host}: it hangs, or {host} does not answer it',
    WITHOUT_PROXY,
  ),
  'no proxy': network(
    'what the environment names as a proxy is none: it does not answer as a proxy does',
    WITHOUT_PROXY,
  ),
  'proxy wants a login': network(
    'the proxy that the environment names wants a user and a password',
    WITHOUT_PROXY,
  ),
  'proxy refuses': network('the proxy that the environment names does not connect to {host}', WITHOUT_PROXY),
};

function atUrl(url: string): NextCommand {
  return { name: 'doctor', change: { url } };
}

function usage(text: string, next: NextCommand): Advice {
  return { code: 'USAGE', text, next };
}

function auth(text: string, next: NextCommand): Advice {
  return { code: 'AUTH', text, next };
}

function network(text: string, next: NextCommand): Advice {
  return { code: 'NETWORK', text, next };
}
