import { BlockList, isIP } from 'node:net';
import { isLoopback, withoutBrackets } from '../../core/address.js';
import { OpmasError } from '../../core/errors.js';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The proxy that the environment names for a URL. */
export interface ProxyChoice {
  /** Where the proxy is, without credentials. */
  url: URL;
  /** `user:password`, decoded: a secret. `undefined` when the variable has none. */
  credentials: string | undefined;
  /** The variable that named it, for messages. */
  variable: string;
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/**
 * Chooses the proxy of a request by the rules of curl: `HTTPS_PROXY` for `wss` and `https`, `HTTP_PROXY` for `ws`
 * and `http`, then `ALL_PROXY`, each in lower case first (`HTTP_PROXY` in upper case, too, which curl leaves out); none
 * for hosts in `NO_PROXY` (a name stands for its subdomains too, `host:port` for one port, `10.0.0.0/8` for a network,
 * `*` for all), and none for this machine: its tokens would go to another one. A value without a scheme is an `http` proxy.
 *
 * @throws {OpmasError} `USAGE` when the variable holds no URL or a kind of proxy that is not supported (SOCKS). The
 * message names the variable, never its value, which may hold a password.
 */
export function chooseProxy(target: URL, environment: Environment): ProxyChoice | undefined {
  const secure = target.protocol === 'wss:' || target.protocol === 'https:';
  if (isLoopback(target.hostname)) return undefined;
  const found = firstOf(environment, secure ? 'https_proxy' : 'http_proxy', 'all_proxy');
  if (found === undefined || isExempt(target, secure, environment)) return undefined;
  return readProxy(found.value, found.variable);
}

function firstOf(environment: Environment, ...names: string[]) {
  for (const name of names) {
    for (const variable of [name, name.toUpperCase()]) {
      const value = environment[variable]?.trim();
      if (value) return { variable, value };
    }
  }
  return undefined;
}

function isExempt(target: URL, secure: boolean, environment: Environment): boolean {
  const port = target.port || (secure ? '443' : '80');
  const list = firstOf(environment, 'no_proxy')?.value.toLowerCase() ?? '';
  const entries = list.split(/[,\s]+/);
  return entries.some((entry) => entry !== '' && covers(entry, bareHost(target.hostname), port));
}

function covers(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  if (entry.includes('/')) return isInNetwork(host, entry);
  // A port stands after a name, an IPv4 address or `]`; a bare IPv6 address has only its own colons.
  const match = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(entry);
  if (match !== null && match[2] !== port) return false;
  const name = bareHost(match?.[1] ?? entry).replace(/^\*?\./, '');
  return host === name || host.endsWith(`.${name}`);
}

/** Says whether an address is in a network like `10.0.0.0/8` or `fd00::/8`. */
function isInNetwork(host: string, network: string): boolean {
  const [base = '', bits = ''] = network.split('/');
  const family = isIP(base);
  if (family === 0 || isIP(host) !== family || !/^\d{1,3}$/.test(bits)) return false;
  const type = family === 4 ? 'ipv4' : 'ipv6';
  if (Number(bits) > (family === 4 ? 32 : 128)) return false;
  const networks = new BlockList();
  networks.addSubnet(base, Number(bits), type);
  return networks.check(host, type);
}

/** Removes the brackets of an IPv6 literal and a root dot from a host. */
function bareHost(host: string): string {
  return withoutBrackets(host).replace(/\.$/, '');
}

function readProxy(value: string, variable: string): ProxyChoice {
  const text = value.includes('://') ? value : `http://${value}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.hostname === '') {
    throw new OpmasError('USAGE', `${variable} does not hold the URL of a proxy`, {
      hint: `Set it like this: ${variable}=http://proxy.example:3128`,
    });
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    const kind = url.protocol.slice(0, -1);
    throw new OpmasError('USAGE', `${variable} names a ${kind} proxy, which is not supported`, {
      hint: 'Use an http or https proxy, or exempt this server with NO_PROXY.',
    });
  }
  const credentials =
    url.username === '' && url.password === ''
      ? undefined
      : `${decode(url.username)}:${decode(url.password)}`;
  url.username = '';
  url.password = '';
  url.port ||= DEFAULT_PORTS[url.protocol] ?? '';
  return { url, credentials, variable };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
