import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { targetOf } from '../../core/address.js';
import { AttemptError } from '../../core/failure/failure.js';
import { describeAttempts } from '../../core/failure/from-error.js';
import type { Check } from '../../core/failure/verdict.js';
import { unlessStopped, withLimit } from '../clock.js';
import { resolveHost } from '../http/dial.js';
import { greetTls, Opening, type Way } from '../http/opening.js';
import { nameOf } from '../http/proxy.js';
import type { ServerRoute } from '../http/server-route.js';
import { type Checker, type Finding, skipped } from './findings.js';

const STEP_LIMIT_MS = 5000;
/** Some servers send no tickets. */
const LATE_ALERT_MS = 1000;

/** Checks name, TCP or the tunnel of a proxy, and TLS. With a proxy, the name is that of the proxy. */
export async function* checkNetworkPath(
  route: ServerRoute,
  checker: Checker,
): AsyncGenerator<Check, void, undefined> {
  const { base, proxy } = route;
  const target = targetOf(proxy?.url ?? base);
  const what = proxy === undefined ? '' : `${nameOf(proxy)}: `;
  const dns = await checker.checkNetwork('dns', async () => ({
    status: 'ok',
    detail: `${what}${target.host} is ${(await resolveName(target.host, route.family)).join(', ')}`,
  }));
  // On the network of a company, names and addresses may be for the proxy only.
  const told = (check: Check): Check =>
    check.status === 'failed' && route.whyDirect !== undefined
      ? { ...check, detail: `${check.detail}; ${route.whyDirect}` }
      : check;
  yield proxy === undefined || dns.failure === undefined
    ? told(dns)
    : { ...dns, failure: 'proxy unreachable' };
  const name = proxy === undefined ? 'tcp' : 'proxy';
  if (dns.status === 'failed') {
    yield skipped(name);
    return;
  }
  const link = await checker.checkNetwork(name, async () => ({
    status: 'ok',
    detail: await reach(route),
  }));
  yield told(link);
  if (base.protocol !== 'wss:') return;
  if (link.status === 'failed') {
    yield skipped('tls');
    return;
  }
  yield await checker.checkNetwork('tls', () => checkTls(route), route);
}

/** Finds the addresses of a host; a literal address is its own. */
async function resolveName(host: string, family: Way['family']): Promise<string[]> {
  const found = await withLimit(resolveHost(host, family), STEP_LIMIT_MS, lateName);
  return found.map(({ address }) => address);
}

const lateName = () => new AttemptError('name server fails', 'the name server did not answer in 5 s');

/** Opens and closes a connection, or a tunnel of the proxy. @returns What answered, and the addresses that did not. */
async function reach(route: ServerRoute): Promise<string> {
  const { host, port } = targetOf(route.base);
  const opening = new Opening({ host, port }, route, { limitMs: STEP_LIMIT_MS });
  try {
    const socket = await withLimit(opening.open(), STEP_LIMIT_MS, () => opening.stalled ?? lateName());
    const parts = [`${socket.remoteAddress} port ${port}`];
    socket.destroy();
    if (route.proxy !== undefined) return `${nameOf(route.proxy)} opens a tunnel to ${host} port ${port}`;
    const { errors, silent } = opening.dial!;
    if (errors.length > 0) parts.push(describeAttempts(errors));
    if (silent.length > 0) parts.push(`nothing yet from ${silent.join(', ')}`);
    return parts.join('; ');
  } finally {
    opening.destroy();
  }
}

async function checkTls(route: ServerRoute): Promise<Finding> {
  const socket = await greetTls(route, route.trust.server, STEP_LIMIT_MS);
  const certificate = socket.getPeerCertificate();
  await untilServerIsDone(socket).finally(() => socket.destroy());
  const { subjectaltname, subject, valid_to: validTo } = certificate;
  // Node's types promise an error and a subject where there is text or nothing.
  const distrust: unknown = socket.authorizationError;
  const names = subjectaltname ?? String((subject as { CN?: string } | undefined)?.CN ?? 'no name');
  const detail = `${socket.getProtocol() ?? 'TLS'}, certificate for ${names}, valid until ${validTo}`;
  if (socket.authorized) return { status: 'ok', detail };
  const why = (distrust as Partial<Error> | null)?.message ?? String(distrust);
  return { status: 'warning', detail: `${detail}; not verified: ${why}` };
}

/** Waits until a server of TLS 1.3 has judged our certificate, or its absence, by a ticket, an alert, or without a word. */
async function untilServerIsDone(socket: TLSSocket): Promise<void> {
  if (socket.getProtocol() !== 'TLSv1.3') return;
  const judged = Promise.race([once(socket, 'session'), once(socket, 'close')]);
  await unlessStopped(judged, AbortSignal.timeout(LATE_ALERT_MS));
  if (socket.destroyed) throw new AttemptError('cut off', 'closed after the TLS handshake');
}

/** Tries whether the server answers in TLS, trusted or not. */
export async function speaksTls(route: ServerRoute): Promise<boolean> {
  return greetTls(route, { rejectUnauthorized: false }, STEP_LIMIT_MS).then(
    (socket) => socket.destroy() !== undefined,
    () => false,
  );
}
