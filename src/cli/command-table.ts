import type { Command } from 'commander';

/** A command's own file: puts arguments, options, examples and the action on the command. */
interface CommandModule {
  configure(command: Command): void;
}

interface CommandEntry {
  name: string;
  summary: string;
  load(): Promise<CommandModule>;
}

/** What `complete` does; the command itself is not among those that completion describes. */
export const COMPLETE_SUMMARY = 'print a completion script for the shell';

/** All commands, in the order of the help. A command's file is loaded only when it is the one that runs. */
const COMMANDS: readonly CommandEntry[] = [
  { name: 'tail', summary: 'print events as they arrive', load: () => import('./commands/tail/tail.js') },
  { name: 'record', summary: 'write them to a recording', load: () => import('./commands/record/record.js') },
  {
    name: 'replay',
    summary: 'serve a recording as a local OPMAS API',
    load: () => import('./commands/replay/replay.js'),
  },
  { name: 'mock', summary: 'serve generated events the same way', load: () => import('./commands/mock.js') },
  {
    name: 'inspect',
    summary: 'show what is in a recording',
    load: () => import('./commands/inspect/inspect.js'),
  },
  {
    name: 'auth',
    summary: 'log in and out, show the token and its state',
    load: () => import('./commands/auth/auth.js'),
  },
  {
    name: 'context',
    summary: 'name servers and choose among them',
    load: () => import('./commands/context/context.js'),
  },
  { name: 'doctor', summary: "find out why I can't connect", load: () => import('./commands/doctor.js') },
  {
    name: 'demo',
    summary: 'mock and tail in one process: nothing to set up',
    load: () => import('./commands/demo.js'),
  },
  {
    name: 'complete',
    summary: COMPLETE_SUMMARY,
    load: () => import('./commands/complete/complete.js'),
  },
];

/** Puts every command on the program, by name and summary only. */
export function addCommands(program: Command, without?: string): void {
  for (const { name, summary } of COMMANDS) {
    if (name !== without) program.command(name).description(summary);
  }
}

/**
 * Loads the options and the action of the command that the arguments name. A command's name can also be an option's
 * value (`--context tail`), so every name among the arguments counts.
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
