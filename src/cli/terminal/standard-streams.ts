import { constants, fstatSync, openSync, type Stats } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { isatty } from 'node:tty';
import { BlockingWriteStream } from './blocking-write-stream.js';

/** The parts of `process.stdout` and `process.stderr` that we use. */
export interface OutputStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns: number;
  readonly rows?: number;
}

export interface StandardStreams {
  stdin: Readable;
  stdout: OutputStream;
  stderr: OutputStream;
}
type OutputStreams = Omit<StandardStreams, 'stdin'>;

/** Buffer limit for a stopped terminal; further output is discarded, because the live line is drawn often. */
const MAX_TERMINAL_BACKLOG_BYTES = 1024 * 1024;

/**
 * Process 1 of a container. It cannot kill itself while a thread waits in a write, so none of its writes may block; in
 * exchange, it may change the flags of its outputs while it runs, because other processes rarely share them.
 */
const isFirstProcess = process.pid === 1;

let outputs: OutputStreams | undefined;
let input: Readable | undefined;

/**
 * Returns stdout and stderr. Everything that is printed goes through them, because `process.stdout` and
 * `process.stderr` make a pipe or a socket non-blocking for every process that shares it: a `cat` after us then fails
 * with EAGAIN. None of the streams blocks the event loop, except for files.
 */
export function standardOutputs(): OutputStreams {
  outputs ??= openOutputs();
  return outputs;
}

/** Replaces the streams of the process. */
export function useStreams(streams: StandardStreams): void {
  ({ stdin: input, ...outputs } = streams);
}

/** Returns stdin, without a change for the processes that share it. */
export function standardInput(): Readable {
  input ??= openInput();
  return input;
}

/** True when stdin is a terminal; does not open it. */
export function inputIsTerminal(): boolean {
  return isatty(0);
}

/** Resolves when both outputs have accepted everything. */
export async function outputsFlushed(): Promise<void> {
  const streams = new Set(Object.values(standardOutputs()) as OutputStream[]);
  await Promise.all([...streams].map((stream) => new Promise((resolve) => stream.write('', resolve))));
}

function openOutputs(): OutputStreams {
  const stderr = openOutput(2);
  // A terminal or pipe that both share gets one stream, so that their lines do not overlap.
  const stdout = isSameTarget(fileStats(1), fileStats(2)) ? stderr : openOutput(1);
  // A closed stderr must not stop the data.
  stderr.on('error', () => undefined);
  return { stdout, stderr };
}

function openOutput(descriptor: 1 | 2): OutputStream {
  const original = () => (descriptor === 1 ? process.stdout : process.stderr);
  if (process.platform === 'win32') return original();
  if (isatty(descriptor)) {
    const own = isFirstProcess ? reopen(descriptor, constants.O_WRONLY | constants.O_NOCTTY) : undefined;
    // libuv opens the terminal once more, so `process.stdout` changes nothing for others.
    return new BlockingWriteStream(own ?? descriptor, MAX_TERMINAL_BACKLOG_BYTES, original());
  }
  const stats = fileStats(descriptor);
  if (!stats?.isFIFO() && !stats?.isSocket()) return original();
  const own = stats.isFIFO() ? reopen(descriptor, constants.O_WRONLY) : undefined;
  if (own === undefined) return isFirstProcess ? shared(original()) : new BlockingWriteStream(descriptor);
  return Object.assign(new Socket({ fd: own, readable: false, writable: true }), { columns: 0 });
}

function openInput(): Readable {
  const stats = fileStats(0);
  const own = stats?.isFIFO() ? reopen(0, constants.O_RDONLY) : undefined;
  if (own !== undefined) return new Socket({ fd: own, readable: true, writable: false });
  return stats?.isSocket() ? shared(process.stdin) : process.stdin;
}

/** Prepares a stream that cannot be opened once more: it blocks again for others when we end. */
function shared<S extends Readable | NodeJS.WriteStream>(original: S): S {
  const stream = original as unknown as Socket & { _handle?: { setBlocking?(on: boolean): void } };
  const restore = () => void stream._handle?.setBlocking?.(true);
  const destroy = stream._destroy;
  stream._destroy = (error, callback) => {
    restore();
    destroy.call(stream, error, callback);
  };
  process.once('exit', restore);
  return original;
}

/** Opens a pipe once more: flags such as O_NONBLOCK are then ours alone. Only Linux can do so. */
function reopen(descriptor: number, mode: number): number | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    return openSync(`/proc/self/fd/${descriptor}`, mode | constants.O_NONBLOCK);
  } catch {
    // The pipe belongs to another user, or has no reader anymore.
    return undefined;
  }
}

function fileStats(descriptor: number): Stats | undefined {
  try {
    return fstatSync(descriptor);
  } catch {
    return undefined;
  }
}

function isSameTarget(one: Stats | undefined, other: Stats | undefined): boolean {
  if (one === undefined || other === undefined || one.isFile()) return false;
  // A terminal has several nodes: /dev/tty, /dev/pts/3.
  if (isatty(1) && isatty(2)) return one.rdev === other.rdev;
  return one.dev === other.dev && one.ino === other.ino;
}
