import { OpmasError, type SaidOptions, type TokenPlace } from '../../index.js';
import { displayProxy, readProxy, type SaidNats, type SaidRoute } from '../../internal.js';
import { type Command, Option } from '../commander.js';
import { parseHeader, shownHeader } from '../connection/headers.js';
import { parsePositiveDuration } from './quantity.js';
import { collect, type PublishCommandOptions } from './selection.js';

/** Options that every command has. */
export interface GlobalOptions {
  url?: string;
  context?: string;
  color: 'auto' | 'always' | 'never';
  quiet?: boolean;
  debug?: boolean;
}

/** Options about the token and the way to the server. */
export interface TokenOptions extends RouteCommandOptions {
  tokenFile?: string;
  /** Limit for the token command of the context, in milliseconds. */
  tokenCommandTimeout?: number;
  /** False with `--no-token`. */
  token?: boolean;
  /** On commands that have it, this also limits the wait for a token; in milliseconds. */
  connectTimeout?: number;
}

/** Adds the options of {@link TokenOptions} to a command. */
export function addTokenOptions(command: Command): Command {
  const withToken = command
    .optionsGroup('Token:')
    .option('--token-file <path>', 'read the token from this file; - is stdin (env: OPMAS_TOKEN_FILE)')
    .value(
      '--token-command-timeout <t>',
      "end the context's token command after this time (default: as in the context, else 10s)",
      parsePositiveDuration,
    )
    .option('--no-token', 'connect without a token')
    .addOption(rejectedTokenOption());
  return addRouteOptions(withToken);
}

/** Creates a hidden `--token`, which says what to use instead. */
export function rejectedTokenOption(): Option {
  return new Option('--token <value>').hideHelp().argParser(() => {
    throw new OpmasError('USAGE', '--token is not supported: other users could read it in the process list', {
      hint: 'Use `opmas-ws auth login`, --token-file PATH (- is stdin), OPMAS_TOKEN or OPMAS_TOKEN_FILE.',
    });
  });
}

/** Options about the way to a server. */
export type RouteCommandOptions = SaidRoute;

/** Those that a context keeps. */
export type KeptRouteOptions = Omit<SaidRoute, 'insecure'>;

/** An option that a context keeps: on the command line, and in the configuration. */
export interface KeptOption {
  /** With `<value>`, unless it is a switch. */
  flags: string;
  description: string;
  choices?: readonly string[];
  conflicts?: string;
  isRepeatable?: true;
  /** The value is made absolute for a context. */
  isPath?: true;
  /** Its member in the configuration. Default: the name in snake case. */
  member?: string;
  /** Throws for a value that a context cannot have. */
  check?: (text: string) => unknown;
  /** The value of a context without it. Default: false, an empty list, or nothing. */
  byDefault?: string;
  /** Writes the value for people, without secrets. */
  show?: (text: string) => string;
}

/** The one table of options about the way to a server: of commands, of contexts, and of the commands in hints. */
export const ROUTE_OPTIONS: { readonly [Name in keyof Required<KeptRouteOptions>]: KeptOption } = {
  header: {
    flags: '-H, --header <line>',
    description: "add a header to each request: 'Name: value' or 'Name: @FILE'; repeatable",
    isRepeatable: true,
    member: 'headers',
    check: (line) => parseHeader(line, true),
    show: (line) => shownHeader(line, true, '(in the configuration)'),
  },
  tokenIn: {
    flags: '--token-in <place>',
    description: 'send the token in the URL of a stream, or as Authorization header (default: query)',
    choices: ['query', 'header'] satisfies TokenPlace[],
    byDefault: 'query',
  },
  proxy: {
    flags: '--proxy <url>',
    description:
      'HTTP or SOCKS proxy, such as socks5h://HOST:1080; `none` connects directly (default: that of the environment)',
    check: (text) => readProxy(text, '"proxy"'),
    show: shownProxy,
  },
  ipv4: { flags: '-4, --ipv4', description: 'connect to IPv4 addresses only', conflicts: 'ipv6' },
  ipv6: { flags: '-6, --ipv6', description: 'connect to IPv6 addresses only' },
  plaintext: { flags: '--plaintext', description: 'allow ws:// to other machines or through a proxy' },
  ca: { flags: '--ca <file>', description: 'also trust the CAs in this PEM file', isPath: true },
  cert: {
    flags: '--cert <file>',
    description: 'client certificate (PEM, also with its key)',
    isPath: true,
  },
  key: { flags: '--key <file>', description: 'private key of the client certificate (PEM)', isPath: true },
  keyPassphraseFile: {
    flags: '--key-passphrase-file <file>',
    description: 'passphrase of the key (default: ask)',
    isPath: true,
  },
};

/** Adds options of a context to a command. */
export function addKeptOptions(command: Command, options: Readonly<Record<string, KeptOption>>): Command {
  for (const { flags, description, choices, conflicts, isRepeatable } of Object.values(options)) {
    const option = new Option(flags, description);
    if (choices !== undefined) option.choices(choices);
    if (conflicts !== undefined) option.conflicts(conflicts);
    command.addOption(isRepeatable ? option.argParser(collect) : option);
  }
  return command;
}

/** Adds the options of {@link RouteCommandOptions} to a command. */
export function addRouteOptions(command: Command): Command {
  return addKeptOptions(command.optionsGroup('Way to the server:'), ROUTE_OPTIONS).option(
    '--insecure',
    "do not verify the server's certificate",
  );
}

/** Returns the address family that the options choose; `undefined` = both. */
export function familyOf({ ipv4, ipv6 }: KeptRouteOptions = {}): 4 | 6 | undefined {
  return ipv4 ? 4 : ipv6 ? 6 : undefined;
}

/** Returns what the user typed, for the commands in messages to repeat: without the values of headers. */
export function saidRoute(options: RouteCommandOptions): SaidOptions {
  const names = [...Object.keys(ROUTE_OPTIONS), 'insecure'] as (keyof RouteCommandOptions)[];
  const header = options.header?.map((line) => shownHeader(line, false, 'VALUE'));
  return { ...Object.fromEntries(names.map((name) => [name, options[name]])), header };
}

/** The same for commands about a stream of NATS. @param name Of the command: the client certificate of `record` is for the API. */
export function saidNats(
  options: RouteCommandOptions & Partial<PublishCommandOptions>,
  name: string,
): SaidNats {
  const { natsContext, natsCreds, subjectPrefix, createStream, ca, insecure, plaintext } = options;
  const { cert, key, keyPassphraseFile } = name === 'record' ? {} : options;
  const id = options.id === 'line' ? undefined : options.id;
  const login = { natsContext, natsCreds, subjectPrefix, id, createStream };
  return { ...login, ca, cert, key, keyPassphraseFile, insecure, plaintext };
}

/** Shows a proxy without its credentials. */
function shownProxy(url: string): string {
  const proxy = readProxy(url, 'proxy');
  return proxy === undefined ? 'none' : displayProxy(proxy);
}
