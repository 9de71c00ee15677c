import type { ErrorCode } from './errors.js';

/** What can keep a client from its events, as far as it can be told apart from outside. */
export type ConnectionFault =
  | 'token unusable'
  | 'no token'
  | 'unknown host'
  | 'name server fails'
  | 'connection refused'
  | 'unreachable'
  | 'certificate expired'
  | 'certificate not yet valid'
  | 'certificate self-signed'
  | 'certificate untrusted'
  | 'certificate of another name'
  | 'no TLS there'
  | 'TLS wanted'
  | 'not HTTP'
  | 'cut off'
  | 'silent'
  | 'not a WebSocket'
  | 'redirected'
  | 'wrong path'
  | 'token expired'
  | 'token refused'
  | 'forbidden'
  | 'rate limited'
  | 'server failing'
  | 'closed'
  | 'no pong'
  | 'proxy unreachable'
  | 'proxy silent'
  | 'no proxy'
  | 'proxy wants a login'
  | 'proxy refuses';

/** One step of a diagnosis. */
export interface Check {
  /** `token`, `dns`, `proxy`, `tcp`, `tls`, `api`, `clock`, `upgrade devices`, `pong devices`. */
  name: string;
  status: 'ok' | 'warning' | 'failed' | 'skipped';
  /** What was found, on one line. Not escaped: parts of it come from the network. */
  detail: string;
  milliseconds: number;
  fault?: ConnectionFault | undefined;
}

/** The outcome of all checks. */
export interface Verdict {
  fault: ConnectionFault | undefined;
  /** The kind of error that a connection would end with; `undefined` when all is well. */
  code: ErrorCode | undefined;
  text: string;
  /** The next command to type. */
  next: string;
}

/** What the verdict needs to know of the server. */
export interface DiagnosedServer {
  /** `ws:` or `wss:`. */
  protocol: string;
  hostname: string;
  port: string;
  /** As it may be shown. */
  base: string;
  /** Where the token comes from; `undefined` = a stored login, which a new login replaces. */
  tokenSource?: string | undefined;
}

/** Why this is so, and what to type next. `H`, `P` and `B` stand for host, port and base URL. */
interface Advice {
  code: ErrorCode;
  text: string;
  next: string;
}

const LOG_IN = 'opmas-ws auth login';

