import { constants } from 'node:os';
import { inspect } from 'node:util';
import { type ErrorCode, escapeUnsafe, OpmasError, type SaidOptions } from '../index.js';
import { withServerChoice } from '../internal.js';
import { isWriting } from './terminal/blocking-write-stream.js';
import { outputsFlushed, standardOutputs } from './terminal/standard-streams.js';

/** The exit code of each kind of error. 1 is a bug in this program. */
export const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  USAGE: 2,
  AUTH: 3,
  NETWORK: 4,
  LOCAL: 5,
  DATA: 6,
  INCOMPLETE: 7,
  GAPS: 8,
};

/** System errors that mean this machine has no file descriptors left: not a bug in this program. */
const OUT_OF_FILES: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE']);

/** Time that open sockets and timers may keep the process alive after its work is done. */
const GRACE_MS = 2000;

/** The ways to a server, for a user who has chosen none. */
export const FIRST_SERVER =
  'No server was chosen: see one at work with `opmas-ws demo`, or choose yours with --url URL or `opmas-ws context add NAME --url URL`.';

interface ReportOptions {
  debug: boolean;
  /** The choice of the server, for the commands in the hint to repeat. */
  said?: SaidOptions;
  usesDefaultServer?: boolean | undefined;
  /** Prints the lines. Default: on stderr. */
  print?: (text: string) => void;
  /** Name of the command, for a hint to pipe something into it. */
  command?: string | undefined;
}

/**
 * Prints an error on stderr and returns the exit code for it. Everything that it needs is loaded at the start: an
 * installation that is replaced while a command runs must not hide why the command ended.
 */
export function reportError(error: unknown, options: ReportOptions): number {
  const { debug, said = {}, usesDefaultServer, command } = options;
  const print = options.print ?? ((text) => standardOutputs().stderr.write(`${text}\n`));
  if (error instanceof OpmasError) {
    const lines = [`opmas-ws: ${escapeUnsafe(withServerChoice(error.message, said))}`];
    // A hint may have several lines: an expression and a caret below it.
    const reader = `| opmas-ws ${command?.replace(/^(tail|top|wait)$/, '$1 --file')} -`;
    const hint = error.hint?.replace('| opmas-ws inspect -', reader);
    const hints = hint === undefined ? [] : withServerChoice(hint, said).split('\n');
    if (usesDefaultServer && /^(AUTH|NETWORK)$/.test(error.code)) hints.push(FIRST_SERVER);
    for (const line of hints) lines.push(`  ${escapeUnsafe(line)}`);
    if (debug && error.stack !== undefined) lines.push(...error.stack.split('\n').map(escapeUnsafe));
    print(lines.join('\n'));
    return EXIT_CODES[error.code];
  }
  const text = escapeUnsafe(redactUrls(error instanceof Error ? error.message : String(error)));
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  if (syscall === 'uv_cwd') {
    print('opmas-ws: the current folder has been deleted: change to another one');
    return EXIT_CODES.LOCAL;
  }
  if (OUT_OF_FILES.has(code)) {
    print(`opmas-ws: too many open files on this machine: ${text}`);
    return EXIT_CODES.LOCAL;
  }
  print(
    `opmas-ws: sorry, this is a bug in opmas-ws: ${text}\n` +
      '  Run the same command with --debug and report its output.',
  );
  if (debug) {
    const details = redactUrls(error instanceof Error ? (error.stack ?? text) : inspect(error));
    print(details.split('\n').map(escapeUnsafe).join('\n'));
  }
  return 1;
}

/** Removes secrets from the URLs in a library's error: our URLs carry the token in their query. */
function redactUrls(text: string): string {
  return text.replace(/([?&](?:token|access_token)=)[^&\s"']*/gi, '$1…').replace(/\/\/[^/\s@]*@/g, '//…@');
}

/**
 * Handles output errors before a command takes over, while help or the version is printed. A closed pipe
 * (`--help | head -1`) is a normal end; a full disk is an error.
 */
export function watchOutputs(): void {
  standardOutputs().stdout.on('error', onOutputError);
}

/** Leaves the errors of stdout to the command that runs. */
export function unwatchStdout(): void {
  standardOutputs().stdout.off('error', onOutputError);
}

function onOutputError(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') return;
  standardOutputs().stderr.write(`opmas-ws: cannot write to stdout: ${error.message}\n`);
  process.exitCode = EXIT_CODES.LOCAL;
}

/** Ends with an exit code once all output is written; open sockets and timers delay that by 2 s at most. */
export function finish(exitCode: number): void {
  process.exitCode = exitCode;
  void outputsFlushed().then(() => setTimeout(() => exitNow(exitCode), GRACE_MS).unref());
}

/** Ends the process at once; output that is not written yet is lost. */
export function exitNow(exitCode: number): void {
  // `process.exit` would wait for the reader of this output, however long that takes.
  if (isWriting()) {
    process.emit('exit', exitCode);
    process.kill(process.pid, 'SIGKILL');
  }
  process.exit(exitCode);
}

/** Ends the process by the signal that it received, so that the caller sees 128+n and shells stop their loops. */
export function exitBySignal(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  // A death by signal skips the `exit` listeners, which restore the terminal and end the processes that we started.
  process.emit('exit', 128 + (constants.signals[signal] ?? 0));
  process.kill(process.pid, signal);
  // Process 1 of a container survives its own signals.
  exitNow(128 + (constants.signals[signal] ?? 0));
}
