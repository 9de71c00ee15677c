import { ENDPOINTS, EVENT_TYPES, OpmasError } from '../../index.js';
import { OBJECT_KINDS } from '../../internal.js';
import { configureCommands } from '../command-table.js';
import type { Command, Option } from '../commander.js';
import { isContextName, readConfig } from '../connection/config.js';
import { createProgram } from '../main.js';
import { runCommand } from '../session.js';

const SHELLS = ['bash', 'zsh', 'fish', 'powershell'];
/** The last line of an answer: the shell may complete the names of files, or nothing else. */
const COMPLETE_FILES = ':0\n';
const NO_FILES = ':4\n';

const EXAMPLES = `
Each line sets up completion for one shell: run it, then open a new shell. On macOS, bash reads ~/.bash_profile.

Examples:
  $ echo 'eval "$(opmas-ws complete bash)"' >> ~/.bashrc
  $ echo 'eval "$(opmas-ws complete zsh)"' >> ~/.zshrc
  $ mkdir -p ~/.config/fish/completions; opmas-ws complete fish > ~/.config/fish/completions/opmas-ws.fish

In PowerShell:
  if (!(Test-Path $PROFILE)) { New-Item -Force $PROFILE }
  Add-Content $PROFILE 'opmas-ws complete powershell | Out-String | Invoke-Expression'`;

