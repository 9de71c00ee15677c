/** Runs programs and reads what they cost: time, CPU, peak memory (from /proc, so on Linux only). */
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monotonicMs } from './times.mjs';

/** How often the memory of a program that ends by itself is looked at. */
const SAMPLE_MS = 20;
/** A program that ignores SIGTERM for so long is killed. */
const STOP_LIMIT_MS = 3000;

/**
 * @typedef {object} Cost
 * @property {number | undefined} cpuSeconds User and system time together.
 * @property {number | undefined} peakRssMb
 * @property {number | undefined} [rssMb] At that moment.
 */

/**
 * @typedef {object} StartOptions
 * @property {'pipe' | 'ignore' | number} [stdout] A real pipe to us (not a socket pair), nothing, or a file's descriptor.
 * @property {'ipc'} [ipc] A Node program that talks to us.
 * @property {NodeJS.ProcessEnv} [env]
 */

/** One program while it runs. */
export class MeasuredProcess {
  #child;
  /** @type {Cost} */
  #cost = { cpuSeconds: undefined, peakRssMb: undefined };
  #stderr = '';
  /** Our end of its stdout, when that is a pipe. @type {Socket | undefined} */
  stdout;
  startedAt = monotonicMs();
  /** Resolves with its exit code and when that was. @type {Promise<{ code: number | null, at: number }>} */
  ended;

  /** @param {string} command @param {string[]} args @param {StartOptions} [options] */
  constructor(command, args, options = {}) {
    const { stdout = 'ignore' } = options;
    const pipe = stdout === 'pipe' ? openPipe() : undefined;
    const output = pipe?.writeEnd ?? (stdout === 'pipe' ? 'ignore' : stdout);
    this.#child = spawn(command, args, {
      // wscat ends when its stdin does.
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

  /** The end of what it said on stderr. */
  get stderr() {
    return this.#stderr;
  }

  /** @param {(message: any) => void} listener */
  onMessage(listener) {
    this.#child.on('message', listener);
  }

  /**
   * What it has cost so far, or at the last look before it ended.
   *
   * @returns {Cost}
   */
  cost() {
    try {
      const pid = this.#child.pid;
      // The second field is the program's name in parentheses, which can hold anything.
      const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? [];
      const status = readFileSync(`/proc/${pid}/status`, 'latin1');
      const [peak, rss] = ['VmHWM', 'VmRSS'].map(
        (name) => new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1],
      );
      if (peak === undefined) return this.#cost;
      const ticks = Number(fields[11]) + Number(fields[12]);
      this.#cost = { cpuSeconds: ticks / 100, peakRssMb: Number(peak) / 1024, rssMb: Number(rss) / 1024 };
    } catch {
      // It has ended, or this is no Linux.
    }
    return this.#cost;
  }

  /** Ends it with SIGTERM, or SIGKILL when that does not help. */
  async stop() {
    this.stdout?.resume();
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS);
    await this.ended;
    clearTimeout(timer);
    this.stdout?.destroy();
  }
}

/** A pipe as the shell's `|` makes it; Node itself would give the program one end of a socket pair. */
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
 * Where a program of this name is on the PATH, or what the environment variable says.
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
