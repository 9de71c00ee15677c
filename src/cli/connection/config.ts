import { OpmasError, parseBaseUrl } from '../../index.js';
import { isObject, nearestOf, splitCommand } from '../../internal.js';
import { parsePositiveDuration } from '../options/quantity.js';
import { type KeptOption, type KeptRouteOptions, ROUTE_OPTIONS } from '../options/server-options.js';
import { findJsonFault } from './json-fault.js';
import { configPath, readPrivateFile, withLock, writePrivateFile } from './private-files.js';

/** A named server, and the way to it. */
export interface Context extends KeptRouteOptions {
  url: string;
  /** Command line that prints a token. */
  tokenCommand?: string | undefined;
  /** Limit for that command, as a duration: `30s`. */
  tokenCommandTimeout?: string | undefined;
}

/** The configuration file, read and checked. */
export interface Config {
  /** `undefined` without a home folder. */
  path: string | undefined;
  /** True if the file exists. */
  exists: boolean;
  contexts: ReadonlyMap<string, Context>;
  /** Name of the current context, and of the one used before it. */
  current: string | undefined;
  previous: string | undefined;
  /** Warnings about unknown members. */
  warnings: string[];
  /** The content of the file. */
  root: Readonly<JsonObject>;
}

/** The configuration of a user without one. */
export const noConfig: Config = {
  path: undefined,
  exists: false,
  contexts: new Map(),
  current: undefined,
  previous: undefined,
  warnings: [],
  root: {},
};

type JsonObject = Record<string, unknown>;

const TOP_MEMBERS = ['contexts', 'current', 'previous'];
/** The options that a context keeps, besides the URL. */
export const CONTEXT_OPTIONS: Readonly<Record<keyof Omit<Context, 'url'>, KeptOption>> = {
  tokenCommand: {
    flags: '--token-command <cmd>',
    description: 'program that prints a token; run without a shell for every attempt',
    check: splitCommand,
  },
  tokenCommandTimeout: {
    flags: '--token-command-timeout <t>',
    description: 'end that program after this time (default: 10s)',
    check: (text) => parsePositiveDuration(text, '--token-command-timeout'),
  },
  ...ROUTE_OPTIONS,
};
const SETTINGS = { url: { flags: '--url <url>', description: '', check: parseBaseUrl }, ...CONTEXT_OPTIONS };

/** Names an option in the configuration. */
export function memberOf(name: string, { member }: KeptOption): string {
  return member ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/**
 * Reads the configuration.
 *
 * @throws {OpmasError} `USAGE` when it is invalid; the message names the file with line and column, or the member.
 */
export async function readConfig(environment: NodeJS.ProcessEnv): Promise<Config> {
  const path = configPath(environment);
  if (path === undefined) return noConfig;
  const text = await readPrivateFile(path);
  const root = text === undefined || text.trim() === '' ? {} : parseRoot(text, path);
  const warnings = unknownMembers(root, TOP_MEMBERS, path);
  const contexts = new Map<string, Context>();
  const stored = root.contexts ?? {};
  if (!isObject(stored)) throw invalid(path, '"contexts" is not an object');
  for (const [name, value] of Object.entries(stored)) {
    contexts.set(name, readContext(value, name, path));
    const known = Object.entries<KeptOption>(SETTINGS).map(([key, option]) => memberOf(key, option));
    warnings.push(...unknownMembers(value as JsonObject, known, path, `contexts.${name}.`));
  }
  return {
    path,
    exists: text !== undefined,
    contexts,
    current: optionalName(root, 'current', path),
    previous: optionalName(root, 'previous', path),
    warnings,
    root,
  };
}

/**
 * Changes the configuration: reads it, applies the change, writes it in one step. Unknown members are kept.
 *
 * @param change Edits the map of contexts in place, and returns a new current or previous context.
 */
export async function changeConfig(
  environment: NodeJS.ProcessEnv,
  change: (config: Config, contexts: Map<string, Context>) => Partial<Pick<Config, 'current' | 'previous'>>,
): Promise<Config> {
  const path = configPath(environment);
  return withLock(path, async () => {
    const config = await readConfig(environment);
    const contexts = new Map(config.contexts);
    const { current, previous } = { ...config, ...change(config, contexts) };
    const { root } = config;
    const stored = isObject(root.contexts) ? root.contexts : {};
    const next: JsonObject = {
      ...root,
      current,
      previous,
      contexts: Object.fromEntries(
        Array.from(contexts, ([name, context]) => [name, writeContext(context, stored[name])]),
      ),
    };
    await writePrivateFile(path, `${JSON.stringify(next, undefined, 2)}\n`);
    return { ...config, exists: true, contexts, current, previous };
  });
}

/** Returns whether `context add` takes the name. */
export function isContextName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name);
}

