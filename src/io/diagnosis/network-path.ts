import { lookup } from 'node:dns/promises';
import * as net from 'node:net';
import { clearTimeout, setTimeout } from 'node:timers';
import * as tls from 'node:tls';
import { targetOf } from '../../core/address.js';
import { AttemptError } from '../../core/failure/failure.js';
import type { FailureKind } from '../../core/failure/kind.js';
import type { Check } from '../../core/failure/verdict.js';
import { tryTunnel } from '../http/proxy.js';
import type { ServerRoute } from '../http/server-route.js';
import type { TlsOptions } from '../http/tls-trust.js';
import { type Checker, type Finding, skipped } from './checks.js';

/** Checks name, TCP and TLS; with a proxy, only the way to the proxy, because the proxy does the rest. */
export async function* checkNetworkPath(
  route: ServerRoute,
  checker: Checker,
): AsyncGenerator<Check, void, undefined> {
  const { base, proxy } = route;
  const target = targetOf(proxy?.url ?? base);
  const blame = (check: Check): Check =>
    proxy !== undefined && check.failure !== undefined && !/proxy/.test(check.failure)
      ? { ...check, failure: 'proxy unreachable' }
      : check;
  const what = proxy === undefined ? '' : `the proxy of ${proxy.variable}, `;
  const dns = await checker.checkNetwork('dns', async () => ({
    status: 'ok',
    detail: `${what}${target.host} is ${(await resolveName(target.host)).join(', ')}`,
  }));
  yield blame(dns);
  if (dns.status === 'failed') {
    yield skipped(proxy === undefined ? 'tcp' : 'proxy');
    return;
  }
  const tcp = await checker.checkNetwork(proxy === undefined ? 'tcp' : 'proxy', async () => {
    const detail = `${await reach(target)} port ${target.port}`;
    if (proxy === undefined) return { status: 'ok', detail };
    const { host, port } = targetOf(base);
    await tryTunnel(proxy, { host, port }, route.trust, STEP_LIMIT_MS);
    return {
      status: 'ok',
      detail: `${proxy.variable}=${proxy.url.origin} opens a tunnel to ${host} port ${port}`,
    };
  });
  yield blame(tcp);
  if (base.protocol !== 'wss:' || proxy !== undefined) return;
  if (tcp.status === 'failed') {
    yield skipped('tls');
    return;
  }
  yield await checker.checkNetwork('tls', () => greetTls(target, route.trust.server), route);
}

/** The place to connect to. */
type Target = ReturnType<typeof targetOf>;

/** Limit of each step. */
const STEP_LIMIT_MS = 5000;

/** Finds the addresses of a host; a literal address is its own. */
async function resolveName(host: string): Promise<string[]> {
  const found = await withLimit(
    lookup(host, { all: true }),
    'name server fails',
    'the name server did not answer in 5 s',
  );
  return found.map(({ address }) => address);
}

/** Opens and closes a TCP connection. @returns The address that answered. */
async function reach(target: Target): Promise<string> {
  const socket = net.connect({ ...target, autoSelectFamily: true });
  try {
    await untilEvent(socket, 'connect', 'unreachable', 'no answer in 5 s');
    return socket.remoteAddress ?? target.host;
  } finally {
    socket.destroy();
  }
}

/** Does a TLS handshake. @throws Node's error when the certificate is to be verified and is not trusted. */
async function greetTls(target: Target, trust: Partial<TlsOptions>): Promise<Finding> {
  const options: tls.ConnectionOptions & net.TcpNetConnectOpts = {
    ...target,
    ...(net.isIP(target.host) === 0 ? { servername: target.host } : {}),
    ...trust,
    autoSelectFamily: true,
  };
  const socket = tls.connect(options);
  try {
    await untilEvent(socket, 'secureConnect', 'silent', 'no TLS answer in 5 s');
    const { subjectaltname, subject, valid_to: validTo } = socket.getPeerCertificate();
    // Node's types promise an error and a subject where there is text or nothing.
    const distrust: unknown = socket.authorizationError;
    const names = subjectaltname ?? String((subject as { CN?: string } | undefined)?.CN ?? 'no name');
    const detail = `${socket.getProtocol() ?? 'TLS'}, certificate for ${names}, valid until ${validTo}`;
    if (socket.authorized) return { status: 'ok', detail };
    const why = distrust instanceof Error ? distrust.message : String(distrust);
    return { status: 'warning', detail: `${detail}; not verified: ${why}` };
  } finally {
    socket.destroy();
  }
}

/** Tries whether something at the target answers in TLS, trusted or not. */
export async function speaksTls(target: Target): Promise<boolean> {
  return greetTls(target, { rejectUnauthorized: false }).then(
    () => true,
    () => false,
  );
}

function untilEvent(socket: net.Socket, event: string, kind: FailureKind, late: string): Promise<void> {
  const arrival = new Promise<void>((resolve, reject) => {
    socket.once(event, () => resolve());
    // It may fail again after the first error; once would leave the second unhandled.
    socket.on('error', reject);
    socket.once('close', () => reject(new AttemptError('cut off', 'closed')));
  });
  return withLimit(arrival, kind, late);
}

async function withLimit<T>(work: Promise<T>, kind: FailureKind, late: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new AttemptError(kind, late)), STEP_LIMIT_MS);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
