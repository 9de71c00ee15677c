/** Programs that are run and measured: time, CPU and peak memory. The last two come from /proc, so exist on Linux only. */
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monotonicMs } from './times.mjs';

/** Interval between two looks at /proc: a program may end by itself, and its figures with it. */
const SAMPLE_MS = 20;
/** A program that has not ended this long after SIGTERM is killed. */
const STOP_LIMIT_MS = 3000;

/**
 * @typedef {object} Cost
 * @property {number | undefined} cpuSeconds User and system time together.
 * @property {number | undefined} peakRssMb
 * @property {number | undefined} [rssMb] Memory at the time of the call.
 */

/**
 * @typedef {object} StartOptions
 * @property {'pipe' | 'ignore' | number} [stdout] A real pipe to the benchmark (not a socket pair), nothing, or a file descriptor.
 * @property {'ipc'} [ipc] Set for a Node program that sends messages to the benchmark.
 * @property {NodeJS.ProcessEnv} [env]
 */

/** A running program. */
export class MeasuredProcess {
  #child;
  /** @type {Cost} */
  #cost = { cpuSeconds: undefined, peakRssMb: undefined };
  #stderr = '';
  /** The read end of its stdout, when stdout is a pipe. @type {Socket | undefined} */
  stdout;
  startedAt = monotonicMs();
  /** Resolves with its exit code and the time of its end. @type {Promise<{ code: number | null, at: number }>} */
  ended;

  /** @param {string} command @param {string[]} args @param {StartOptions} [options] */
  constructor(command, args, options = {}) {
    const { stdout = 'ignore' } = options;
    const pipe = stdout === 'pipe' ? openPipe() : undefined;
    const output = pipe?.writeEnd ?? (stdout === 'pipe' ? 'ignore' : stdout);
    this.#child = spawn(command, args, {
      // Without an open stdin, wscat ends at once.
      stdio: ['pipe', output, 'pipe', ...(options.ipc ? /** @type {const} */ (['ipc']) : [])],
      env: { ...process.env, NO_COLOR: '', ...options.env },
    });
    if (pipe !== undefined) {
      closeSync(pipe.writeEnd);
      this.stdout = new Socket({ fd: pipe.readEnd, readable: true, writable: false });
    }
    this.#child.stderr?.on('data', (text) => {
      this.#stderr = (this.#stderr + text).slice(-4000);
    });
    const timer = setInterval(() => this.cost(), SAMPLE_MS);
    timer.unref();
    this.ended = new Promise((resolve) => {
      this.#child.on('error', (error) => {
        this.#stderr += error.message;
      });
      this.#child.on('close', (code) => {
        clearInterval(timer);
        resolve({ code, at: monotonicMs() });
      });
    });
  }

  /** The last 4,000 characters of its stderr. */
  get stderr() {
    return this.#stderr;
  }

  /** @param {(message: any) => void} listener */
  onMessage(listener) {
    this.#child.on('message', listener);
  }

  /**
   * Returns its cost so far; after its end, the cost at the last look before.
   *
   * @returns {Cost}
   */
  cost() {
    try {
      const pid = this.#child.pid;
      // The second field is the program's name in parentheses, which may contain any character.
      const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? [];
      const status = readFileSync(`/proc/${pid}/status`, 'latin1');
      const [peak, rss] = ['VmHWM', 'VmRSS'].map(
        (name) => new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1],
      );
      if (peak === undefined) return this.#cost;
      const ticks = Number(fields[11]) + Number(fields[12]);
      this.#cost = { cpuSeconds: ticks / 100, peakRssMb: Number(peak) / 1024, rssMb: Number(rss) / 1024 };
    } catch {
      // The program has ended, or this is not Linux.
    }
    return this.#cost;
  }

  /** Ends it with SIGTERM, and with SIGKILL if it has not ended after a while. */
  async stop() {
    this.stdout?.resume();
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS);
    await this.ended;
    clearTimeout(timer);
    this.stdout?.destroy();
  }
}

/** Makes a pipe as the shell's `|` does. Node itself would give the program one end of a socket pair. */
function openPipe() {
  const folder = mkdtempSync(join(tmpdir(), 'opmas-bench-'));
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writeEnd = openSync(path, constants.O_WRONLY);
  rmSync(folder, { recursive: true });
  return { readEnd, writeEnd };
}

/**
 * Finds a program on the PATH. An environment variable such as `BENCH_JQ` overrides that.
 *
 * @param {string} name
 */
export function findProgram(name) {
  const fromEnvironment = process.env[`BENCH_${name.toUpperCase()}`];
  if (fromEnvironment) return fromEnvironment;
  try {
    return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}
