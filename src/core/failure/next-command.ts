import { displayUrl, isLoopback, targetOf } from '../address.js';
import { quoted } from '../text.js';
import type { NextCommand, SaidNats, SaidOptions } from './rule.js';

/** Writes a command for a shell, about the same server and with the same token as the command before. */
export function writeCommand(command: NextCommand, said: SaidOptions, base: URL): string {
  if ('shell' in command) return withRoute(command.shell, said).map(quoted).join(' ');
  const { name, environment, change, flags = [] } = command;
  const added = change?.header ?? [];
  // Values of one name would be joined, so the wrong one would stay.
  const isReplaced = (line: string) => added.some((other) => nameOfHeader(other) === nameOfHeader(line));
  const header = [...added, ...(said.header ?? []).filter((line) => !isReplaced(line))];
  const isLogin = name === 'auth login';
  const options = { ...said, ...change, header, ...(isLogin && { tokenFile: undefined, noToken: false }) };
  const endpoints = isLogin ? [] : (options.endpoints ?? []);
  const choice = change?.url === undefined ? options : choiceForOtherUrl(change.url, options, base);
  const words = ['opmas-ws', ...name.split(' '), ...endpoints, ...flags, ...choiceWords(choice)];
  return `${environment === undefined ? '' : `${environment} `}${words.map(quoted).join(' ')}`;
}

type Chosen = Omit<SaidOptions, 'endpoints' | 'nats'> & Omit<SaidNats, keyof SaidOptions>;

/** The choice of the server, of the way to it and of the token, in the order in which commands repeat it. */
const CHOICE: readonly (keyof Chosen)[] = [
  ...(['url', 'context', 'header', 'tokenIn', 'ca', 'cert', 'key', 'keyPassphraseFile', 'insecure'] as const),
  ...(['plaintext', 'proxy', 'ipv4', 'ipv6', 'tokenFile', 'noToken'] as const),
  ...(['natsContext', 'natsCreds', 'subjectPrefix', 'id', 'createStream'] as const),
];

