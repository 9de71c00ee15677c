import type { Command } from './commander.js';

/** A command's own file: adds arguments, options, examples and the action to the command. */
interface CommandModule {
  configure(command: Command): void;
}

/** Kinds of values that shells complete. */
export type ValueKind = 'context' | 'endpoint' | 'event type' | 'file' | 'shell';

interface CommandEntry {
  name: string;
  summary: string;
  /** Values to complete, by option (`--type`), argument (`endpoint`), or argument of a subcommand (`use name`). */
  values: Readonly<Record<string, ValueKind>>;
  load(): Promise<CommandModule>;
}

const CERTIFICATE_VALUES = {
  '--ca': 'file',
  '--cert': 'file',
  '--key': 'file',
  '--key-passphrase-file': 'file',
} as const;
const CONNECTION_VALUES = { '--token-file': 'file', ...CERTIFICATE_VALUES } as const;
const FILTER_VALUES = { '--type': 'event type', '--exclude-type': 'event type' } as const;
const STREAM_VALUES = { endpoint: 'endpoint', ...FILTER_VALUES, ...CONNECTION_VALUES } as const;

/** Values of the options that every command has. */
export const GLOBAL_VALUES: CommandEntry['values'] = { '--context': 'context' };

/** All commands, in the order of the help. Only the file of the command that runs is loaded. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'tail',
    summary: 'print events as they arrive',
    values: { ...STREAM_VALUES, '--file': 'file' },
    load: () => import('./commands/tail/tail.js'),
  },
  {
    name: 'record',
    summary: 'record events to a file',
    values: { ...STREAM_VALUES, '--out': 'file' },
    load: () => import('./commands/record/record.js'),
  },
  {
    name: 'replay',
    summary: 'serve a recording as a local OPMAS API',
    values: { files: 'file', ...FILTER_VALUES },
    load: () => import('./commands/replay/replay.js'),
  },
  {
    name: 'mock',
    summary: 'serve generated events as a local OPMAS API',
    values: {},
    load: () => import('./commands/mock.js'),
  },
  {
    name: 'inspect',
    summary: 'show what is in a recording',
    values: { file: 'file', '--html': 'file' },
    load: () => import('./commands/inspect/inspect.js'),
  },
  {
    name: 'auth',
    summary: 'log in, log out, show the token and its state',
    values: CONNECTION_VALUES,
    load: () => import('./commands/auth/auth.js'),
  },
  {
    name: 'context',
    summary: 'name servers and switch between them',
    values: {
      'use name': 'context',
      'show name': 'context',
      'remove name': 'context',
      ...CERTIFICATE_VALUES,
    },
    load: () => import('./commands/context.js'),
  },
  {
    name: 'doctor',
    summary: 'find out why the connection fails',
    values: { endpoint: 'endpoint', ...CONNECTION_VALUES },
    load: () => import('./commands/doctor.js'),
  },
  {
    name: 'demo',
    summary: 'run mock and tail in one process, without any setup',
    values: {},
    load: () => import('./commands/demo.js'),
  },
  {
    name: 'complete',
    summary: 'print a completion script for the shell',
    values: { shell: 'shell' },
    load: () => import('./commands/complete.js'),
  },
];

/** Adds every command to the program, with its name and summary only. */
export function addCommands(program: Command, without?: string): void {
  for (const { name, summary } of COMMANDS) {
    if (name !== without) program.command(name).description(summary);
  }
}

/**
 * Loads the options and the action of the command that the arguments name. Every name among the arguments counts,
 * because an option's value can also be a command's name (`--context tail`).
 */
export function loadCommand(program: Command, args: readonly string[]): Promise<void> {
  return configureCommands(program, (name) => args.includes(name));
}

/** Loads the options and the actions of all commands, or of some. */
export async function configureCommands(program: Command, wanted = (_name: string) => true): Promise<void> {
  for (const { name, load } of COMMANDS) {
    const command = program.commands.find((candidate) => candidate.name() === name);
    if (command !== undefined && wanted(name)) (await load()).configure(command);
  }
}
