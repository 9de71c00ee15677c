import { readFile } from 'node:fs/promises';
import { DEFAULT_URL, displayUrl, OpmasError, parseBaseUrl } from '../../index.js';
import { isLoopback } from '../../internal.js';
import type { TrustOptions } from '../options/token-options.js';
import type { GlobalOptions } from '../session.js';
import { type Config, type Context, contextNamed, readConfig } from './config.js';

/** A server that was chosen, and why. */
export interface ChosenServer {
  url: URL;
  /** What named the URL, for people: `--url`, `OPMAS_URL`, `context lab`, `default`. */
  urlSource: string;
  /** The context that applies to this server, if any. */
  context: (Context & { name: string }) | undefined;
  ca: string | undefined;
  insecure: boolean;
  config: Config;
  /** What the user should know before anything connects. */
  warnings: string[];
}

/**
 * Decides which server is meant: `--url`, then `--context`, `OPMAS_URL`, `OPMAS_CONTEXT`, the context in use, the
 * default. A context's token command and CA go with its own server: the context in use is left out when another URL
 * is named. One that is named by flag or environment applies in any case, so that a tunnel to its server can be used.
 *
 * @throws {OpmasError} `USAGE` when any of them is wrong, or the way to the server is not encrypted and that was not
 * allowed.
 */
export async function chooseServer(
  globals: GlobalOptions,
  options: TrustOptions,
  environment: NodeJS.ProcessEnv,
): Promise<ChosenServer> {
  const config = await readConfig(environment);
  const context = chooseContext(globals, environment, config);
  const { text, urlSource } = chooseUrl(globals, environment, context);
  const url = parseBaseUrl(text);
  const insecure = options.insecure === true;
  const warnings = [...config.warnings];
  if (insecure) {
    warnings.push('TLS certificates are not verified (--insecure): anybody on the way can read the token');
  }
  const applies = context?.isNamed || (context && displayUrl(parseBaseUrl(context.url)) === displayUrl(url));
  const applied = applies ? context : undefined;
  if (isExposed(url, options.plaintext === true || applied?.plaintext === true)) {
    warnings.push('ws:// is not encrypted: others can read the token and the events');
  }
  return {
    url,
    urlSource,
    context: applied,
    ca: await chooseCa(options, applied),
    insecure,
    config,
    warnings,
  };
}

function chooseContext(globals: GlobalOptions, environment: NodeJS.ProcessEnv, config: Config) {
  const named = globals.context ?? (environment.OPMAS_CONTEXT || undefined);
  if (named !== undefined) return { ...contextNamed(config, named), name: named, isNamed: true };
  const { current } = config;
  if (current === undefined) return undefined;
  if (!config.contexts.has(current)) {
    throw new OpmasError(
      'USAGE',
      `${config.path}: the current context ${JSON.stringify(current)} is missing`,
      {
        hint: 'Choose another one: opmas-ws context use NAME',
      },
    );
  }
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

/** @throws {OpmasError} `USAGE` when it is exposed and not allowed to be. */
function isExposed(url: URL, isAllowed: boolean): boolean {
  if (url.protocol === 'wss:' || isLoopback(url)) return false;
  if (isAllowed) return true;
  throw new OpmasError(
    'USAGE',
    `${displayUrl(url)} is not encrypted: others could read the token and the events`,
    { hint: 'Use wss://, or --plaintext if that is what you want.' },
  );
}

async function chooseCa(options: TrustOptions, context: Context | undefined): Promise<string | undefined> {
  const path = options.ca ?? context?.ca;
  if (path === undefined) return undefined;
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw new OpmasError('USAGE', `the CA file ${path} cannot be read: ${error.message}`, { cause: error });
  });
  if (!text.includes('-----BEGIN CERTIFICATE-----')) {
    throw new OpmasError('USAGE', `the CA file ${path} holds no certificate in PEM form`);
  }
  return text;
}
