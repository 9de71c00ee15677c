import { isIP } from 'node:net';
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import type { Authenticator, ConnectionOptions, NatsConnection } from '@nats-io/transport-node';
import { isLoopback, redactToken, withoutBrackets } from '../../core/address.js';
import { readClaims } from '../../core/claims.js';
import { OpmasError } from '../../core/errors.js';
import { failureOfError } from '../../core/failure/from-error.js';
import type { FailureKind } from '../../core/failure/table.js';
import type { StreamAddress } from '../../core/jetstream/address.js';
import { givenOf } from '../../core/options.js';
import { relativeTime } from '../../core/text.js';
import { version } from '../../core/version.js';
import { wallClockMs } from '../clock.js';
import { TlsTrust } from '../http/tls-trust.js';
import type { NatsAccess } from './target.js';

/** A connection to NATS. It never connects again: make a new one for that. */
export interface NatsLink {
  readonly nats: Nats['transport'];
  readonly nc: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  /** For messages: `nats.example.org:4222`. */
  readonly host: string;
  readonly access: NatsAccess;
}

interface Nats {
  transport: typeof import('@nats-io/transport-node');
  jetstream: typeof import('@nats-io/jetstream');
}

const CONNECT_LIMIT_MS = 5000;
/** A server that has gone silently is noticed after two of these. */
const PING_MS = 10_000;
const PACKAGES = '@nats-io/transport-node@3.3.1 @nats-io/jetstream@3.3.1';
const USER_JWT = /BEGIN NATS USER JWT-+\s+(\S+)/;
const ASK = 'Ask the operator of the NATS server';
const RIGHTS =
  'It must be allowed to publish to $JS.API.> (and to the subjects below the prefix, to publish lines), and to subscribe to _INBOX.>.';
const NO_TLS = /does not support 'tls'/;

/** Loads the packages of NATS, which nothing else needs. @throws {OpmasError} `LOCAL` where they are missing. */
export async function loadNats(): Promise<Nats> {
  try {
    const [transport, jetstream] = await Promise.all([
      import('@nats-io/transport-node'),
      import('@nats-io/jetstream'),
    ]);
    return { transport, jetstream };
  } catch (cause) {
    throw new OpmasError('LOCAL', 'nats:// needs two packages of NATS, which are not installed', {
      hint: `Install them beside opmas-ws: npm install -g ${PACKAGES}\nIn a project: npm install ${PACKAGES}`,
      cause,
    });
  }
}

/**
 * Connects to the server of a stream, or to the first of several that takes the connection. `nats://` uses TLS when the
 * server offers it, `tls://` always. Reads a login in a file anew.
 *
 * @throws {OpmasError} `NETWORK` or `AUTH`, by the cause; `USAGE` for a login that cannot be used, and when a secret
 *   would be readable on its way.
 */
export async function connectNats(address: StreamAddress, given: NatsAccess): Promise<NatsLink> {
  const nats = await loadNats();
  const access = { ...given, ...(await given.renew?.().catch(() => undefined)) };
  const authenticator = authenticatorOf(nats, access);
  let failure: unknown;
  for (const server of access.servers ?? [`${address.isSecure ? 'tls' : 'nats'}://${address.host}`]) {
    const { protocol, host, hostname } = new URL(server.includes('://') ? server : `nats://${server}`);
    const trust = new TlsTrust(access, access.environment ?? process.env);
    const ip = withoutBrackets(hostname);
    // The client hands these to `tls.connect`, and an address as no name.
    const tls = {
      ...trust.server,
      ...(isIP(ip) === 0 ? {} : { host: ip }),
      ...(access.tlsFirst ? { handshakeFirst: true } : {}),
    } as object;
    const options: ConnectionOptions = {
      servers: host,
      name: `opmas-ws/${version}`,
      reconnect: false,
      timeout: CONNECT_LIMIT_MS,
      pingInterval: PING_MS,
      ignoreClusterUpdates: true,
      authenticator,
      ...givenOf({ inboxPrefix: access.inboxPrefix }),
    };
    try {
      const nc = await nats.transport.connect({ ...options, tls }).catch((error: unknown) => {
        if (protocol === 'tls:' || access.tlsFirst || !NO_TLS.test(String(error))) throw error;
        if (!isLoopback(ip)) checkPlaintext(host, access);
        return nats.transport.connect(options);
      });
      return await linkOf(nats, nc, host, access);
    } catch (error) {
      failure ??= natsError(error, host, access, trust);
    }
  }
  throw failure;
}

async function linkOf(nats: Nats, nc: NatsConnection, host: string, access: NatsAccess): Promise<NatsLink> {
  const scope = givenOf({ domain: access.domain, apiPrefix: access.apiPrefix });
  const jsm = await nats.jetstream.jetstreamManager(nc, { checkAPI: false, ...scope });
  return { nats: nats.transport, nc, js: nats.jetstream.jetstream(nc, scope), jsm, host, access };
}

