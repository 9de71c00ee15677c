import { isLoopback } from '../address.js';

/** What the user said about server and token, as it was typed; a command to type next repeats it. */
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
  /** Environment to put before it. */
  environment?: string;
  /** Options of its own, in place of those that were said. */
  change?: SaidOptions;
  /** Flags of its own. */
  flags?: readonly string[];
}

/** Writes a command for a shell, about the same server and with the same token as before. */
export function writeCommand(
  { name, environment, change, flags = [] }: NextCommand,
  said: SaidOptions,
): string {
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

/** Whether a URL of ours needs `--plaintext` to be taken. */
function isExposed(url: string | undefined): boolean {
  return url?.startsWith('ws:') === true && URL.canParse(url) && !isLoopback(new URL(url));
}

function quoted(word: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
