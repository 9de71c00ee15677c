import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from './http/proxy-choice.js';

/** Time between two looks at a group that was asked to end. */
const POLL_MS = 20;
/**
 * Time for the rest of the group once the first process has exited. Process 1 of a container inherits orphans, which
 * stay in the group when they have ended, because no process waits for them.
 */
const REST_MS = process.pid === 1 ? 200 : Number.POSITIVE_INFINITY;

/** The end of a command, or the reason why it could not be started. */
export interface CommandEnd {
  /** As shells count: 126 not executable, 127 not found, 128+n ended by signal n. */
  exitCode: number;
  /** The failure, as the end of a sentence; `undefined` after a success. */
  problem: string | undefined;
  /** The command could not be started. */
  cause?: Error;
}

/**
 * A command in a process group of its own, which is ended as a whole: a shell does not pass a signal on to its
 * children. It runs without a shell.
 */
export class ProcessGroup {
  /** Absent when the command could not be started at all. */
  readonly child: ChildProcess | undefined;
  /** Resolves when the first process of the group has exited, even if others still run. */
  readonly exited: Promise<CommandEnd>;
  /** All processes have ended: the number of the group may belong to another one. */
  #isOver = false;
  #exitedAt = Number.POSITIVE_INFINITY;

  /** @param words The program and its arguments. */
  constructor(
    words: readonly string[],
    { stdio, environment }: { stdio: StdioOptions; environment: Environment },
  ) {
    const [program = '', ...rest] = words;
    try {
      const detached = process.platform !== 'win32';
      this.child = spawn(program, rest, { stdio, detached, windowsHide: true, env: environment });
    } catch (cause) {
      // Node throws some errors of the system and passes on others.
      this.exited = Promise.resolve(failureToStart(cause as Error, program));
      return;
    }
    const { child } = this;
    this.exited = new Promise((resolve) => {
      child.once('error', (cause) => resolve(failureToStart(cause, program)));
      child.once('exit', (code, signal) => {
        this.#exitedAt = performance.now();
        if (!this.#reaches(0)) this.#isOver = true;
        resolve(endOf(code, signal));
      });
    });
  }

  /** Sends a signal to all processes that are left. */
  signal(signal: NodeJS.Signals): void {
    if (!this.#isOver) this.#reaches(signal);
  }

  /** Ends all processes that are left: by SIGTERM, and after this time by SIGKILL. @returns Whether it took that long. */
  async end(graceMs: number): Promise<boolean> {
    this.signal('SIGTERM');
    const askedAt = performance.now();
    for (let now = askedAt; !this.#isOver && this.#reaches(0); now = performance.now()) {
      const isLate = now >= askedAt + graceMs;
      if (isLate || now >= Math.max(askedAt, this.#exitedAt) + REST_MS)
        return this.#reaches('SIGKILL') && isLate;
      await sleep(POLL_MS);
    }
    return false;
  }

  /** Returns whether the signal has reached any process. */
  #reaches(signal: NodeJS.Signals | 0): boolean {
    const pid = this.child?.pid;
    if (pid === undefined) return false;
    try {
      return process.kill(process.platform === 'win32' ? pid : -pid, signal);
    } catch {
      return false;
    }
  }
}

function endOf(code: number | null, signal: NodeJS.Signals | null): CommandEnd {
  if (signal !== null) {
    return { exitCode: 128 + constants.signals[signal], problem: `was ended by ${signal}` };
  }
  return { exitCode: code ?? 1, problem: code === 0 ? undefined : `failed with exit code ${code}` };
}

function failureToStart(cause: Error, program: string): CommandEnd {
  switch ((cause as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return { exitCode: 127, problem: `there is no program ${program}`, cause };
    case 'EACCES':
      return { exitCode: 126, problem: `${program} is not executable`, cause };
    default:
      return { exitCode: 126, problem: cause.message, cause };
  }
}
