import { BlockList, isIP } from 'node:net';
import { isLoopback, withoutBrackets } from '../../core/address.js';
import { OpmasError } from '../../core/errors.js';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The proxy for a URL. */
export interface ProxyChoice {
  /** Where the proxy is, without credentials. Its protocol is one of {@link PROXY_PORTS}. */
  url: URL;
  /** Decoded; secrets. `undefined` when the URL has none. */
  credentials: { user: string; password: string } | undefined;
  /** The origin of the choice, for messages: a variable, `--proxy`, a context. */
  source: string;
}

/** The kinds of proxies, with the usual port of each. */
const PROXY_PORTS: Readonly<Record<string, string>> = {
  'http:': '80',
  'https:': '443',
  'socks:': '1080',
  'socks4:': '1080',
  'socks4a:': '1080',
  'socks5:': '1080',
  'socks5h:': '1080',
};
/** Each is sent in a field whose length is one byte. */
const LONGEST_SOCKS_CREDENTIAL = 255;

/** The proxy that the environment names for a URL, or the reason why it is not used, as a clause. */
interface EnvironmentProxy {
  proxy?: ProxyChoice | undefined;
  whyDirect?: string | undefined;
}

/**
 * Chooses the proxy of a request by the rules of curl: `HTTPS_PROXY` for `wss` and `https`,
 * `HTTP_PROXY` for `ws` and `http`, then `ALL_PROXY`, each in lower case first (`HTTP_PROXY` in upper case, too, which
 * curl leaves out); none for hosts in `NO_PROXY` (a name stands for its subdomains too, `host:port` for one port,
 * `10.0.0.0/8` for a network, `*` for all), and none for this machine: its tokens would go to another one. A value
 * without a scheme is an `http` proxy.
 *
 * @throws {OpmasError} `USAGE` when the value is no URL or names a kind of proxy that is not supported. The message
 * names the source, never the value, which may hold a password.
 */
export function chooseProxy(target: URL, environment: Environment): EnvironmentProxy {
  if (isLoopback(target.hostname)) return {};
  const secure = target.protocol === 'wss:' || target.protocol === 'https:';
  const [own, other] = secure
    ? (['https_proxy', 'http_proxy'] as const)
    : (['http_proxy', 'https_proxy'] as const);
  const found = firstOf(environment, own, 'all_proxy');
  if (found !== undefined) {
    return isExempt(target, secure, environment)
      ? { whyDirect: `NO_PROXY exempts it from ${found.variable}` }
      : { proxy: readProxy(found.value, found.variable) };
  }
  const unused = firstOf(environment, other);
  if (unused === undefined) return {};
  const scheme = secure ? 'wss' : 'ws';
  return { whyDirect: `${unused.variable} is not for ${scheme}://, which takes ${own.toUpperCase()}` };
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

/** Returns whether an address is in a network like `10.0.0.0/8` or `fd00::/8`. */
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

/** Reads the URL of a proxy; `none`, or an empty text, is a direct connection. @throws {OpmasError} `USAGE`. */
export function readProxy(value: string, source: string): ProxyChoice | undefined {
  const trimmed = value.trim();
  if (trimmed === '' || trimmed === 'none') return undefined;
  const text = trimmed.includes('://') ? trimmed : `http://${trimmed}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const fail = (what: string, hint: string) => new OpmasError('USAGE', `${source} ${what}`, { hint });
  if (url === undefined || url.hostname === '') {
    const example = /^[A-Z_]+$/i.test(source) ? `${source}=` : '--proxy ';
    throw fail('does not hold the URL of a proxy', `Write it like this: ${example}http://proxy.example:3128`);
  }
  const port = PROXY_PORTS[url.protocol];
  if (port === undefined) {
    const kinds = 'Use an http, https, socks4, socks4a, socks5 or socks5h proxy';
    throw fail(
      `names a ${url.protocol.slice(0, -1)} proxy, which is not supported`,
      `${kinds}, or connect directly with \`proxy: 'none'\`.`,
    );
  }
  const { username, password } = url;
  const credentials =
    username === '' && password === '' ? undefined : { user: decode(username), password: decode(password) };
  const isLong = (secret = '') => Buffer.byteLength(secret) > LONGEST_SOCKS_CREDENTIAL;
  if (isSocks(url) && (isLong(credentials?.user) || isLong(credentials?.password))) {
    throw fail('has a user or a password that is too long for SOCKS', 'The limit is 255 bytes.');
  }
  url.username = '';
  url.password = '';
  url.port ||= port;
  return { url, credentials, source };
}

/** Returns whether a proxy speaks SOCKS. */
export function isSocks({ protocol }: URL): boolean {
  return protocol.startsWith('socks');
}

/** Writes a proxy for people, without credentials: `http://proxy.example:3128`. */
export function displayProxy({ url }: ProxyChoice): string {
  return `${url.protocol}//${url.host}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
