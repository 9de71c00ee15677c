import type { Command } from 'commander';
import { OpmasError } from '../index.js';
import { dieBySignal, finish, reportError } from './exit.js';
import { type OutputStreams, openTerminal, type Terminal } from './terminal.js';

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
}

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** All that follows a signal has to be over by then. */
const SHUTDOWN_BUDGET_MS = 2000;

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
  const stopping = new AbortController();
  let signalled: NodeJS.Signals | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    if (signalled !== undefined) return dieBySignal(signal);
    signalled = signal;
    setTimeout(dieBySignal, SHUTDOWN_BUDGET_MS, signal);
    stopping.abort();
  };
  for (const signal of STOP_SIGNALS) process.on(signal, onSignal);

  const terminal = await openTerminal(globals, streams);
  terminal.out.onClosed = () => stopping.abort();
  const session: Session = { globals, terminal, stop: stopping.signal, exitCode: 0 };
  try {
    await action(session);
    await terminal.out.flushed();
    terminal.messages.end();
    await terminal.messages.flushed();
  } catch (error) {
    terminal.messages.end();
    await terminal.messages.flushed();
    session.exitCode = await reportError(error, { debug: globals.debug === true });
  }
  if (signalled !== undefined) {
    dieBySignal(signalled);
    return;
  }
  for (const signal of STOP_SIGNALS) process.off(signal, onSignal);
  // A failure of stdout that no write was waiting for.
  if (session.exitCode === 0 && terminal.out.failure instanceof OpmasError) {
    session.exitCode = await reportError(terminal.out.failure, { debug: globals.debug === true });
  }
  finish(session.exitCode);
}