const advices: Readonly<Record<ConnectionFault, Advice>> = {
  'token unusable': usage('the token cannot be read', LOG_IN),
  'no token': auth('there is no token for B', LOG_IN),
  'unknown host': network('the host name H does not exist', 'opmas-ws doctor --url SCHEME//RIGHT-NAME:P'),
  'name server fails': network(
    'the name of H cannot be looked up: no network, or the name server is down',
    'opmas-ws doctor',
  ),
  'connection refused': network(
    'nothing listens on port P of H: the server is down, or the port is wrong',
    'opmas-ws doctor --url SCHEME//H:RIGHT-PORT',
  ),
  unreachable: network(
    'H does not answer: it is down, or a firewall or a missing VPN is in the way',
    'opmas-ws doctor',
  ),
  'certificate expired': network(
    'the certificate of H has expired; whoever runs the server has to renew it',
    'opmas-ws doctor --insecure',
  ),
  'certificate not yet valid': network(
    'the certificate of H is not valid yet: is the clock of this machine right?',
    'date',
  ),
  'certificate self-signed': network(
    'the certificate of H is self-signed, and not trusted here',
    'opmas-ws doctor --ca FILE',
  ),
  'certificate untrusted': network(
    'the certificate of H comes from a CA that is not trusted here',
    'opmas-ws doctor --ca FILE',
  ),
  'certificate of another name': network(
    'the certificate is for another name than H',
    'opmas-ws doctor --url wss://NAME-IN-THE-CERTIFICATE:P',
  ),
  'no TLS there': network(
    'port P of H does not speak TLS: wrong port, or ws:// is meant',
    'opmas-ws doctor --url ws://H:P',
  ),
  'TLS wanted': network('port P of H speaks TLS: wss:// is meant', 'opmas-ws doctor --url wss://H:P'),
  'not HTTP': network(
    'port P of H speaks something else than HTTP: wrong port',
    'opmas-ws doctor --url SCHEME//H:RIGHT-PORT',
  ),
  'cut off': network(
    'H takes the connection and closes it without an answer: wrong port, or a failing server',
    'opmas-ws doctor --url SCHEME//H:RIGHT-PORT',
  ),
  silent: network(
    'H takes the connection and says nothing: wrong port, or a server that hangs',
    'opmas-ws doctor --url SCHEME//H:RIGHT-PORT',
  ),
  'not a WebSocket': network(
    'H answers HTTP but no WebSocket: another service, a login page of the network, or a proxy that does not pass upgrades on',
    'opmas-ws doctor --url SCHEME//H:RIGHT-PORT',
  ),
  redirected: network(
    'the server redirects, which is never followed with a token',
    'opmas-ws doctor --url TARGET',
  ),
  'wrong path': network(
    'the token is not at fault; there is no such endpoint below B',
    'opmas-ws doctor --url SCHEME//H:P/RIGHT-PREFIX',
  ),
  'token expired': auth('the token has expired', LOG_IN),
  'token refused': auth(
    'the server refuses the token: it is for another server, or the signing key has changed',
    LOG_IN,
  ),
  forbidden: auth(
    'the server answers 403 and its API does not say why: the token is refused, or the path does not exist',
    LOG_IN,
  ),
  'rate limited': network('the server has had too many requests from here', 'opmas-ws doctor'),
  'server failing': network('the server, or what it stands behind, fails', 'opmas-ws doctor'),
  closed: network('the server opens the connection and closes it again', 'opmas-ws tail --lifecycle'),
  'no pong': network(
    'the connection opens but nothing comes through: a proxy in the way holds it back',
    'opmas-ws doctor',
  ),
  'proxy unreachable': network(
    'the proxy that the environment names cannot be reached',
    'NO_PROXY=H opmas-ws doctor',
  ),
  'proxy silent': network(
    'the proxy that the environment names opens no way to H: it hangs, or H does not answer it',
    'NO_PROXY=H opmas-ws doctor',
  ),
  'no proxy': network(
    'what the environment names as a proxy is none: it does not answer as a proxy does',
    'NO_PROXY=H opmas-ws doctor',
  ),
  'proxy wants a login': network(
    'the proxy that the environment names wants a user and a password',
    'NO_PROXY=H opmas-ws doctor',
  ),
  'proxy refuses': network(
    'the proxy that the environment names does not connect to H',
    'NO_PROXY=H opmas-ws doctor',
  ),
};

/** Faults that are looked at first; of the others, the one that came first counts. */
const rank = (fault: ConnectionFault) => (fault === 'token unusable' ? 0 : fault === 'no token' ? 2 : 1);

/** Judges the checks: what the user has to mend first. */
export function verdictOf(checks: readonly Check[], server: DiagnosedServer): Verdict {
  const failed = checks.filter(({ status, fault }) => status === 'failed' && fault !== undefined);
  const [first] = failed.sort((a, b) => rank(a.fault!) - rank(b.fault!));
  if (first === undefined) {
    return {
      fault: undefined,
      code: undefined,
      text: `all is well: ${server.base} gives its events`,
      next: `opmas-ws tail`,
    };
  }
  const fault = first.fault!;
  const { code, text, next } = advices[fault];
  const { tokenSource } = server;
  if (code === 'AUTH' && tokenSource !== undefined && fault !== 'forbidden') {
    const what = fault === 'no token' ? 'gives none' : 'has to give a fresh one';
    return {
      fault,
      code,
      text: `${fillIn(text, server)}; ${tokenSource} ${what}`,
      next: 'opmas-ws auth status',
    };
  }
  return { fault, code, text: fillIn(text, server), next: fillIn(next, server) };
}

function fillIn(text: string, { protocol, hostname, port, base }: DiagnosedServer): string {
  const values: Record<string, string> = { H: hostname, P: port, B: base, SCHEME: protocol };
  return text.replace(/\b(?:H|P|B|SCHEME)\b/g, (name) => values[name] ?? name);
}

function usage(text: string, next: string): Advice {
  return { code: 'USAGE', text, next };
}

function auth(text: string, next: string): Advice {
  return { code: 'AUTH', text, next };
}

function network(text: string, next: string): Advice {
  return { code: 'NETWORK', text, next };
}