/** @throws {OpmasError} `USAGE` for credentials or a key that cannot be read. */
function authenticatorOf({ transport }: Nats, access: NatsAccess): Authenticator[] {
  const { user, password, token, creds, nkey, source = 'the NATS login' } = access;
  const bytes = (text: string) => new TextEncoder().encode(text);
  if (creds !== undefined || nkey !== undefined) {
    const authenticator =
      creds === undefined
        ? transport.nkeyAuthenticator(bytes((nkey ?? '').trim()))
        : transport.credsAuthenticator(bytes(creds));
    try {
      authenticator('a challenge');
    } catch (cause) {
      const what = creds === undefined ? 'holds no seed of an NKey' : 'holds no credentials of NATS';
      throw new OpmasError('USAGE', `${source} ${what}`, { cause });
    }
    return [authenticator];
  }
  if (token !== undefined) return [transport.tokenAuthenticator(token)];
  return user === undefined ? [] : [transport.usernamePasswordAuthenticator(user, password)];
}

/** Credentials and keys only sign; a password or a token could be read. */
function checkPlaintext(host: string, { password, token, plaintext, named }: NatsAccess): void {
  if (plaintext || (password ?? token) === undefined) return;
  const { plaintext: how = ', or allow it with `plaintext`' } = named ?? {};
  throw new OpmasError('USAGE', `the NATS server ${host} has no TLS, so others could read the password`, {
    hint: `Use credentials or an NKey, or turn on TLS there${how}.`,
  });
}

const UNTRUSTED = 'If the CA is your own, give it with `ca`.';
const WITH_CERTIFICATE = 'If the server wants a client certificate, give it with `cert` and `key`.';
const TLS_HINTS: Partial<Record<FailureKind, string>> = {
  'certificate self-signed': UNTRUSTED,
  'certificate untrusted': UNTRUSTED,
  'client certificate wanted': WITH_CERTIFICATE,
  // With a certificate the failure has a hint of its own.
  'cut off': WITH_CERTIFICATE,
  'client certificate refused':
    'The client certificate has expired or was revoked, or the server does not trust its CA: give another one with `cert` and `key`.',
};

/** Turns an error of the client into one for the user. */
export function natsError(error: unknown, host: string, access: NatsAccess, trust?: TlsTrust): OpmasError {
  if (error instanceof OpmasError) return error;
  const { name = '', message = String(error), cause, code } = error as Error & { code?: unknown };
  const text = redact(message, access);
  const network = (why: string, hint?: string) =>
    new OpmasError('NETWORK', `the NATS server ${host} ${why}`, { cause: error, hint });
  if (/^(authorization|user authentication|account authentication|authentication)/i.test(message)) {
    const [what, hint] = refusalOf(access);
    return new OpmasError('AUTH', `the NATS server ${host} ${what}: ${text}`, { cause: error, hint });
  }
  if (/permissions? violation/i.test(`${name} ${message}`)) {
    return new OpmasError('AUTH', `the login at ${host} lacks a right: ${text}`, {
      cause: error,
      hint: RIGHTS,
    });
  }
  if (NO_TLS.test(message))
    return network('has no TLS', 'Use nats:// in place of tls://, or turn on TLS there.');
  if (/unexpected response/.test(message)) return network('does not speak NATS: is this the right port?');
  if (name === 'TimeoutError') return network('does not answer');
  const system = [cause, error].find((each) => typeof (each as { code?: unknown })?.code === 'string');
  if (system === undefined || typeof code === 'number') return network(`failed: ${text}`);
  const { kind, event, hint = trust && TLS_HINTS[kind] } = failureOfError(system, { side: trust });
  const { ca = '`ca`', cert = '`cert` and `key`' } = access.named ?? {};
  const named = hint?.replace('`ca`', ca).replace('`cert` and `key`', cert);
  return network(`cannot be reached: ${redact(('error' in event && event.error) || text, access)}`, named);
}

/** Says what a server did that takes no login, or not this one, and what to do then. */
function refusalOf({ source, creds = '' }: NatsAccess): [what: string, hint: string] {
  if (source === undefined) {
    return ['wants a login', 'Give one with `access`, NATS_CREDS, NATS_NKEY, NATS_TOKEN or NATS_USER.'];
  }
  const what = `rejected the login from ${source}`;
  const { expiresAtMs = Number.POSITIVE_INFINITY } = readClaims(USER_JWT.exec(creds)?.[1] ?? '');
  const nowMs = wallClockMs();
  if (expiresAtMs >= nowMs) return [what, `It is wrong here, or was revoked. ${ASK} for a valid one.`];
  const hint = `${ASK} for new credentials: nsc generate creds`;
  return [`${what}, which expired ${relativeTime(expiresAtMs, nowMs)}`, hint];
}

function redact(text: string, { password, token, creds, nkey }: NatsAccess): string {
  const secrets = [password, token, creds, nkey];
  return secrets.reduce<string>((rest, secret) => redactToken(rest, secret, '[secret]'), text);
}
