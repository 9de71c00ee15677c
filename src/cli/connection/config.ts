import { OpmasError, parseBaseUrl } from '../../index.js';
import { editDistance, findJsonFault, splitCommand } from '../../internal.js';
import { configPath } from './config-paths.js';
import { readPrivateFile, withLock, writePrivateFile } from './private-file.js';

/** A named server. */
export interface Context {
  url: string;
  /** Command line that prints a token. */
  tokenCommand?: string | undefined;
  /** Path of a CA to trust, as PEM. */
  ca?: string | undefined;
  /** Whether `ws://` to another machine is allowed. */
  plaintext?: boolean | undefined;
}

/** The configuration file, read and checked. */
export interface Config {
  path: string;
  /** Whether the file is there. */
  exists: boolean;
  contexts: ReadonlyMap<string, Context>;
  /** Name of the context in use, and of the one before it. */
  current: string | undefined;
  previous: string | undefined;
  /** What the user should know: members that we do not know. */
  warnings: string[];
}

type JsonObject = Record<string, unknown>;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const TOP_MEMBERS = ['contexts', 'current', 'previous'];
const CONTEXT_MEMBERS = ['url', 'token_command', 'ca', 'plaintext'];

/**
 * Reads the configuration.
 *
 * @throws {OpmasError} `USAGE` when it is broken; the message names the file with line and column, or the member.
 */
export async function readConfig(environment: NodeJS.ProcessEnv = process.env): Promise<Config> {
  const path = configPath(environment);
  const text = await readPrivateFile(path);
  const root = text === undefined || text.trim() === '' ? {} : parseRoot(text, path);
  const warnings = unknownMembers(root, TOP_MEMBERS, path);
  const contexts = new Map<string, Context>();
  const stored = root.contexts ?? {};
  if (!isObject(stored)) throw broken(path, '"contexts" is no object');
  for (const [name, value] of Object.entries(stored)) {
    contexts.set(name, readContext(value, name, path));
    warnings.push(...unknownMembers(value as JsonObject, CONTEXT_MEMBERS, path, `contexts.${name}.`));
  }
  return {
    path,
    exists: text !== undefined,
    contexts,
    current: optionalName(root, 'current', path),
    previous: optionalName(root, 'previous', path),
    warnings,
  };
}

/**
 * Changes the configuration: reads it, hands it over, writes it in one step. Members that we do not know stay.
 *
 * @param change Gets the contexts, to be changed in place, and says what is current and previous from now on.
 */
export async function changeConfig(
  change: (config: Config, contexts: Map<string, Context>) => Partial<Pick<Config, 'current' | 'previous'>>,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Config> {
  const path = configPath(environment);
  return withLock(path, async () => {
    const config = await readConfig(environment);
    const contexts = new Map(config.contexts);
    const { current, previous } = { ...config, ...change(config, contexts) };
    const text = await readPrivateFile(path);
    const root: JsonObject = text === undefined || text.trim() === '' ? {} : parseRoot(text, path);
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

/** @throws {OpmasError} `USAGE` when the text can't be the name of a context. */
export function checkContextName(name: string): void {
  if (NAME.test(name)) return;
  throw new OpmasError('USAGE', `${JSON.stringify(name)} cannot be the name of a context`, {
    hint: 'Take letters, digits, dots, dashes and underscores; begin with a letter or a digit.',
  });
}

/** @throws {OpmasError} `USAGE` when there is no such context; the hint lists those that there are. */
export function contextNamed(config: Config, name: string): Context {
  const context = config.contexts.get(name);
  if (context !== undefined) return context;
  const names = [...config.contexts.keys()];
  const nearest = names.find((other) => editDistance(name.toLowerCase(), other.toLowerCase()) <= 2);
  const all = `There ${names.length === 1 ? 'is' : 'are'}: ${names.join(', ')}`;
  throw new OpmasError('USAGE', `there is no context ${JSON.stringify(name)}`, {
    hint:
      names.length === 0
        ? `Make it: opmas-ws context add ${NAME.test(name) ? name : 'NAME'} --url URL`
        : nearest === undefined
          ? all
          : `Did you mean ${nearest}? ${all}`,
  });
}

function parseRoot(text: string, path: string): JsonObject {
  const json = text.replace(/^\ufeff/, '');
  const fault = findJsonFault(json);
  if (fault !== undefined) throw broken(`${path}:${fault.line}:${fault.column}`, 'this is not JSON');
  const root: unknown = JSON.parse(json);
  if (!isObject(root)) throw broken(path, 'it holds no JSON object');
  return root;
}

function readContext(value: unknown, name: string, path: string): Context {
  const where = `"contexts.${name}"`;
  if (!isObject(value)) throw broken(path, `${where} is no object`);
  const { url, token_command: tokenCommand, ca, plaintext } = value;
  if (typeof url !== 'string') throw broken(path, `${where} has no "url"`);
  check(path, where, () => parseBaseUrl(url));
  for (const [member, text] of Object.entries({ token_command: tokenCommand, ca })) {
    if (text !== undefined && typeof text !== 'string')
      throw broken(path, `${where}: "${member}" is no text`);
  }
  if (plaintext !== undefined && typeof plaintext !== 'boolean') {
    throw broken(path, `${where}: "plaintext" is neither true nor false`);
  }
  if (typeof tokenCommand === 'string') check(path, where, () => splitCommand(tokenCommand));
  return { url, tokenCommand: tokenCommand as string | undefined, ca: ca as string | undefined, plaintext };
}

function writeContext({ url, tokenCommand, ca, plaintext }: Context, stored: unknown): JsonObject {
  return { ...(isObject(stored) ? stored : {}), url, token_command: tokenCommand, ca, plaintext };
}

function optionalName(root: JsonObject, member: string, path: string): string | undefined {
  const name = root[member] ?? undefined;
  if (name !== undefined && typeof name !== 'string') throw broken(path, `"${member}" is no text`);
  return name;
}

function unknownMembers(object: JsonObject, known: readonly string[], path: string, prefix = ''): string[] {
  return Object.keys(object)
    .filter((member) => !known.includes(member))
    .map((member) => `${path}: "${prefix}${member}" is not known and not used`);
}

/** Says in which file a value is that something else refuses. */
function check(path: string, where: string, read: () => unknown): void {
  try {
    read();
  } catch (error) {
    throw broken(path, `${where}: ${(error as Error).message}`);
  }
}

function broken(where: string, what: string): OpmasError {
  return new OpmasError('USAGE', `${where}: ${what}`, { hint: 'Correct the file, or move it away.' });
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
