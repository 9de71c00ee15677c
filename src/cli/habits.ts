/** The habits that users bring along from other programs and shells, and what to type here. */

/** Flags of other programs, the advice, and an option without which a command does not get the advice. */
const OPTIONS: readonly (readonly [flags: string, advice: string, needs?: string])[] = [
  ['-f --follow -F --watch', 'New events are always followed: leave this option out.', '--retries'],
  [
    '--since --until --tail --lines --last --after --before --previous',
    'The API keeps no past events: `record` keeps them, and `tail --file FILE --last 15m` prints them.',
    '--retries',
  ],
  ['--since --until --after --before --start --end', 'To read a part: --from and --to.', '--from'],
  ['--tail --lines', 'To read the end: --last N.', '--last'],
  ['-o --output --json --jsonl --ndjson --raw --jq', 'For lines of JSON: -f json.', '--format'],
  ['-o --output -f --format', 'For JSON: --json.', '--json'],
  ['-n --count --limit', 'For N events: `opmas-ws tail -n N --duration T`.', '--then'],
  ['--duration --max-time', 'To give up after a time: --timeout.', '--then'],
  ['--limit -L --max-count --head', 'To stop after N events: -n N.', '--count'],
  [
    '--timeout --max-time',
    '--duration ends the command, --connect-timeout an attempt; `wait --timeout` waits for an event.',
    '--duration',
  ],
  ['--filter --grep --selector --match -l', 'Filters are --type, --subject and --where.', '--where'],
  ['--timestamps --time', 'Each line has its time: received_at in JSON.', '--format'],
  ['--user --username --password', 'Log in with `opmas-ws auth login`.', '--token-file'],
  ['--access-token --auth-token --bearer --api-key', 'Use --token-file PATH or OPMAS_TOKEN.', '--token-file'],
  ['--cacert --ca-cert --ca-file --certificate-authority', 'To trust a CA: --ca FILE.', '--ca'],
  [
    '-k --insecure-skip-tls-verify --no-verify --no-check-certificate',
    'To accept any certificate: --insecure.',
    '--insecure',
  ],
  [
    '-k --insecure',
    'A context keeps no such exception: trust the certificate with --ca FILE, or give --insecure to each command.',
    '--token-command',
  ],
  ['--token-file', "For a token in a file: --token-command 'cat FILE'.", '--token-command'],
  ['--server --host --address --base-url', 'To choose the server: --url URL.'],
  ['--config --profile --kubeconfig', 'Servers have names: --context NAME.'],
  ['-vv -vvv --verbose --trace --log-level', 'For more messages: --debug.'],
];

/** Words for commands in other programs, and commands that may be meant. */
const COMMANDS: readonly (readonly [words: string, commands: string])[] = [
  ['logs log follow watch listen stream subscribe events devices agents rules system', 'tail'],
  ['await until expect', 'wait'],
  ['monitor dashboard htop', 'top'],
  ['capture save dump', 'record'],
  ['play', 'replay'],
  ['serve server', 'mock'],
  ['stats info analyze report summary', 'inspect'],
  ['completion completions', 'complete'],
  ['check diagnose ping', 'doctor'],
  ['use contexts config servers', 'context'],
  ['login', 'auth login'],
  ['logout', 'auth logout'],
  ['status whoami', 'auth status'],
  ['token', 'auth token'],
  ['whoami', 'status'],
  ['ls', 'list'],
  ['rm delete del', 'remove'],
  ['switch set select', 'use'],
  ['get view describe', 'show'],
];

/** Advises about an option that a command does not have. @param has Returns whether it has another one. */
export function adviceForOption(flag: string, has: (option: string) => boolean): string | undefined {
  return OPTIONS.find(([flags, , needs]) => isAmong(flag, flags) && (needs === undefined || has(needs)))?.[1];
}

/** Advises about a word that is not a command. @param commands Names of the commands there are. */
export function adviceForCommand(word: string, commands: readonly string[]): string | undefined {
  const isThere = (meant: string) => commands.includes(meant.split(' ')[0]!);
  const [, meant] = COMMANDS.find(([words, candidate]) => isAmong(word, words) && isThere(candidate)) ?? [];
  return meant === undefined ? undefined : `Did you mean ${meant}?`;
}

function isAmong(word: string, words: string): boolean {
  return words.split(' ').includes(word);
}

/** Translates what other programs take for a request of the version. */
export function withVersionOption(args: readonly string[]): readonly string[] {
  return args[0] === 'version' || args[0] === '-V' ? ['--version', ...args.slice(1)] : args;
}

/** Puts double quotes into a help text, because `cmd.exe` passes single quotes on to the program. */
export function withDoubleQuotes(help: string): string {
  return help.replace(/(?<=[\s(])'([^'"\n]*)'(?=[\s),;]|$)/gm, '"$1"');
}

/** Warns about arguments in single quotes, which `cmd.exe` passes on. `'data.cpu > 90'` even comes in parts. */
export function adviceForQuotes(args: readonly string[], platform: NodeJS.Platform): string | undefined {
  const quoted = platform === 'win32' ? args.find((arg) => /^'[^']*'?$/.test(arg)) : undefined;
  if (quoted === undefined) return undefined;
  return `${quoted}: cmd.exe passes single quotes on to programs; use double quotes: --where "data.cpu > 90"`;
}
