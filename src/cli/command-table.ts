import type { Command } from './commander.js';

interface CommandEntry {
  name: string;
  summary: string;
  /** True if it connects to no server that the user chooses. */
  isLocal?: true;
  /** Loads its own file, which adds arguments, options, examples and the action. */
  load(): Promise<{ configure(command: Command): void }>;
}

/** All commands, in the order of the help. Only the file of the command that runs is loaded. */
const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'tail',
    summary: 'print events as they arrive',
    load: () => import('./commands/tail/tail.js'),
  },
  {
    name: 'top',
    summary: 'watch the state of each device',
    load: () => import('./commands/top/top.js'),
  },
  {
    name: 'wait',
    summary: 'wait for an event in a script, and trigger it',
    load: () => import('./commands/wait/wait.js'),
  },
  {
    name: 'record',
    summary: 'record events to a file',
    load: () => import('./commands/record/record.js'),
  },
  {
    name: 'replay',
    summary: 'serve a recording as a local OPMAS API',
    isLocal: true,
    load: () => import('./commands/replay/replay.js'),
  },
  {
    name: 'mock',
    summary: 'serve generated events as a local OPMAS API',
    isLocal: true,
    load: () => import('./commands/mock.js'),
  },
  {
    name: 'inspect',
    summary: 'show what is in a recording',
    isLocal: true,
    load: () => import('./commands/inspect/inspect.js'),
  },
  {
    name: 'publish',
    summary: 'publish a recording to a stream of NATS JetStream',
    isLocal: true,
    load: () => import('./commands/publish.js'),
  },
  {
    name: 'auth',
    summary: 'log in, log out, show the token and its state',
    load: () => import('./commands/auth/auth.js'),
  },
  {
    name: 'context',
    summary: 'name servers and switch between them',
    load: () => import('./commands/context.js'),
  },
  {
    name: 'doctor',
    summary: 'find out why the connection fails',
    load: () => import('./commands/doctor.js'),
  },
  {
    name: 'demo',
    summary: 'run mock and tail in one process, without any setup',
    isLocal: true,
    load: () => import('./commands/demo.js'),
  },
  {
    name: 'complete',
    summary: 'print a completion script for the shell',
    isLocal: true,
    load: () => import('./commands/complete.js'),
  },
];

/** Adds every command to the program, with its name and summary only. */
export function addCommands(program: Command): void {
  for (const { name, summary } of COMMANDS) program.command(name).description(summary);
}

/** Returns whether a command connects to a server that `--url` and `--context` choose. */
export function usesServer(name: string): boolean {
  return COMMANDS.find((command) => command.name === name)?.isLocal !== true;
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
