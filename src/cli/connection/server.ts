import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { DEFAULT_URL, displayUrl, OpmasError, parseBaseUrl, type RouteOptions } from '../../index.js';
import { isLoopback, nameOf, type ProxyChoice, ServerRoute, splitCommand } from '../../internal.js';
import { parsePositiveDuration } from '../options/quantity.js';
import {
  familyOf,
  type GlobalOptions,
  type KeptRouteOptions,
  type RouteCommandOptions,
  type TokenOptions,
} from '../options/server-options.js';
import { type Config, type Context, contextNamed, noConfig, readConfig } from './config.js';
import { readHeaders, variablesIn, warningsAbout } from './headers.js';
import { type AskPassphrase, readPemFiles } from './pem-files.js';

/** The server that a command uses, and how it was chosen. */
export interface ChosenServer {
  url: URL;
  /** Source of the URL, for messages: `--url`, `OPMAS_URL`, `context lab`, `default`. */
  urlSource: string;
  /** The context that applies to this server, if any. */
  context: (Context & { name: string }) | undefined;
  config: Config;
  /** Warnings to print before anything connects. */
  warnings: string[];
}

/**
 * Chooses the server: `--url`, then `--context`, `OPMAS_URL`, `OPMAS_CONTEXT`, the current context, the default. A
 * context's token command, headers and other settings belong to its own server: they are ignored when another URL is
 * given.
 *
 * @throws {OpmasError} `USAGE` when any of them is wrong.
 */
export async function chooseServer(
  globals: GlobalOptions,
  options: TokenOptions,
  environment: NodeJS.ProcessEnv,
): Promise<ChosenServer> {
  const config = await readNeededConfig(globals, options, environment);
  const context = chooseContext(globals, environment, config);
  const { text, urlSource } = chooseUrl(globals, environment, context);
  const url = parseBaseUrl(text);
  const warnings = [...config.warnings];
  const owner = context && displayUrl(parseBaseUrl(context.url));
  const applied = owner === displayUrl(url) ? context : undefined;
  if (context?.isNamed && applied === undefined) {
    warnings.push(
      `context ${context.name} belongs to ${owner}: its token command and its settings are not used for ${displayUrl(url)}`,
    );
  }
  return { url, urlSource, context: applied, config, warnings };
}

/**
 * Reads the configuration. Where the command needs none, because URL and token are given, a broken one is a warning:
 * scripts and services must not depend on the files of a user.
 */
async function readNeededConfig(
  globals: GlobalOptions,
  options: TokenOptions,
  environment: NodeJS.ProcessEnv,
): Promise<Config> {
  const hasUrl = globals.url !== undefined || Boolean(environment.OPMAS_URL);
  const { OPMAS_TOKEN: token, OPMAS_TOKEN_FILE: file } = environment;
  const hasToken = options.token === false || options.tokenFile !== undefined || Boolean(token || file);
  const isNamed = globals.context !== undefined || Boolean(environment.OPMAS_CONTEXT);
  try {
    const config = await readConfig(environment);
    if (!isNamed) checkCurrent(config);
    return config;
  } catch (error) {
    if (!(error instanceof OpmasError) || !hasUrl || !hasToken || isNamed) throw error;
    return { ...noConfig, warnings: [`the configuration is ignored: ${error.message}`] };
  }
}

function checkCurrent({ path, current, contexts }: Config): void {
  if (current === undefined || contexts.has(current)) return;
  throw new OpmasError('USAGE', `${path}: the current context ${JSON.stringify(current)} does not exist`, {
    hint: 'Switch to another context: opmas-ws context use NAME',
  });
}

function chooseContext(globals: GlobalOptions, environment: NodeJS.ProcessEnv, config: Config) {
  const named = globals.context ?? (environment.OPMAS_CONTEXT || undefined);
  if (named !== undefined) return { ...contextNamed(config, named), name: named, isNamed: true };
  const { current } = config;
  if (current === undefined) return undefined;
  return { ...contextNamed(config, current), name: current, isNamed: false };
}

function chooseUrl(
  globals: GlobalOptions,
  environment: NodeJS.ProcessEnv,
  context: (Context & { name: string }) | undefined,
): { text: string; urlSource: string } {
  if (globals.url !== undefined) return { text: globals.url, urlSource: '--url' };
  const fromContext = context && { text: context.url, urlSource: `context ${context.name}` };
  if (globals.context !== undefined && fromContext) return fromContext;
  if (environment.OPMAS_URL) return { text: environment.OPMAS_URL, urlSource: 'OPMAS_URL' };
  return fromContext ?? { text: DEFAULT_URL, urlSource: 'default' };
}

/** The server that a command connects to, and the way to it. */
export interface RoutedServer extends ChosenServer {
  route: RouteOptions;
}

/** The use of a server. */
export interface ServerUse {
  /** True for a command that sends nothing, and so needs no headers, certificates or encryption. */
  sendsNothing?: boolean;
  /** Asks for the passphrase of a key. `undefined` without a terminal. */
  ask?: AskPassphrase | undefined;
}

