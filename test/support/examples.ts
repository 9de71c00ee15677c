import { spawn } from 'node:child_process';
import type { Command } from 'commander';
import { configureCommands } from '../../src/cli/commands.js';
import { createProgram } from '../../src/cli/main.js';

/** How an example ended. */
export interface ExampleResult {
  /** Exit code of the shell; 124 when it was still running at the time limit, which is how a tail ends. */
  code: number;
  stdout: string;
  stderr: string;
}

/** Time that an example without an end of its own is given. */
const LIMIT_SECONDS = 3;

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

/** Runs an example as a user would, in bash, and stops it by SIGINT when it has no end of its own. */
export function runExample(
  example: string,
  folder: string,
  environment: NodeJS.ProcessEnv,
): Promise<ExampleResult> {
  const shell = spawn('timeout', ['-s', 'INT', '-k', '5', String(LIMIT_SECONDS), 'bash', '-c', example], {
    cwd: folder,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  shell.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  shell.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve) => {
    shell.on('close', (code) => resolve({ code: code ?? 1, stdout, stderr }));
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
