import completions, { script } from '@bomb.sh/tab';
import describeCommands from '@bomb.sh/tab/commander';
import type { Command, Option } from 'commander';
import { ENDPOINTS, EVENT_TYPES } from '../../../index.js';
import { COMPLETE_SUMMARY, configureCommands } from '../../command-table.js';
import { readConfig } from '../../connection/config.js';
import { createProgram } from '../../main.js';
import { BASH_COMPLETION } from './bash-script.js';
import { SHELLS } from './complete.js';

/** Options whose value is a file. */
const FILE_OPTIONS: ReadonlySet<string> = new Set(['--out', '--file', '--token-file', '--ca', '--html']);
/** Commands whose arguments are files. */
const FILE_COMMANDS: ReadonlySet<string> = new Set(['replay', 'inspect']);
/** Tells the shell to offer file names. */
const OFFER_FILES = ':0\n';

/** The script for a shell. */
export async function completionScript(shell: string): Promise<string> {
  if (shell === 'bash') return BASH_COMPLETION;
  return printed(() => script(shell, 'opmas-ws', 'opmas-ws'));
}

/** What could stand in place of the last of the words: a line each, and the library's directive for the shell. */
export async function answerCompletion(words: readonly string[]): Promise<string> {
  const program = createProgram({ without: 'complete' });
  await configureCommands(program);
  if (wantsFile(program, words)) return OFFER_FILES;
  const root = describeCommands(program, { completionCommandName: 'completion-script' });
  root.commands.delete('completion-script');
  for (const name of ['tail', 'record', 'replay', 'doctor']) {
    const command = root.commands.get(name);
    const endpoint = command?.arguments.get('endpoint');
    if (endpoint !== undefined) endpoint.handler = offer(ENDPOINTS);
    for (const option of ['type', 'exclude-type']) {
      const type = command?.options.get(option);
      if (type !== undefined) type.handler = offer(EVENT_TYPES);
    }
  }
  const contexts = await contextNames();
  const context = root.options.get('context');
  if (context !== undefined) context.handler = offer(contexts);
  // People write them after the command, where the library looks at the command's own options only.
  for (const command of root.commands.values()) {
    for (const [name, option] of root.options) {
      if (!command.options.has(name)) command.options.set(name, option);
    }
  }
  root.command('complete', COMPLETE_SUMMARY).argument('shell', offer(SHELLS));
  root.commands.get('help')?.argument('command', offer([...root.commands.keys()].filter(isOneWord)));
  for (const command of ['use', 'show', 'remove']) {
    const name = root.commands.get(`context ${command}`)?.arguments.get('name');
    if (name !== undefined) name.handler = offer(contexts);
  }
  const answer = await printed(() => completions.parse([...words]));
  // Without descriptions the tabs between them are too many; zsh shows them.
  return answer.replace(/\t$/gm, '');
}

/** A configuration that cannot be read is told when a command runs, not while somebody types. */
async function contextNames(): Promise<string[]> {
  const config = await readConfig().catch(() => undefined);
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

/** Whether a file name is wanted in place of the last word. */
function wantsFile(program: Command, words: readonly string[]): boolean {
  let command = program;
  let pending: Option | undefined;
  for (const word of words.slice(0, -1)) {
    if (pending !== undefined) pending = undefined;
    else if (word.startsWith('-')) pending = optionWithValue(program, command, word);
    else command = command.commands.find((one) => one.name() === word) ?? command;
  }
  const last = words.at(-1) ?? '';
  if (pending !== undefined) return FILE_OPTIONS.has(pending.long ?? '');
  const [option = '', value] = last.split('=', 2);
  if (last.startsWith('-')) return value !== undefined && FILE_OPTIONS.has(option);
  return FILE_COMMANDS.has(command.name());
}

/** The option that takes the next word for its value. */
function optionWithValue(program: Command, command: Command, word: string): Option | undefined {
  const options = [...command.options, ...program.options];
  return options.find(({ long, short, required }) => required && (long === word || short === word));
}

/** The library prints by console.log; what it prints is data, and data goes through our own stdout. */
async function printed(work: () => void): Promise<string> {
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
