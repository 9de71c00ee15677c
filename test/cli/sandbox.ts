import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { type IPty, spawn as spawnPty } from '@lydell/node-pty';
import { Arrivals } from '../support/arrivals.js';
import { runShared } from '../support/command-runners.js';

export const bin = resolve(import.meta.dirname, '../../bin/opmas-ws.js');

/** How a command ended. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  input?: string;
  environment?: Record<string, string>;
  /** What runs the command: `['dbus-run-session', '--']`, `['bash', '-c', '"$@" | head -1', 'bash']`. */
  through?: string[];
  /** The program to run. Default: that of this checkout. */
  program?: string;
  /** For {@link Sandbox.run}: stdout and stderr say that they are a terminal. */
  onTerminal?: boolean;
  /** For {@link Sandbox.run}: gets the process that runs the command, and others after it. */
  watch?: (runner: ChildProcess) => void;
}

function linesOf(stream: Readable, what: string): Arrivals<string> {
  const lines = new Arrivals<string>(what);
  let rest = '';
  stream.on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop()!;
    for (const line of parts) lines.add(line);
  });
  stream.on('close', () => {
    if (rest !== '') lines.add(rest);
    lines.end();
  });
  return lines;
}

/** A command that runs. */
export interface Running {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  /** Lines of stdout as they come. */
  readonly lines: Arrivals<string>;
  /** Lines of stderr as they come. */
  readonly messages: Arrivals<string>;
  readonly ended: Promise<Ended>;
}

/** A command on a terminal. */
export interface OnTerminal {
  readonly pty: IPty;
  /** All that it has shown. */
  shown(): string;
  /** Resolves when the pattern is on the terminal. */
  shows(pattern: RegExp): Promise<void>;
  readonly ended: Promise<{ code: number; signal: number | undefined }>;
}

/**
 * A home folder of its own, so that nothing of the machine's user is read or written: no keychain (unless a test turns
 * it on), no proxy, no session bus.
 */
export class Sandbox implements Disposable {
  readonly home = mkdtempSync(join(tmpdir(), 'opmas-ws-home-'));
  readonly environment: Record<string, string>;

  constructor(environment: Record<string, string> = {}) {
    this.environment = {
      PATH: process.env.PATH ?? '',
      HOME: this.home,
      OPMAS_KEYCHAIN: 'off',
      ...environment,
    };
  }

  /**
   * Runs a command to its end: in a process that commands share, unless something has to be in front of it or Node
   * itself reads its environment. Where the process is the promise, use {@link start}.
   */
  run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    const { input = '', through, program, onTerminal = false, watch } = options;
    const environment = { ...this.environment, ...options.environment };
    const isOwn =
      through !== undefined || program !== undefined || /\bNODE_/.test(Object.keys(environment).join());
    return isOwn
      ? this.start(args, options).ended
      : runShared({ args, folder: this.home, environment, input, onTerminal }, watch);
  }

  /** Starts a command; its stdin ends after `input`. */
  start(
    args: readonly string[],
    { input = '', environment, through = [], program = bin }: RunOptions = {},
  ): Running {
    const [command = process.execPath, ...rest] = [...through, process.execPath, program, ...args];
    const child = spawn(command, rest, {
      cwd: this.home,
      env: { ...this.environment, ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const ended = new Promise<Ended>((resolve) => {
      const output = { stdout: '', stderr: '' };
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        output.stdout += text;
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        output.stderr += text;
      });
      child.once('close', (code, signal) => resolve({ code, signal, ...output }));
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    return {
      child,
      ended,
      lines: linesOf(child.stdout, 'lines of stdout'),
      messages: linesOf(child.stderr, 'lines of stderr'),
    };
  }

  /** Starts a command on a terminal. */
  onTerminal(args: readonly string[], { environment, through = [] }: RunOptions = {}): OnTerminal {
    const [program = process.execPath, ...rest] = [...through, process.execPath, bin, ...args];
    const pty = spawnPty(program, rest, {
      cols: 100,
      rows: 30,
      cwd: this.home,
      env: { ...this.environment, TERM: 'xterm', ...environment },
    });
    let text = '';
    let wake: () => void = () => undefined;
    pty.onData((data) => {
      text += data;
      wake();
    });
    return {
      pty,
      shown: () => text,
      async shows(pattern) {
        while (!pattern.test(text)) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      },
      ended: new Promise((resolve) => {
        pty.onExit(({ exitCode, signal }) => resolve({ code: exitCode, signal }));
      }),
    };
  }

  /** All files below the home folder, by path. */
  files(): Map<string, { content: string; mode: number }> {
    const found = new Map<string, { content: string; mode: number }>();
    for (const name of readdirSync(this.home, { recursive: true, encoding: 'utf8' })) {
      const path = join(this.home, name);
      const stats = statSync(path);
      if (stats.isFile()) {
        found.set(name, { content: readFileSync(path, 'latin1'), mode: stats.mode & 0o777 });
      }
    }
    return found;
  }

  /** Mode of a file or folder below the home folder. */
  modeOf(name: string): number {
    return statSync(join(this.home, name)).mode & 0o777;
  }

  [Symbol.dispose](): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}
