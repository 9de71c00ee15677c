import completions, { script } from '@bomb.sh/tab';
import describeCommands from '@bomb.sh/tab/commander';
import type { Command, Option } from 'commander';
import { ENDPOINTS, EVENT_TYPES, OpmasError } from '../../index.js';
import { COMMANDS, configureCommands, GLOBAL_VALUES, type ValueKind } from '../command-table.js';
import { readConfig } from '../connection/config.js';
import { createProgram } from '../main.js';
import { runCommand } from '../session.js';

const SHELLS = ['bash', 'zsh', 'fish', 'powershell'];
/** Tells the shell to complete file names. */
const COMPLETE_FILES = ':0\n';

const EXAMPLES = `
Examples:
  $ source <(opmas-ws complete bash)                              in ~/.bashrc
  $ opmas-ws complete zsh > ~/.zfunc/_opmas-ws
  $ opmas-ws complete fish > ~/.config/fish/completions/opmas-ws.fish`;

/** Configures `complete`. The scripts that it prints call it again, as `complete -- words…`. */
export function configure(command: Command): void {
  command
    .argument('[shell]', SHELLS.join(', '))
    .allowExcessArguments()
    .addHelpText('after', EXAMPLES)
    .action(() =>
      runCommand(command, async (session) => {
        const isRequest = process.argv.includes('--');
        const answer = isRequest
          ? await answerCompletion(command.args, session.environment)
          : completionScript(knownShell(command.args[0] ?? ''));
        await session.terminal.out.write(answer);
      }),
    );
}

function knownShell(shell: string): string {
  if (SHELLS.includes(shell)) return shell;
  const message = shell === '' ? 'name a shell' : `no completion script for ${JSON.stringify(shell)}`;
  throw new OpmasError('USAGE', message, { hint: `Shells are ${SHELLS.join(', ')}.` });
}

/** Returns the completion script for a shell. */
export function completionScript(shell: string): string {
  return shell === 'bash' ? BASH_SCRIPT : captureLog(() => script(shell, 'opmas-ws', 'opmas-ws'));
}

/** Returns candidates for the last of the words, one a line, and the library's directive for the shell. */
export async function answerCompletion(
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<string> {
  const program = createProgram({ without: 'complete' });
  await configureCommands(program);
  if (wantsFile(program, words)) return COMPLETE_FILES;
  const root = describeCommands(program, { completionCommandName: 'completion-script' });
  root.commands.delete('completion-script');
  root.command('complete', summaryOf('complete')).argument('shell');
  const candidates: Record<ValueKind, readonly string[]> = {
    context: await contextNames(environment),
    endpoint: ENDPOINTS,
    'event type': EVENT_TYPES,
    file: [],
    shell: SHELLS,
  };
  for (const [path, command] of root.commands) {
    // Users also write global options after the command; the library accepts only the command's own options there.
    for (const [name, option] of root.options) {
      if (!command.options.has(name)) command.options.set(name, option);
    }
    const [name = '', subcommand] = path.split(' ');
    for (const [value, kind] of Object.entries(valuesOf(name))) {
      const place = value.startsWith('--')
        ? command.options.get(value.slice(2))
        : command.arguments.get(subcommand === undefined ? value : value.replace(`${subcommand} `, ''));
      if (place !== undefined && kind !== 'file') place.handler = offer(candidates[kind]);
    }
  }
  root.commands.get('help')?.argument('command', offer([...root.commands.keys()].filter(isOneWord)));
  const answer = captureLog(() => completions.parse([...words]));
  // zsh shows the tab of a candidate without a description.
  return answer.replace(/\t$/gm, '');
}

function summaryOf(name: string): string {
  return COMMANDS.find((command) => command.name === name)?.summary ?? '';
}

function valuesOf(name: string): Readonly<Record<string, ValueKind>> {
  return { ...GLOBAL_VALUES, ...COMMANDS.find((command) => command.name === name)?.values };
}

/** Ignores a broken configuration: a command reports that when it runs. */
async function contextNames(environment: NodeJS.ProcessEnv): Promise<string[]> {
  const config = await readConfig(environment).catch(() => undefined);
  return [...(config?.contexts.keys() ?? [])];
}

function isOneWord(name: string): boolean {
  return name !== '' && !name.includes(' ');
}

function offer(values: readonly string[]) {
  return (complete: (value: string, description: string) => void) => {
    for (const value of values) complete(value, '');
  };
}

/** Returns true when the last word is to be a file name. */
function wantsFile(program: Command, words: readonly string[]): boolean {
  let command = program;
  let values = valuesOf('');
  let pending: Option | undefined;
  for (const word of words.slice(0, -1)) {
    const subcommand = command.commands.find((one) => one.name() === word);
    if (pending !== undefined) pending = undefined;
    else if (word.startsWith('-')) pending = optionWithValue(program, command, word);
    else if (subcommand !== undefined) {
      if (command === program) values = valuesOf(word);
      command = subcommand;
    }
  }
  const last = words.at(-1) ?? '';
  if (pending !== undefined) return values[pending.long ?? ''] === 'file';
  const [option = '', value] = last.split('=', 2);
  if (last.startsWith('-')) return value !== undefined && values[option] === 'file';
  return values[command.registeredArguments[0]?.name() ?? ''] === 'file';
}

/** Finds the option that takes the next word as its value. */
function optionWithValue(program: Command, command: Command, word: string): Option | undefined {
  const options = [...command.options, ...program.options];
  return options.find(({ long, short, required }) => required && (long === word || short === word));
}

/** Returns the text that the library prints with `console.log`. */
function captureLog(work: () => void): string {
  const { log } = console;
  const lines: string[] = [];
  console.log = (text: string) => lines.push(text);
  try {
    work();
  } finally {
    console.log = log;
  }
  return lines.map((line) => `${line}\n`).join('');
}

/**
 * The completion script for bash. Not the library's script, which passes the command line to `eval`, never completes
 * file names, and needs the bash-completion package. Works with bash 3.2 (macOS) and later.
 */
const BASH_SCRIPT = `# bash completion for opmas-ws

_opmas_ws() {
    local line value offered= current="" directive=0
    local -a words=()
    local i
    # Bash splits words at = and : as well; --format=json is one.
    for ((i = 1; i <= COMP_CWORD; i++)); do
        if [[ \${#words[@]} -gt 0 && ( "\${COMP_WORDS[i]}" == [=:]* || "\${words[\${#words[@]}-1]}" == *[=:] ) ]]; then
            words[\${#words[@]}-1]+="\${COMP_WORDS[i]}"
        else
            words+=("\${COMP_WORDS[i]}")
        fi
    done
    current="\${words[\${#words[@]}-1]}"
    # Bash replaces what stands behind the =.
    case "$current" in
        --*=*) offered="\${current#*=}" ;;
        *) offered="$current" ;;
    esac
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ "$line" == :* ]]; then
            directive="\${line#:}"
            continue
        fi
        value="\${line%%$'\\t'*}"
        [[ "$value" == "$offered"* ]] && COMPREPLY+=("$value")
    done < <(opmas-ws complete -- "\${words[@]}" 2>/dev/null)
    # 4: nothing but these, not even file names.
    if (( directive & 4 )); then
        compopt +o default 2>/dev/null
        compopt -o nosort 2>/dev/null
    fi
    return 0
}

complete -o default -F _opmas_ws opmas-ws
`;
