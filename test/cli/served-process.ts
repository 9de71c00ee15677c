import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

const bin = resolve(import.meta.dirname, '../../bin/opmas-ws.js');

/** None of these outlives the tests, not even when a test ran into its time limit. */
const running = new Set<ChildProcessByStdio<null, Readable, Readable>>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A command that serves, as a process of its own. */
export class ServedProcess implements AsyncDisposable {
  readonly process: ChildProcessByStdio<null, Readable, Readable>;
  /** Lines of stderr so far. */
  readonly messages: string[] = [];
  stdout = '';
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  #onMessage: (() => void)[] = [];

  constructor(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    this.process = spawn(process.execPath, [bin, ...args], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(this.process);
    this.process.once('close', () => running.delete(this.process));
    this.process.stdout.on('data', (chunk) => {
      this.stdout += chunk;
    });
    createInterface(this.process.stderr).on('line', (line) => {
      this.messages.push(line);
      for (const wake of this.#onMessage.splice(0)) wake();
    });
    this.ended = once(this.process, 'close').then(([code, signal]) => {
      for (const wake of this.#onMessage.splice(0)) wake();
      return code ?? signal;
    });
  }

  /** The ready line, once it is there. */
  async ready(): Promise<{ url: string; token: string }> {
    while (!this.stdout.includes('\n')) {
      await Promise.race([once(this.process.stdout, 'data'), this.#failedEarly()]);
    }
    const { listening, token } = JSON.parse(this.stdout.split('\n')[0]!);
    return { url: listening, token };
  }

  /** Resolves with the first line on stderr that matches. */
  async says(pattern: RegExp): Promise<string> {
    for (;;) {
      const line = this.messages.find((message) => pattern.test(message));
      if (line !== undefined) return line;
      if (this.process.exitCode !== null) {
        throw new Error(`it ended without saying ${pattern}:\n${this.messages.join('\n')}`);
      }
      await new Promise<void>((wake) => this.#onMessage.push(wake));
    }
  }

  /** Kills it, and resolves when it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill('SIGKILL');
    await this.ended;
  }

  async #failedEarly(): Promise<never> {
    const code = await this.ended;
    throw new Error(`it ended with ${code} before it was ready:\n${this.messages.join('\n')}`);
  }
}
