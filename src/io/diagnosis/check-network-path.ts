import type { Check } from '../../core/diagnosis/check.js';
import { chooseProxy } from '../http/proxy-choice.js';
import { type Checker, type Finding, skipped } from './checker.js';
import { greetTls, reach, resolveName, targetOf } from './network-path.js';

/** Where the path leads, and whom to trust there. */
export interface NetworkPathOptions {
  /** Base URL of the server. */
  url: URL;
  ca?: string | undefined;
  insecure?: boolean | undefined;
}

/** Name, TCP and TLS; to the proxy when there is one, for then the proxy does the rest. */
export async function* checkNetworkPath(
  { url, ca, insecure }: NetworkPathOptions,
  checker: Checker,
): AsyncGenerator<Check, void, undefined> {
  const proxy = chooseProxy(url, process.env);
  const target = targetOf(proxy?.url ?? url);
  const dns = await checker.checkNetwork('dns', async () => ({
    status: 'ok',
    detail: `${target.host} is ${(await resolveName(target.host)).join(', ')}`,
  }));
  if (proxy !== undefined) dns.fault &&= 'proxy unreachable';
  yield dns;
  if (dns.status === 'failed') {
    yield skipped(proxy === undefined ? 'tcp' : 'proxy');
    return;
  }
  const tcp = await checker.checkNetwork(proxy === undefined ? 'tcp' : 'proxy', async () => ({
    status: 'ok',
    detail: `${await reach(target)} port ${target.port}${proxy ? ` (${proxy.variable})` : ''}`,
  }));
  if (proxy !== undefined) tcp.fault &&= 'proxy unreachable';
  yield tcp;
  if (url.protocol !== 'wss:' || proxy !== undefined) return;
  if (tcp.status === 'failed') yield skipped('tls');
  else {
    const tls = await checker.checkNetwork('tls', () => greet(target, { ca, insecure }));
    // TCP has come about, so the host can be reached.
    yield tls.fault === 'unreachable' ? { ...tls, fault: 'silent' } : tls;
  }
}

async function greet(
  target: { host: string; port: number },
  trust: { ca: string | undefined; insecure: boolean | undefined },
): Promise<Finding> {
  const { protocol, names, validTo, distrust } = await greetTls(target, trust);
  const detail = `${protocol}, certificate for ${names}, good until ${validTo}`;
  return distrust === undefined
    ? { status: 'ok', detail }
    : { status: 'warning', detail: `${detail}; not verified: ${distrust}` };
}