/** Configures `complete`. The scripts that it prints call it again, as `complete -- words…`. */
export function configure(command: Command): void {
  command
    .argument('[shell]', SHELLS.join(', '))
    .allowExcessArguments()
    .addHelpText('after', EXAMPLES)
    .action(() =>
      runCommand(command, async (session) => {
        const isRequest = command.commandWords !== undefined;
        const answer = isRequest
          ? await answerCompletion(command.args, session.environment)
          : await completionScript(knownShell(command.args[0] ?? ''));
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
export async function completionScript(shell: string): Promise<string> {
  if (shell === 'bash') return BASH_SCRIPT;
  if (shell === 'zsh') return ZSH_SCRIPT;
  const { script } = await import('@bomb.sh/tab');
  let text = '';
  const { log } = console;
  // The library prints it.
  console.log = (line: string) => {
    text += `${line}\n`;
  };
  script(shell, 'opmas-ws', 'opmas-ws');
  console.log = log;
  // PowerShell takes typographic quotes for quotes, so they could end the text that the library quotes.
  return text.replace(`-replace "'", "''"`, `-replace "['\u2018-\u201b]", '$$0$$0'`);
}

/** Returns candidates for the last of the words, one a line, and further instructions for the script. */
export async function answerCompletion(
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<string> {
  const program = createProgram();
  await configureCommands(program);
  const { command, pending, position } = placeOf(program, words.slice(0, -1));
  const last = words.at(-1) ?? '';
  if (command.name() === 'wait' && words.slice(0, -1).includes('--')) return COMPLETE_FILES;
  const contexts = await contextNames(environment);
  /** Values by the long name of an option, or by the name of an argument. */
  const values: Readonly<Record<string, readonly string[]>> = {
    '--type': EVENT_TYPES,
    '--exclude-type': EVENT_TYPES,
    '--by': ['type', 'subject', 'endpoint', 'data.device_id'],
    '--context': contexts,
    endpoint: [...ENDPOINTS, ...OBJECT_KINDS.map((kind) => `${kind}/`)],
    name: command.name() === 'add' ? [] : contexts,
    shell: SHELLS,
  };
  // Users also write global options after the command.
  const options = [...new Set([command, program])].flatMap((one) => one.createHelp().visibleOptions(one));
  const [, flag, value = last] = /^(--[^=]+)=(.*)$/s.exec(last) ?? [];
  const option = pending ?? options.find(({ long }) => long === flag);
  if (option !== undefined) {
    if (/<(file|path)>/.test(option.flags)) return COMPLETE_FILES;
    return candidates(option.argChoices ?? values[option.long ?? ''] ?? [], value);
  }
  if (last.startsWith('-')) {
    const described = options.map(({ long, description }) => `${long}\t${description}`);
    return candidates(described, last);
  }
  const { registeredArguments } = command;
  const argument = (registeredArguments[position] ?? registeredArguments.at(-1))?.name() ?? '';
  if (/^files?$/.test(argument)) return COMPLETE_FILES;
  const subcommands = command.createHelp().visibleCommands(command);
  const described = subcommands.map((one) => `${one.name()}\t${one.description()}`);
  return candidates([...described, ...(values[argument] ?? [])], last);
}

function candidates(all: readonly string[], typed: string): string {
  return [...all.filter((candidate) => candidate.startsWith(typed)), NO_FILES].join('\n');
}

/** Finds the command that the words name, the option that waits for its value, and the number of arguments so far. */
function placeOf(program: Command, words: readonly string[]) {
  let command = program;
  let pending: Option | undefined;
  let position = 0;
  for (const word of words) {
    const subcommand = command.commands.find((one) => one.name() === word);
    if (pending !== undefined) pending = undefined;
    else if (word.startsWith('-')) {
      const options = [...command.options, ...program.options];
      pending = options.find(({ long, short, required }) => required && (long === word || short === word));
    } else if (subcommand === undefined) position++;
    else command = subcommand;
  }
  return { command, pending, position };
}

/**
 * Ignores a broken configuration: a command reports that when it runs. A name that was written into the file by hand
 * may hold what a shell would run.
 */
async function contextNames(environment: NodeJS.ProcessEnv): Promise<string[]> {
  const config = await readConfig(environment).catch(() => undefined);
  return [...(config?.contexts.keys() ?? [])].filter(isContextName);
}

/**
 * The completion script for bash. It evaluates nothing: neither what is typed nor what the program answers. Not the
 * library's script, which passes the command line to `eval`, never completes file names, and needs the bash-completion
 * package. Works with bash 3.2 (macOS) and later.
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
        if [[ "$value" == "$offered"* ]]; then
            printf -v value '%q' "$value"
            COMPREPLY+=("$value")
        fi
    done < <(opmas-ws complete -- "\${words[@]}" 2>/dev/null)
    # 4: nothing but these, not even file names.
    if (( directive & 4 )); then
        compopt +o default 2>/dev/null
        compopt -o nosort 2>/dev/null
    fi
    # An id follows.
    if [[ \${#COMPREPLY[@]} -eq 1 && "\${COMPREPLY[0]}" == */ ]]; then
        compopt -o nospace 2>/dev/null
    fi
    return 0
}

complete -o default -F _opmas_ws opmas-ws
`;

/**
 * The completion script for zsh. Not the library's script, which splits and evaluates the words that are typed. `compadd`
 * quotes what it inserts.
 */
const ZSH_SCRIPT = `#compdef opmas-ws

_opmas-ws() {
    local line value description directive=0 prefix=""
    local -a typed values shown suffix
    # Without their quotes, and not evaluated.
    typed=("\${(@Q)words[2,CURRENT]}")
    [[ "\${typed[-1]}" == -*=* ]] && prefix="\${typed[-1]%%=*}="
    for line in "\${(@f)$(opmas-ws complete -- "\${typed[@]}" 2>/dev/null)}"; do
        if [[ "$line" == :* ]]; then
            directive="\${line#:}"
            continue
        fi
        [[ -n "$line" ]] || continue
        value="\${line%%$'\\t'*}"
        description="\${line#"$value"}"
        values+=("$prefix$value")
        shown+=("\${(r:24:)value} \${description#$'\\t'}")
    done
    if (( \${#values} )); then
        # An id follows the /.
        [[ \${#values} -eq 1 && "\${values[1]}" == */ ]] && suffix=(-S '')
        compadd "\${suffix[@]}" -l -d shown -- "\${values[@]}"
    elif (( ! (directive & 4) )); then
        compset -P '*='
        _files
    fi
}

if [ "\${funcstack[1]}" = "_opmas-ws" ]; then
    # zsh has loaded this file as the function itself.
    _opmas-ws
else
    # Registered before the first prompt: a start file may run compinit after this script, which forgets what was there.
    _opmas-ws-register() {
        add-zsh-hook -d precmd _opmas-ws-register
        (( \${+functions[compdef]} )) || { autoload -Uz compinit && compinit -i }
        compdef _opmas-ws opmas-ws
    }
    autoload -Uz add-zsh-hook
    add-zsh-hook precmd _opmas-ws-register
fi
`;