/** @throws {OpmasError} `USAGE` when the text is not a valid context name. */
export function checkContextName(name: string): void {
  if (isContextName(name)) return;
  throw new OpmasError('USAGE', `${JSON.stringify(name)} is not a valid context name`, {
    hint: 'Use letters, digits, dots, dashes and underscores; begin with a letter or a digit.',
  });
}

/** @throws {OpmasError} `USAGE` when there is no such context; the hint lists the contexts. */
export function contextNamed(config: Config, name: string): Context {
  const context = config.contexts.get(name);
  if (context !== undefined) return context;
  const names = [...config.contexts.keys()];
  const nearest = nearestOf(name, names, 2);
  const all = `Contexts: ${names.join(', ')}.`;
  throw new OpmasError('USAGE', `unknown context ${JSON.stringify(name)}`, {
    hint:
      names.length === 0
        ? `Add it: opmas-ws context add ${isContextName(name) ? name : 'NAME'} --url URL`
        : nearest === undefined
          ? all
          : `Did you mean ${nearest}? ${all}`,
  });
}

function parseRoot(text: string, path: string): JsonObject {
  const json = text.replace(/^\ufeff/, '');
  const fault = findJsonFault(json);
  if (fault !== undefined) throw invalid(`${path}:${fault.line}:${fault.column}`, 'invalid JSON');
  const root: unknown = JSON.parse(json);
  if (!isObject(root)) throw invalid(path, 'not a JSON object');
  return root;
}

function readContext(value: unknown, name: string, path: string): Context {
  const where = `"contexts.${name}"`;
  if (!isObject(value)) throw invalid(path, `${where} is not an object`);
  if (typeof value.url !== 'string') throw invalid(path, `${where} has no "url"`);
  const context: Record<string, unknown> = {};
  for (const [key, option] of Object.entries<KeptOption>(SETTINGS)) {
    const member = memberOf(key, option);
    const given = value[member];
    context[key] = given;
    if (given === undefined) continue;
    const { choices, check } = option;
    const [isRight, what] = typeOf(option);
    if (!isRight(given)) throw invalid(path, `${where}: "${member}" is not ${what}`);
    if (choices?.includes(String(given)) === false) {
      throw invalid(path, `${where}: "${member}" is not ${choices.join(' or ')}`);
    }
    try {
      for (const text of [given].flat()) check?.(String(text));
    } catch (error) {
      throw invalid(path, `${where}: ${(error as Error).message}`);
    }
  }
  return context as unknown as Context;
}

/** Says what the value of an option in the file has to be. */
function typeOf({ flags, isRepeatable }: KeptOption): [isRight: (value: unknown) => boolean, what: string] {
  const isText = (value: unknown) => typeof value === 'string';
  if (isRepeatable) return [(value) => Array.isArray(value) && value.every(isText), 'a list of strings'];
  return flags.includes('<')
    ? [isText, 'a string']
    : [(value) => typeof value === 'boolean', 'true or false'];
}

function writeContext(context: Context, stored: unknown): JsonObject {
  const members = Object.entries<KeptOption>(SETTINGS).map(([key, option]) => [
    memberOf(key, option),
    context[key as keyof Context],
  ]);
  return { ...(isObject(stored) ? stored : {}), ...Object.fromEntries(members) };
}

function optionalName(root: JsonObject, member: string, path: string): string | undefined {
  const name = root[member] ?? undefined;
  if (name !== undefined && typeof name !== 'string') throw invalid(path, `"${member}" is not a string`);
  return name;
}

function unknownMembers(object: JsonObject, known: readonly string[], path: string, prefix = ''): string[] {
  return Object.keys(object)
    .filter((member) => !known.includes(member))
    .map((member) => `${path}: "${prefix}${member}" is unknown and ignored`);
}

function invalid(where: string, what: string): OpmasError {
  return new OpmasError('USAGE', `${where}: ${what}`, { hint: 'Correct the file, or move it away.' });
}
