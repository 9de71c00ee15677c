import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Command } from 'commander';
import { configureCommands } from '../../src/cli/command-table.js';
import { createProgram } from '../../src/cli/main.js';

/** How an example ended. */
export interface ExampleResult {
  /** Exit code of the shell, 128+n when it died by a signal. */
  code: number;
  stdout: string;
  stderr: string;
}

/** An example without an end of its own is stopped so long after it first prints something. */
const LOOK_MS = 700;

/** The lines of a text that are typed at a prompt: `$ opmas-ws …`, without what explains them. */
export function examplesIn(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => /^ *\$ /.test(line))
    .map((line) =>
      line
        .replace(/^ *\$ /, '')
        .replace(/ {2,}.*$/, '')
        .trim(),
    );
}

/**
 * Runs an example as a user would, in bash. When it has no end of its own it is stopped by Ctrl-C's signal, a moment
 * after it first printed something.
 *
 * @param lookSeconds How long it may go on after that. Default 0.7.
 */
export function runExample(
  example: string,
  folder: string,
  environment: NodeJS.ProcessEnv,
  lookSeconds = LOOK_MS / 1000,
): Promise<ExampleResult> {
  const shell = spawn('bash', ['-c', example], {
    cwd: folder,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that all of a pipeline gets the signal, as from a terminal.
    detached: true,
  });
  const stopGroup = (signal: NodeJS.Signals) => {
    if (shell.exitCode === null && shell.signalCode === null) process.kill(-shell.pid!, signal);
  };
  let stopper: NodeJS.Timeout | undefined;
  const deadline = setTimeout(() => stopGroup('SIGKILL'), 60_000);
  const result: ExampleResult = { code: 1, stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    shell[stream].on('data', (chunk) => {
      result[stream] += chunk;
      stopper ??= setTimeout(() => stopGroup('SIGINT'), lookSeconds * 1000);
    });
  }
  return new Promise((resolve) => {
    shell.on('close', (code, signal) => {
      clearTimeout(stopper);
      clearTimeout(deadline);
      resolve({ ...result, code: code ?? 128 + constants.signals[signal!] });
    });
  });
}

/** Every command with its options, subcommands included: `auth login`. */
export async function allCommands(): Promise<Map<string, Command>> {
  const program = createProgram();
  await configureCommands(program);
  const found = new Map<string, Command>();
  const visit = (command: Command, path: string) => {
    for (const child of command.commands) {
      const name = path === '' ? child.name() : `${path} ${child.name()}`;
      found.set(name, child);
      visit(child, name);
    }
  };
  visit(program, '');
  return found;
}

/** The help of a command as `--help` prints it, with the texts that are added after it. */
export function fullHelp(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return text;
}
