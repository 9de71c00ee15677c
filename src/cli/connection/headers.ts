import { OpmasError } from '../../index.js';
import { checkHeader, MAX_HEADER_BYTES, readSecretFile } from '../../internal.js';
import { inHome } from './private-files.js';

/** A header as a user writes it. */
interface HeaderLine {
  name: string;
  from: 'text' | 'file' | 'variable';
  /** The value, the path of the file, or the name of the variable. */
  text: string;
}

/** Headers whose values are known to be secrets. */
const SECRET_NAME = /^(authorization|cookie)$|secret|token|key|password/i;

/**
 * Reads `Name: value`. `Name: @FILE` takes the value from a file and, in a context, `Name: $NAME` takes it from an
 * environment variable; on the command line that is the shell's business. `@@` and `$$` stand for one `@` or `$`.
 *
 * @throws {OpmasError} `USAGE` when a request cannot have the header. The message never shows the value.
 */
export function parseHeader(line: string, isInContext: boolean): HeaderLine {
  const colon = line.indexOf(':');
  if (colon < 0) {
    const hint = "Write a name, a colon and a value: -H 'X-Api-Key: @FILE' takes the value from a file.";
    throw new OpmasError('USAGE', 'a header has no colon', { hint });
  }
  const name = line.slice(0, colon);
  const value = line.slice(colon + 1).replace(/^[\t ]+|[\t ]+$/g, '');
  const variable = isInContext ? /^\$([A-Za-z_]\w*)$/.exec(value)?.[1] : undefined;
  const isEscaped = /^(@@|\$\$)/.test(value);
  const header: HeaderLine =
    variable !== undefined
      ? { name, from: 'variable', text: variable }
      : !isEscaped && value.startsWith('@')
        ? { name, from: 'file', text: value.slice(1) }
        : { name, from: 'text', text: isEscaped ? value.slice(1) : value };
  checkHeader(name, header.from === 'text' ? header.text : value);
  if (header.text === '') throw new OpmasError('USAGE', `the header ${name} names no file after @`);
  if (isInContext && header.from === 'text' && !isEscaped && value.startsWith('$')) {
    const hint = 'Write $NAME, or $$ for a dollar sign.';
    throw new OpmasError('USAGE', `the value of the header ${name} names no environment variable`, { hint });
  }
  return header;
}

/** Writes a header for people: the name, and the source of its value. @param literal Stands for any other value. */
export function shownHeader(line: string, isInContext: boolean, literal: string): string {
  const [, name = 'NAME', value = ''] = /^([^:]*):[\t ]*(.*)$/s.exec(line) ?? [];
  const isSource = /^@[^@]/.test(value) || (isInContext && /^\$[^$]/.test(value));
  return `${name}: ${isSource ? value : literal}`;
}

/** Makes a header ready for a context: the path of its file holds in every folder. */
export function storedHeader(line: string, resolve: (path: string) => string): string {
  const { name, from, text } = parseHeader(line, true);
  return from === 'file' && !isBelowHome(text) ? `${name}: @${resolve(text)}` : line;
}

/** Returns the names of the environment variables that the headers of a context need. */
export function variablesIn(stored: readonly string[]): string[] {
  const headers = stored.map((line) => parseHeader(line, true));
  return headers.filter(({ from }) => from === 'variable').map(({ text }) => text);
}

/** Warns of a value that others can read, or that does not mean what it seems to mean. */
export function warningsAbout(lines: readonly string[], isInContext: boolean): string[] {
  return lines.flatMap((line) => {
    const { name, from } = parseHeader(line, isInContext);
    if (from !== 'text') return [];
    const better = `better write '${name}: @FILE'`;
    if (/[:\s]\$\{?[A-Za-z_]\w*\}?$/.test(line)) {
      const rule = isInContext
        ? 'a variable is the whole value'
        : 'a shell needs double quotes to fill it in';
      return [`the header ${name} is sent with a literal $: ${rule}`];
    }
    if (!SECRET_NAME.test(name)) return [];
    return isInContext
      ? [`the configuration holds the value of the header ${name}: ${better} or '${name}: $VARIABLE'`]
      : [`others can read the value of the header ${name} in the process list: ${better}`];
  });
}

/**
 * Reads the values of headers. Those of the command line replace those of the context that have the same name; several
 * of one name are joined, which means the same in HTTP.
 *
 * @throws {OpmasError} `USAGE` when a file cannot be read, a variable is not set, or a value is no line of text.
 */
export async function readHeaders(
  typed: readonly string[],
  stored: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<{ headers: Record<string, string>; warnings: string[] }> {
  const own = typed.map((line) => parseHeader(line, false));
  const names = new Set(own.map(({ name }) => name.toLowerCase()));
  const rest = stored
    .map((line) => parseHeader(line, true))
    .filter(({ name }) => !names.has(name.toLowerCase()));
  const found = new Map<string, [name: string, value: string]>();
  const warnings = warningsAbout(typed, false);
  for (const header of [...rest, ...own]) {
    const { value, warning } = await readValue(header, environment);
    if (warning !== undefined) warnings.push(warning);
    const key = header.name.toLowerCase();
    const earlier = found.get(key);
    const joint = key === 'cookie' ? '; ' : ', ';
    found.set(key, earlier === undefined ? [header.name, value] : [earlier[0], earlier[1] + joint + value]);
  }
  return { headers: Object.fromEntries(found.values()), warnings };
}

async function readValue({ name, from, text }: HeaderLine, environment: NodeJS.ProcessEnv) {
  if (from === 'text') return { value: text };
  const source = from === 'file' ? `the file ${text}` : `the environment variable ${text}`;
  const fail = (why: string, hint?: string) =>
    new OpmasError('USAGE', `${source} of the header ${name} ${why}`, { hint });
  let value = environment[text] ?? '';
  let warning: string | undefined;
  if (from === 'file') {
    const path = isBelowHome(text) ? inHome(environment, text.slice(2)) : text;
    if (path === undefined) throw fail('cannot be read: there is no home folder');
    const file = await readSecretFile(path, source, MAX_HEADER_BYTES).catch((error: OpmasError) => {
      const isMissing = (error.cause as NodeJS.ErrnoException).code === 'ENOENT';
      const hint = isMissing ? 'Write the value to that file, and make it readable only by you.' : error.hint;
      throw new OpmasError('USAGE', `the header ${name}: ${error.message}`, { hint, cause: error });
    });
    warning = file.warning;
    try {
      value = new TextDecoder('utf-8', { fatal: true }).decode(file.bytes).replace(/\r?\n$/, '');
    } catch {
      throw fail('holds no text');
    }
  } else if (value === '') throw fail('is not set', `Set it: export ${text}=VALUE`);
  if (value.trim() === '') throw fail('is empty');
  try {
    checkHeader(name, value);
  } catch (error) {
    throw new OpmasError('USAGE', (error as Error).message, { hint: `The value comes from ${source}.` });
  }
  return { value, warning };
}

/** Expands `~`, because shells do that only outside quotes. */
function isBelowHome(path: string): boolean {
  return /^~[/\\]/.test(path);
}
