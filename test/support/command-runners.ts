import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Ended } from '../cli/sandbox.js';

/** A command for `command-runner.mjs`. */
export interface RunnerCommand {
  args: readonly string[];
  folder: string;
  environment: Record<string, string>;
  input: string;
  /** Both outputs say that they are a terminal. */
  onTerminal: boolean;
}

const program = join(import.meta.dirname, 'command-runner.mjs');
/** As many as vitest runs tests of a file at once. */
const MOST_RUNNERS = 5;
let runners = 0;
/** Runners that wait for a command. They end with this process. */
const idle: ChildProcess[] = [];
/** Commands that wait for a runner. */
const waiting: ((runner: ChildProcess) => void)[] = [];

/**
 * Runs a command to its end in a process that other commands have used.
 *
 * @param watch Gets this process.
 */
export async function runShared(
  command: RunnerCommand,
  watch: (runner: ChildProcess) => void = () => undefined,
): Promise<Ended> {
  const runner = await take();
  watch(runner);
  const ended = new AbortController();
  const { signal } = ended;
  try {
    runner.send(command);
    const [answer] = await Promise.race([
      once(runner, 'message', { signal }),
      once(runner, 'exit', { signal }).then(([code]) => {
        throw new Error(`opmas-ws ${command.args.join(' ')} has ended its process (${code}): use start`);
      }),
    ]);
    give(runner);
    return answer;
  } finally {
    ended.abort();
  }
}

async function take(): Promise<ChildProcess> {
  const runner = idle.pop();
  if (runner !== undefined) return runner;
  if (runners < MOST_RUNNERS) return start();
  return new Promise((resolve) => waiting.push(resolve));
}

function give(runner: ChildProcess): void {
  const next = waiting.shift();
  if (next === undefined) idle.push(runner);
  else next(runner);
}

function start(): ChildProcess {
  runners++;
  const runner = fork(program, { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  runner.once('exit', () => {
    runners--;
    const place = idle.indexOf(runner);
    if (place >= 0) idle.splice(place, 1);
    if (waiting.length > 0) give(start());
  });
  runner.unref();
  runner.channel?.unref();
  return runner;
}