/** The choice as the user typed it. */
function choiceWords(said: Chosen): string[] {
  return CHOICE.flatMap((name) => {
    const value = said[name];
    if (value === undefined || value === false) return [];
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (value === true) return [flag];
    const texts = [value].flat();
    // A URL with a user, a query or a fragment is refused, and may hold a secret.
    if (name === 'url') return texts.flatMap((url) => (/[@?#\\]/.test(url) ? [] : [flag, url]));
    return texts.flatMap((text) => [
      flag,
      name === 'proxy' ? text.replace(CREDENTIALS, '$1USER:PASSWORD@') : text,
    ]);
  });
}

const CREDENTIALS = /^(\w+:\/\/)?.*@/;
const nameOfHeader = (line: string) => line.slice(0, line.indexOf(':')).toLowerCase();

/** Gives `curl` the way to the server, as far as it has flags of the same meaning. */
function withRoute(words: readonly string[], said: SaidOptions): readonly string[] {
  if (words[0] !== 'curl') return words;
  const { ca, cert, key, insecure, ipv4, ipv6 } = said;
  const proxy = said.proxy === 'none' ? undefined : said.proxy;
  const way = choiceWords({ ca, cert, key, insecure, proxy, ipv4, ipv6 });
  return [...words, ...way.map((word) => (word === '--ca' ? '--cacert' : word))];
}

/**
 * A URL that we suggest gets the token, headers and a client certificate only where they are sure to reach the same
 * server as before: under the same host name, over TLS or on this machine.
 */
function choiceForOtherUrl(other: string, said: SaidOptions, base: URL): SaidOptions {
  const url = other.replace(/^(wss:.*):443(?=\/|$)|^(ws:.*):80(?=\/|$)/, '$1$2');
  const host = /^\w+:\/\/(\[[^\]]*\]|[^:/]*)/.exec(url)?.[1];
  const { ca, proxy, ipv4, ipv6 } = said;
  const isProxied = !['none', ''].includes(proxy ?? '');
  const isExposed = url.startsWith('ws:') && (isProxied || !isLoopback(host ?? ''));
  const isSame = host === base.hostname && !isExposed;
  const same = { ...said, context: undefined, insecure: false };
  return { ...(isSame ? same : { ca, proxy, ipv4, ipv6, noToken: true }), url, plaintext: isExposed };
}

/** Flags of the command line by the options of the library, which stand in backticks in its messages. */
const FLAGS: Readonly<Record<string, string>> = {
  path: '-o',
  rotateBytes: '--rotate-size',
  append: '--append',
  force: '--force',
  port: '--port',
  'port: 0': '--port 0',
  'rate: 10': '--rate 10',
  "speed: 'max'": '--speed max',
  from: '--from',
  to: '--to',
  last: '--last',
  before: '--before',
  after: '--after',
  problems: '--problems',
  lifecycle: '--lifecycle',
  strict: '--strict',
  types: '--type',
  excludeTypes: '--exclude-type',
  subjects: '--subject',
  excludeSubjects: '--exclude-subject',
  where: '--where',
  // biome-ignore lint/suspicious/noThenProperty: named as the option
  then: '--then',
  maxMessageBytes: '--max-message',
  heartbeatMs: '--heartbeat',
  'retries: Infinity': '--retries forever',
  timeoutMs: '--token-command-timeout 60s',
  'noToken()': '--no-token',
  login: '`opmas-ws auth login`',
  'login()':
    '`opmas-ws auth login`, or give a token with --token-file, OPMAS_TOKEN or OPMAS_TOKEN_FILE; --no-token connects without one',
  headers: "-H 'NAME: @FILE'",
  'headers.Authorization': "-H 'Authorization: @FILE'",
  "tokenIn: 'query'": '--token-in query',
  "tokenIn: 'header'": '--token-in header',
  ca: '--ca FILE',
  cert: '--cert FILE',
  key: '--key FILE',
  proxy: '--proxy',
  plaintext: '--plaintext',
  access: '--nats-context NAME or --nats-creds FILE',
  prefix: '--subject-prefix',
  createStream: '--create-stream',
  "ids: 'line'": '--id line',
  "ids: 'event'": '--id event',
  "proxy: 'none'": '--proxy none',
};

const ABOUT_A_SERVER = /opmas-ws (?:auth (?:login|status|token|logout)|doctor|tail|record)\b[^`\n;]*/g;
const ABOUT_A_STREAM = /opmas-ws publish\b[^`\n;]*/g;
const OF_NATS = /nats stream (?:add|edit)\b[^`\n;]*/g;

/**
 * Rewrites a text of the library for the command line: with flags in place of options, and each command with the choice
 * of the server that the user typed. The one writer of hints.
 */
export function withServerChoice(text: string, said: SaidOptions): string {
  const { nats = {}, ...other } = said;
  const { natsContext, natsCreds, ca, cert, key } = nats;
  const ofNats = { context: natsContext, creds: natsCreds, tlsca: ca, tlscert: cert, tlskey: key };
  const flagged = text.replace(/`([^`]+)`/g, (whole, option: string) => FLAGS[option] ?? whole);
  const server = completed(flagged, ABOUT_A_SERVER, choiceWords(other));
  const stream = completed(server, ABOUT_A_STREAM, choiceWords(nats));
  const words = Object.entries(ofNats).flatMap(([name, value]) => (value ? [`--${name}`, value] : []));
  return completed(stream, OF_NATS, words);
}

/** Appends words to each command that matches and does not choose a server itself. */
function completed(text: string, commands: RegExp, words: readonly string[]): string {
  if (words.length === 0) return text;
  return text.replace(commands, (command) => {
    if (/ (--url|--context|-u|-c) /.test(command)) return command;
    const end = /[\s.]*$/.exec(command)!.index;
    return `${command.slice(0, end)} ${words.map(quoted).join(' ')}${command.slice(end)}`;
  });
}

/** Puts a server into a text: `{host}` (`{address}` in a URL), `{port}`, `{base}`, `{http}`, `{scheme}` and `{prefix}` stand for its own. */
export function fillIn(text: string, base: URL, proxy?: string | undefined): string {
  const { host, port } = targetOf(base);
  const values: Record<string, string> = {
    host,
    address: base.hostname,
    port: String(port),
    base: displayUrl(base),
    http: displayUrl(base).replace(/^ws/, 'http'),
    proxy: proxy ?? 'the proxy',
    scheme: base.protocol,
    prefix: base.pathname === '/' ? '' : base.pathname,
  };
  return text.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '');
}
