import type { SaidOptions, TokenPlace } from '../../index.js';
import { displayProxy, readProxy } from '../../internal.js';
import { type Command, Option } from '../commander.js';
import { parseHeader, shownHeader } from '../connection/headers.js';
import { collect } from './selection.js';

/** Options about the way to a server that a context keeps. */
export interface KeptRouteOptions {
  /** `Name: value`, or the source of the value; see `parseHeader`. */
  header?: readonly string[] | undefined;
  tokenIn?: TokenPlace | undefined;
  /** URL of a proxy, or `none`. May hold a password. */
  proxy?: string | undefined;
  ipv4?: boolean | undefined;
  ipv6?: boolean | undefined;
  plaintext?: boolean | undefined;
  /** Paths of PEM files. */
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  keyPassphraseFile?: string | undefined;
}

/** Options about the way to a server. */
export interface RouteCommandOptions extends KeptRouteOptions {
  insecure?: boolean;
}

/** One of these options, on the command line and in a context. */
export interface RouteOption {
  flags: string;
  description: string;
  choices?: readonly string[];
  conflicts?: string;
  /** Its member in the configuration. */
  member: string;
  type: 'string' | 'list' | 'boolean';
  /** Throws for a value that a context cannot have. */
  check?: (text: string) => unknown;
  /** What counts in a context without it. */
  byDefault: string | boolean | null | [];
  /** Writes the value for people, without secrets. */
  show?: (text: string) => string;
  /** The value is made absolute for a context. */
  isPath?: true;
}

const TOKEN_PLACES: readonly string[] = ['query', 'header'] satisfies TokenPlace[];

/** The one table of options about the way to a server: of commands, of contexts, and of the commands in hints. */
export const ROUTE_OPTIONS: { readonly [Name in keyof Required<KeptRouteOptions>]: RouteOption } = {
  header: {
    flags: '-H, --header <line>',
    description:
      "add a header to each request: 'Name: value', or 'Name: @FILE' to read the value from a file; repeatable",
    member: 'headers',
    type: 'list',
    check: (line) => parseHeader(line, true),
    byDefault: [],
    show: (line) => shownHeader(line, true, '(in the configuration)'),
  },
  tokenIn: {
    flags: '--token-in <place>',
    description:
      'send the token of a stream in the query of the URL, or in the Authorization header (default: query)',
    choices: TOKEN_PLACES,
    member: 'token_in',
    type: 'string',
    byDefault: 'query',
  },
  proxy: {
    flags: '--proxy <url>',
    description:
      'connect through this proxy: http, https, socks5, socks5h, socks4 or socks4a; `none` connects directly (default: the proxy of the environment)',
    member: 'proxy',
    type: 'string',
    check: (text) => readProxy(text, '"proxy"'),
    byDefault: null,
    show: shownProxy,
  },
  ipv4: {
    flags: '-4, --ipv4',
    description: 'connect to IPv4 addresses only',
    conflicts: 'ipv6',
    member: 'ipv4',
    type: 'boolean',
    byDefault: false,
  },
  ipv6: {
    flags: '-6, --ipv6',
    description: 'connect to IPv6 addresses only',
    member: 'ipv6',
    type: 'boolean',
    byDefault: false,
  },
  plaintext: {
    flags: '--plaintext',
    description: 'allow ws:// to another machine, or through a proxy',
    member: 'plaintext',
    type: 'boolean',
    byDefault: false,
  },
  ca: file('ca', '--ca <file>', 'also trust the CAs in this PEM file'),
  cert: file('cert', '--cert <file>', 'show this client certificate, in PEM; the file may also hold its key'),
  key: file('key', '--key <file>', 'private key of the client certificate, in PEM'),
  keyPassphraseFile: file(
    'key_passphrase_file',
    '--key-passphrase-file <file>',
    'read the passphrase of the key from this file (default: ask)',
  ),
};

function file(member: string, flags: string, description: string): RouteOption {
  return { flags, description, member, type: 'string', isPath: true, byDefault: null };
}

/** Adds the options of {@link KeptRouteOptions} to a command. */
export function addKeptRouteOptions(command: Command): Command {
  for (const { flags, description, choices, conflicts, type } of Object.values(ROUTE_OPTIONS)) {
    const option = new Option(flags, description);
    if (choices !== undefined) option.choices(choices);
    if (conflicts !== undefined) option.conflicts(conflicts);
    command.addOption(type === 'list' ? option.argParser(collect) : option);
  }
  return command;
}

/** Adds the options of {@link RouteCommandOptions} to a command. */
export function addRouteOptions(command: Command): Command {
  return addKeptRouteOptions(command).option('--insecure', "do not verify the server's certificate");
}

/** Returns the address family that the options choose; `undefined` = both. */
export function familyOf({ ipv4, ipv6 }: KeptRouteOptions = {}): 4 | 6 | undefined {
  return ipv4 ? 4 : ipv6 ? 6 : undefined;
}

/** Returns what the user typed, for the commands in messages to repeat: without the values of headers. */
export function saidRoute(options: RouteCommandOptions): SaidOptions {
  const names = [...Object.keys(ROUTE_OPTIONS), 'insecure'] as (keyof RouteCommandOptions)[];
  return {
    ...Object.fromEntries(names.map((name) => [name, options[name]])),
    header: options.header?.map((line) => shownHeader(line, false, 'VALUE')),
  };
}

/** Shows a proxy without its credentials. */
function shownProxy(url: string): string {
  const proxy = readProxy(url, 'proxy');
  return proxy === undefined ? 'none' : displayProxy(proxy);
}
