import { constants } from 'node:os';
import { inspect } from 'node:util';
import type { ErrorCode } from '../index.js';

/** The exit code of each kind of error (README, "Exit codes"). 1 is a bug of ours. */
const EXIT_CODES: Readonly<Record<ErrorCode, number>> = { USAGE: 2, AUTH: 3, NETWORK: 4, LOCAL: 5, DATA: 6 };

/** The exit code of a kind of error. */
export function exitCodeOf(code: ErrorCode): number {
  return EXIT_CODES[code];
}

/** A part of the program that could not even be read is no bug of it. */
const outOfFiles: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE']);

/** What keeps the process alive after its work is done must not do so for longer. */
const GRACE_MS = 2000;

/** Prints what went wrong on stderr and says which exit code follows from it. */
export async function reportError(error: unknown, { debug }: { debug: boolean }): Promise<number> {
  if (error instanceof Error && outOfFiles.has((error as NodeJS.ErrnoException).code)) {
    // The file is one of ours; where even that could not be opened, nothing else can be loaded.
    process.stderr.write(
      `opmas-ws: too many open files on this machine: ${error.message.replace(/[^ -~]/g, '?')}\n`,
    );
    return EXIT_CODES.LOCAL;
  }
  // Late, because `--version` and `--help` need nothing of the library.
  const { escapeUnsafe, OpmasError } = await import('../index.js');
  if (error instanceof OpmasError) {
    const lines = [`opmas-ws: ${escapeUnsafe(error.message)}`];
    // A hint may have several lines: an expression and a caret below it.
    for (const line of error.hint?.split('\n') ?? []) lines.push(`  ${escapeUnsafe(line)}`);
    if (debug && error.stack !== undefined) lines.push(...error.stack.split('\n').map(escapeUnsafe));
    process.stderr.write(`${lines.join('\n')}\n`);
    return EXIT_CODES[error.code];
  }
  const what = error instanceof Error ? error.message : String(error);
  process.stderr.write(
    `opmas-ws: sorry, this is a bug of opmas-ws: ${escapeUnsafe(redactUrls(what))}\n` +
      '  Please report it with the output of the same command with --debug.\n',
  );
  if (debug) {
    const details = redactUrls(error instanceof Error ? (error.stack ?? what) : inspect(error));
    process.stderr.write(`${details.split('\n').map(escapeUnsafe).join('\n')}\n`);
  }
  return 1;
}

/** Errors of libraries may carry a URL, and a URL of ours carries the token in its query. */
function redactUrls(text: string): string {
  return text.replace(/([?&](?:token|access_token)=)[^&\s"']*/gi, '$1…').replace(/\/\/[^/\s@]*@/g, '//…@');
}

/**
 * Listens for faults of stdout and stderr that nobody else waits for: of help texts and the version. A reader that has
 * gone (`--help | head -1`) is a normal end, a full disk is not.
 */
export function watchOutputs(): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', onOutputFault);
}

/** Leaves the faults of stdout to the command that runs. */
export function leaveOutputs(): void {
  process.stdout.off('error', onOutputFault);
}

function onOutputFault(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') return;
  process.stderr.write(`opmas-ws: stdout cannot be written: ${error.message}\n`);
  process.exitCode = EXIT_CODES.LOCAL;
}

/** Ends with a code once everything queued is written; dangling sockets and timers cannot hold it up for long. */
export function finish(exitCode: number): void {
  process.exitCode = exitCode;
  setTimeout(() => process.exit(), GRACE_MS).unref();
}

/** Dies by the signal that asked us to stop, so that the caller sees 128+n and shells stop their loops. */
export function dieBySignal(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.exitCode = 128 + (constants.signals[signal] ?? 0);
  process.kill(process.pid, signal);
}
