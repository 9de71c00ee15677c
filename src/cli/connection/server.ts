import { DEFAULT_URL, displayUrl, OpmasError, parseBaseUrl } from '../../index.js';
import type { GlobalOptions, TokenOptions } from '../options/common-options.js';
import { type Config, type Context, contextNamed, noConfig, readConfig } from './config.js';

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
