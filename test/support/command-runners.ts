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
/** Runners that wait for a command. They end with this process. */
const idle: ChildProcess[] = [];

/**
 * Runs a command to its end in a process that other commands have used.
 *
 * @param watch Gets this process.
 */
export async function runShared(
  command: RunnerCommand,
  watch: (runner: ChildProcess) => void = () => undefined,
): Promise<Ended> {
  const runner = idle.pop() ?? start();
  watch(runner);
  const ended = new AbortController();
  const signal = ended.signal;
  try {
    runner.send(command);
    const [answer] = await Promise.race([
      once(runner, 'message', { signal }),
      once(runner, 'exit', { signal }).then(([code]) => {
        throw new Error(`opmas-ws ${command.args.join(' ')} has ended its process (${code}): use start`);
      }),
    ]);
    idle.push(runner);
    return answer;
  } finally {
    ended.abort();
  }
}

function start(): ChildProcess {
  const runner = fork(program, { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  runner.once('exit', () => {
    const place = idle.indexOf(runner);
    if (place >= 0) idle.splice(place, 1);
  });
  runner.unref();
  runner.channel?.unref();
  return runner;
}
