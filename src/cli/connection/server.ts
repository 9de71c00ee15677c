import { DEFAULT_URL, displayUrl, OpmasError, parseBaseUrl, type RouteOptions } from '../../index.js';
import { isLoopback, nameOf, type ProxyChoice, ServerRoute } from '../../internal.js';
import { familyOf, type GlobalOptions, type TokenOptions } from '../options/common-options.js';
import { type Config, type Context, contextNamed, noConfig, readConfig } from './config.js';
import { type AskPassphrase, readPemFiles } from './pem-files.js';

/** The server that a command uses, and how it was chosen. */
export interface ChosenServer {
  url: URL;
  /** Source of the URL, for messages: `--url`, `OPMAS_URL`, `context lab`, `default`. */
  urlSource: string;
  /** The context that applies to this server, if any. */
  context: (Context & { name: string }) | undefined;
  route: RouteOptions;
  config: Config;
  /** Warnings to print before anything connects. */
  warnings: string[];
}

/** The use of a server. */
export interface ServerUse {
  /** Nothing is sent: no certificates are needed, and no encryption. */
  sendsNothing?: boolean;
  /** Asks for the passphrase of a key. `undefined` without a terminal. */
  ask?: AskPassphrase | undefined;
}

/**
 * Chooses the server: `--url`, then `--context`, `OPMAS_URL`, `OPMAS_CONTEXT`, the current context, the default. A
 * context's token command, certificates and `plaintext` belong to its own server: they are ignored when another URL is given.
 *
 * @throws {OpmasError} `USAGE` when any of them is wrong, or the connection is not encrypted and that is not allowed.
 */
export async function chooseServer(
  globals: GlobalOptions,
  options: TokenOptions,
  environment: NodeJS.ProcessEnv,
  { sendsNothing = false, ask }: ServerUse = {},
): Promise<ChosenServer> {
  const config = await readNeededConfig(globals, options, environment);
  const context = chooseContext(globals, environment, config);
  const { text, urlSource } = chooseUrl(globals, environment, context);
  const url = parseBaseUrl(text);
  const insecure = options.insecure === true;
  const warnings = [...config.warnings];
  if (insecure) {
    warnings.push('--insecure: the certificate is not verified, so the token can be read on the way');
  }
  const owner = context && displayUrl(parseBaseUrl(context.url));
  const applied = owner === displayUrl(url) ? context : undefined;
  if (context?.isNamed && applied === undefined) {
    warnings.push(
      `context ${context.name} belongs to ${owner}: its token command and its settings are not used for ${displayUrl(url)}`,
    );
  }
  const pem = sendsNothing ? { warnings: [] } : await readPemFiles(options, applied, url, ask);
  warnings.push(...pem.warnings);
  const { warnings: _, ...certificates } = pem;
  const route = {
    ...certificates,
    insecure,
    proxy: options.proxy ?? applied?.proxy,
    proxySource: options.proxy === undefined ? `context ${applied?.name}` : '--proxy',
    family: familyOf(options) ?? applied?.family,
    environment,
  };
  const { proxy } = new ServerRoute(url, route);
  if (isExposed(url, proxy, sendsNothing || options.plaintext === true || applied?.plaintext === true)) {
    warnings.push('ws:// is not encrypted: the token and the events can be read on the way');
  }
  if (options.proxy !== undefined && proxy?.credentials?.password) warnings.push(READABLE_PASSWORD);
  return {
    url,
    urlSource,
    context: applied,
    route,
    config,
    warnings,
  };
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

/** The warning about a password in `--proxy`. */
export const READABLE_PASSWORD =
  'other users can read the password of --proxy in the process list: put the URL of the proxy into ALL_PROXY, or into the configuration file';

/**
 * Says whether others could read what is sent.
 *
 * @throws {OpmasError} `USAGE` when they could and that is not allowed.
 */
export function isExposed(url: URL, proxy: ProxyChoice | undefined, isAllowed: boolean): boolean {
  if (url.protocol === 'wss:' || (proxy === undefined && isLoopback(url.hostname))) return false;
  if (isAllowed) return true;
  const through = proxy === undefined ? '' : ` and goes through ${nameOf(proxy)}`;
  throw new OpmasError(
    'USAGE',
    `${displayUrl(url)} is not encrypted${through}: the token and the events could be read on the way`,
    { hint: 'Use wss://, or allow it with --plaintext.' },
  );
}