/**
 * Chooses the server as {@link chooseServer} does, and reads the files and variables that the way to it needs.
 *
 * @throws {OpmasError} `USAGE` when something is wrong, or the connection is not encrypted and that is not allowed.
 */
export async function chooseRoute(
  globals: GlobalOptions,
  options: TokenOptions,
  environment: NodeJS.ProcessEnv,
  use: ServerUse = {},
): Promise<RoutedServer> {
  const server = await chooseServer(globals, options, environment);
  const { route, warnings } = await readRoute(server.url, options, server.context, environment, use);
  return { ...server, route, warnings: [...server.warnings, ...warnings] };
}

/**
 * Checks a new context as the commands that use it will. The values of variables may come later.
 *
 * @returns Warnings. @throws {OpmasError} `USAGE` for a context that no command could use.
 */
export async function checkContext(context: Context, environment: NodeJS.ProcessEnv): Promise<string[]> {
  const { url, header = [], tokenCommand, tokenCommandTimeout, ...options } = context;
  if (tokenCommandTimeout !== undefined) {
    parsePositiveDuration(tokenCommandTimeout, '--token-command-timeout');
  }
  const [program] = tokenCommand === undefined ? [] : splitCommand(tokenCommand);
  const variables = variablesIn(header).map((name) => [name, environment[name] || 'not set yet']);
  const others = Object.entries(environment).filter(([name]) => !/_proxy$/i.test(name));
  const filled = Object.fromEntries([...others, ...variables]);
  // A passphrase is asked for when it is needed.
  const use = { ask: async () => undefined };
  const { warnings } = await readRoute(parseBaseUrl(url), options, { header }, filled, use);
  if (program !== undefined && !(await isProgram(program, environment))) {
    warnings.push(`the token command cannot be started here: there is no program ${program} that can be run`);
  }
  return [...warningsAbout(header, true), ...warnings];
}

async function isProgram(name: string, { PATH = '' }: NodeJS.ProcessEnv): Promise<boolean> {
  // Windows tries further endings.
  if (process.platform === 'win32') return true;
  const paths = name.includes('/') ? [name] : PATH.split(delimiter).map((folder) => join(folder, name));
  const tried = await Promise.allSettled(paths.map((path) => access(path, constants.X_OK)));
  return tried.some(({ status }) => status === 'fulfilled');
}

/** Reads what the options and the context say about the way to a server. Options win. */
async function readRoute(
  url: URL,
  options: RouteCommandOptions,
  context: (KeptRouteOptions & { name?: string }) | undefined,
  environment: NodeJS.ProcessEnv,
  { sendsNothing = false, ask }: ServerUse,
): Promise<{ route: RouteOptions; warnings: string[] }> {
  const warnings: string[] = [];
  const contents: RouteOptions = {};
  if (!sendsNothing) {
    const typed = options.header ?? [];
    const { headers, warnings: fromHeaders } = await readHeaders(typed, context?.header ?? [], environment);
    const { warnings: fromFiles, ...certificates } = await readPemFiles(options, context, ask);
    Object.assign(contents, certificates, { headers });
    warnings.push(...fromHeaders, ...fromFiles);
  }
  if (options.insecure) {
    warnings.push('--insecure: the certificate is not verified, so the token can be read on the way');
  }
  const route = {
    ...contents,
    tokenIn: options.tokenIn ?? context?.tokenIn,
    insecure: options.insecure,
    proxy: options.proxy ?? context?.proxy,
    sources: {
      ...contents.sources,
      proxy: options.proxy === undefined ? `context ${context?.name}` : '--proxy',
    },
    family: familyOf(options) ?? familyOf(context),
    environment,
  };
  // Refuses what is wrong before the user is asked for anything.
  const { proxy } = new ServerRoute(url, route);
  const isAllowed = sendsNothing || (options.plaintext ?? context?.plaintext ?? false);
  if (isExposed(url, proxy, isAllowed)) {
    warnings.push('ws:// is not encrypted: the token and the events can be read on the way');
  }
  if (options.proxy !== undefined && proxy?.credentials?.password) warnings.push(READABLE_PASSWORD);
  return { route, warnings };
}

const READABLE_PASSWORD =
  'other users can read the password of --proxy in the process list: put the URL of the proxy into ALL_PROXY, or into the configuration file';

/**
 * Returns whether others could read what is sent.
 *
 * @throws {OpmasError} `USAGE` when they could and that is not allowed.
 */
function isExposed(url: URL, proxy: ProxyChoice | undefined, isAllowed: boolean): boolean {
  if (url.protocol === 'wss:' || (proxy === undefined && isLoopback(url.hostname))) return false;
  if (isAllowed) return true;
  const through = proxy === undefined ? '' : ` and goes through ${nameOf(proxy)}`;
  throw new OpmasError(
    'USAGE',
    `${displayUrl(url)} is not encrypted${through}: the token and the events could be read on the way`,
    { hint: 'Use wss://, or allow it with --plaintext.' },
  );
}
