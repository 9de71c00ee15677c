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

/** Examples of these commands run until they are stopped, unless something in them ends them. */
const OPEN_ENDED = /\bopmas-ws (tail|top|record|mock|replay|demo)\b/;
const HAS_END = /(?: -n| --count| --duration| --file(?!.*--follow))\b|--help|\bhead\b/;
/** An open-ended example is stopped only after so many lines, which show that it did not hang after its first. */
const LINES_BEFORE_STOP = 2;
/** What writes to a file says only that it is connected. */
const LINES_OF_A_WRITER = 1;
/** Time for which it runs after that. */
const LOOK_MS = 500;
/** An example that has not ended by then hangs; it is killed (137). */
const DEADLINE_MS = 30_000;

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
 * Runs an example as a user would, in bash. An example that has an end must reach it; an open-ended one is stopped by
 * Ctrl-C's signal, a moment after it has begun to work.
 */
export function runExample(
  example: string,
  folder: string,
  environment: NodeJS.ProcessEnv,
): Promise<ExampleResult> {
  const isOpenEnded = OPEN_ENDED.test(example) && !HAS_END.test(example);
  const enough = / record\b| > /.test(example) ? LINES_OF_A_WRITER : LINES_BEFORE_STOP;
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
  const deadline = setTimeout(() => stopGroup('SIGKILL'), DEADLINE_MS);
  const result: ExampleResult = { code: 1, stdout: '', stderr: '' };
  let lines = 0;
  for (const stream of ['stdout', 'stderr'] as const) {
    shell[stream].setEncoding('utf8').on('data', (chunk: string) => {
      result[stream] += chunk;
      // Lines that come together are one chunk.
      lines += chunk.split('\n').length - 1;
      if (isOpenEnded && lines >= enough) stopper ??= setTimeout(stopGroup, LOOK_MS, 'SIGINT');
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

/**
 * Returns the words of an example that is one command without anything for a shell to do but to split it, and that
 * ends by itself; otherwise `undefined`.
 */
export function plainWords(example: string): string[] | undefined {
  const word = /(?:'[^']*'|"[^"$`\\]*"|[\w@%+=:,./-])+/;
  const isPlain = new RegExp(`^${word.source}(?: +${word.source})*$`).test(example);
  if (!isPlain || (OPEN_ENDED.test(example) && !HAS_END.test(example))) return undefined;
  return example.match(new RegExp(word, 'g'))!.map((text) => text.replace(/'([^']*)'|"([^"]*)"/g, '$1$2'));
}

/** Runs a command line that is refused before any action. @returns `USAGE what: hint`. */
export async function refusalOf(words: readonly string[]): Promise<string> {
  const program = createProgram();
  await configureCommands(program);
  const refused = program.parseAsync(words, { from: 'user' });
  const { code, message, hint } = await refused.then(
    () => new Error('nothing was refused'),
    (error) => error,
  );
  return `${code} ${message}: ${hint}`;
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
