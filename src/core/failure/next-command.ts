import { displayUrl, isLoopback, withoutBrackets } from '../address.js';

/** The options about server and token as the user typed them. The next command repeats them. */
export interface SaidOptions {
  url?: string | undefined;
  context?: string | undefined;
  endpoints?: readonly string[] | undefined;
  ca?: string | undefined;
  insecure?: boolean | undefined;
  plaintext?: boolean | undefined;
  tokenFile?: string | undefined;
  noToken?: boolean | undefined;
}

/** A command to type next. */
export interface NextCommand {
  name: 'doctor' | 'tail' | 'auth login' | 'auth status' | 'date';
  /** An assignment to an environment variable, to put before the command. */
  environment?: string;
  /** Options of its own, in place of those that the user typed. */
  change?: SaidOptions;
  /** Flags of its own. */
  flags?: readonly string[];
}

/** Writes a command for a shell, about the same server and with the same token as the command before. */
export function writeCommand(command: NextCommand, said: SaidOptions): string {
  const { name, environment, change, flags = [] } = command;
  if (name === 'date') return name;
  const options = { ...said, ...change };
  const words = environment === undefined ? [] : [environment];
  words.push('opmas-ws', ...name.split(' '));
  if (name === 'doctor' || name === 'tail') words.push(...(options.endpoints ?? []));
  words.push(...flags);
  const add = (option: string, value: string | boolean | undefined) => {
    if (value === undefined || value === false) return;
    words.push(option, ...(value === true ? [] : [value]));
  };
  add('--url', options.url);
  add('--context', options.context);
  add('--ca', options.ca);
  add('--insecure', options.insecure);
  add('--plaintext', options.plaintext || isExposed(change?.url));
  if (name !== 'auth login') {
    add('--token-file', options.tokenFile);
    add('--no-token', options.noToken);
  }
  return words.map(quoted).join(' ');
}

/** Says whether a URL that we suggest is accepted with `--plaintext` only. */
function isExposed(url: string | undefined): boolean {
  return url?.startsWith('ws:') === true && URL.canParse(url) && !isLoopback(new URL(url).hostname);
}

function quoted(word: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Puts a server into a text: `{host}`, `{port}`, `{base}`, `{scheme}` and `{prefix}` stand for its own. */
export function fillIn(text: string, base: URL): string {
  const values: Record<string, string> = {
    host: withoutBrackets(base.hostname),
    port: base.port || (/^(wss|https):$/.test(base.protocol) ? '443' : '80'),
    base: displayUrl(base),
    scheme: base.protocol,
    prefix: base.pathname === '/' ? '' : base.pathname,
  };
  return text.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '');
}
