import { fstatSync, write } from 'node:fs';
import type { Command } from 'commander';
import { OpmasError } from '../index.js';
import { exitBySignal, finish, reportError, unwatchStdout } from './exit.js';
import type { GlobalOptions } from './options/global-options.js';
import { StopRequests } from './stop-requests.js';
import { type OutputStreams, openTerminal, type Terminal } from './terminal/terminal.js';

/** Everything that the action of a command may use besides its own options. */
export interface Session {
  readonly globals: GlobalOptions;
  /** Environment variables. The command line reads `process.env` only to fill this in. */
  readonly environment: NodeJS.ProcessEnv;
  readonly terminal: Terminal;
  /** Aborts when the user asks to stop (SIGINT, SIGTERM, SIGHUP) or the reader closes stdout. */
  readonly stop: AbortSignal;
  /** Exit code of an end without an error; 0 unless the action sets it. */
  exitCode: number;
  /** Text for stderr when the process must exit before the action has ended. */
  exitMessage?: () => string;
}

/** Writes the exit message when a blocked stdout keeps the process from its normal end. */
async function flushExitMessage({ terminal: { messages }, exitMessage }: Session): Promise<void> {
  if (exitMessage === undefined || messages.isQuiet || isSameFile(1, 2)) return;
  // In another thread: a write to a pipe without a reader blocks forever.
  await new Promise((resolve) => write(2, exitMessage(), resolve));
}

function isSameFile(one: number, other: number): boolean {
  try {
    const [a, b] = [fstatSync(one), fstatSync(other)];
    return a.ino === b.ino && a.dev === b.dev;
  } catch {
    return true;
  }
}

/**
 * Runs the action of a command: sets up the terminal and the signals, and turns the end of the action into an exit
 * code. The first signal aborts `stop`, and the action may take 2 s to end; a second signal ends the process at once.
 *
 * @param streams Replace the process's own stdout and stderr.
 */
export async function runCommand(
  command: Command,
  action: (session: Session) => Promise<void>,
  streams?: OutputStreams,
): Promise<void> {
  const globals = command.optsWithGlobals<GlobalOptions>();
  const environment = process.env;
  const debug = globals.debug === true;
  const requests = new StopRequests({ debug });
  const terminal = await openTerminal(globals, environment, streams);
  unwatchStdout();
  terminal.out.onClosed = () => requests.request();
  const session: Session = { globals, environment, terminal, stop: requests.stop, exitCode: 0 };
  requests.onForcedExit = () => flushExitMessage(session);
  try {
    await action(session);
    await terminal.out.flushed();
    terminal.messages.end();
    await terminal.messages.flushed();
  } catch (error) {
    terminal.messages.end();
    await terminal.messages.flushed();
    session.exitCode = reportError(error, { debug });
  }
  if (requests.signal !== undefined) {
    exitBySignal(requests.signal);
    return;
  }
  requests.release();
  // An error of stdout that no write was waiting for.
  if (session.exitCode === 0 && terminal.out.failure instanceof OpmasError) {
    session.exitCode = reportError(terminal.out.failure, { debug });
  }
  finish(requests.hasBug ? 1 : session.exitCode);
}
