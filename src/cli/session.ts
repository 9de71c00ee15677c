import { fstatSync, write } from 'node:fs';
import type { Command } from 'commander';
import { OpmasError } from '../index.js';
import { dieBySignal, finish, leaveOutputs, reportError } from './exit.js';
import { StopRequests } from './stop-requests.js';
import { type OutputStreams, openTerminal, type Terminal } from './terminal/terminal.js';

/** Options that every command has. */
export interface GlobalOptions {
  url?: string;
  context?: string;
  color: 'auto' | 'always' | 'never';
  quiet?: boolean;
  debug?: boolean;
}

/** What the action of a command gets. */
export interface Session {
  readonly globals: GlobalOptions;
  readonly terminal: Terminal;
  /** Aborts when the user asks to stop (SIGINT, SIGTERM, SIGHUP) or the reader of stdout has gone. */
  readonly stop: AbortSignal;
  /** Exit code of an end that is no error; 0 unless the action sets it. */
  exitCode: number;
  /** What is to be said on stderr when the process has to die before the action has ended. */
  lastWords?: () => string;
}

/** What stderr can still be told when stdout is why the process did not come to its end. */
async function dieWell({ terminal: { messages }, lastWords }: Session): Promise<void> {
  if (lastWords === undefined || messages.isQuiet || isOneFile(1, 2)) return;
  // In another thread: a write to a pipe that nobody reads never ends.
  await new Promise((resolve) => write(2, lastWords(), resolve));
}

function isOneFile(one: number, other: number): boolean {
  try {
    const [a, b] = [fstatSync(one), fstatSync(other)];
    return a.ino === b.ino && a.dev === b.dev;
  } catch {
    return true;
  }
}

/**
 * Runs the action of a command: sets up the terminal and the signals, and turns its end into an exit code. On the
 * first signal `stop` aborts and the action ends in its own time, at most 2 s; a second one ends the process at once.
 *
 * @param streams What to use in place of the process's own stdout and stderr.
 */
export async function runCommand(
  command: Command,
  action: (session: Session) => Promise<void>,
  streams?: OutputStreams,
): Promise<void> {
  const globals = command.optsWithGlobals<GlobalOptions>();
  const debug = globals.debug === true;
  const requests = new StopRequests({ debug });
  const terminal = await openTerminal(globals, streams);
  leaveOutputs();
  terminal.out.onClosed = () => requests.ask();
  const session: Session = { globals, terminal, stop: requests.stop, exitCode: 0 };
  requests.onSuddenDeath = () => dieWell(session);
  try {
    await action(session);
    await terminal.out.flushed();
    terminal.messages.end();
    await terminal.messages.flushed();
  } catch (error) {
    terminal.messages.end();
    await terminal.messages.flushed();
    session.exitCode = await reportError(error, { debug });
  }
  if (requests.signalled !== undefined) {
    dieBySignal(requests.signalled);
    return;
  }
  requests.release();
  // A failure of stdout that no write was waiting for.
  if (session.exitCode === 0 && terminal.out.failure instanceof OpmasError) {
    session.exitCode = await reportError(terminal.out.failure, { debug });
  }
  finish(requests.hasBug ? 1 : session.exitCode);
}
