import completions, { script } from '@bomb.sh/tab';
import describeCommands from '@bomb.sh/tab/commander';
import { ENDPOINTS, EVENT_TYPES, OpmasError } from '../../index.js';
import { OBJECT_KINDS } from '../../internal.js';
import { COMMANDS, configureCommands, GLOBAL_VALUES, type ValueKind } from '../command-table.js';
import type { Command, Option } from '../commander.js';
import { isContextName, readConfig } from '../connection/config.js';
import { createProgram } from '../main.js';
import { runCommand } from '../session.js';
import { BASH_SCRIPT, ZSH_SCRIPT } from './completion-scripts.js';

const SHELLS = ['bash', 'zsh', 'fish', 'powershell'];
/** Tells the shell to complete file names. */
const COMPLETE_FILES = ':0\n';

const EXAMPLES = `
Each of these lines sets up one shell for good; open a new one then. On macOS, bash reads ~/.bash_profile.

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
  if (shell === 'bash') return BASH_SCRIPT;
  if (shell === 'zsh') return ZSH_SCRIPT;
  const text = captureLog(() => script(shell, 'opmas-ws', 'opmas-ws'));
  // PowerShell takes typographic quotes for quotes, so they could end the text that the library quotes.
  return text.replace(`-replace "'", "''"`, `-replace "['\u2018-\u201b]", '$$0$$0'`);
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
    endpoint: [...ENDPOINTS, ...OBJECT_KINDS.map((kind) => `${kind}/`)],
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

/**
 * Ignores a broken configuration: a command reports that when it runs. A name that somebody wrote into the file by hand
 * may hold what a shell would run.
 */
async function contextNames(environment: NodeJS.ProcessEnv): Promise<string[]> {
  const config = await readConfig(environment).catch(() => undefined);
  return [...(config?.contexts.keys() ?? [])].filter(isContextName);
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
