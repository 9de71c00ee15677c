import { OpmasError, type SaidOptions } from '../index.js';
import { withoutQuotes } from '../internal.js';
import type { Command } from './commander.js';
import { EXIT_CODES, exitBySignal, reportError, unwatchStdout } from './exit.js';
import { type GlobalOptions, saidNats, saidRoute, type TokenOptions } from './options/server-options.js';
import { StopRequests } from './stop-requests.js';
import { outputsFlushed, standardOutputs } from './terminal/standard-streams.js';
import { openTerminal, type Terminal } from './terminal/terminal.js';

/** The surroundings of a command: all that its action may use besides its own options. */
export interface Session {
  readonly globals: GlobalOptions;
  /** The choice of the server as the user typed it: every command in a message repeats it. */
  readonly said: SaidOptions;
  /** True when no option, variable or context names a server, so the default is used. */
  usesDefaultServer?: boolean;
  /** Environment variables. The command line reads `process.env` only to fill this in. */
  readonly environment: NodeJS.ProcessEnv;
  readonly terminal: Terminal;
  /** Aborts when the user asks to stop (SIGINT, SIGTERM, SIGHUP, SIGQUIT) or the reader closes stdout. */
  readonly stop: AbortSignal;
  /** What asks the action to end, and how long that may take. */
  readonly requests: StopRequests;
  /** Exit code of an end without an error; 0 unless the action sets it. */
  exitCode: number;
  /** Lines for stderr when the process must exit before the action has ended. */
  exitMessage?: () => string[];
}

/** Writes the exit message when a blocked stdout keeps the process from its normal end. */
async function flushExitMessage({ terminal: { messages }, exitMessage }: Session): Promise<void> {
  const { stdout, stderr } = standardOutputs();
  if (exitMessage === undefined || messages.isQuiet || stdout === stderr) return;
  const text = exitMessage().map((line) => `${line}\n`);
  await new Promise<void>((resolve) => stderr.write(text.join(''), () => resolve()));
}

/** Returns the environment without blanks and quotes around the values of our own variables and those of proxies and CAs. */
export function withoutQuotedValues(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const values = Object.entries(environment).filter(([name]) =>
    /^OPMAS_|_proxy$|^SSL_CERT_|^NODE_EXTRA_CA_CERTS$/i.test(name),
  );
  const clean = values.map(([name, value = '']) => [name, withoutQuotes(value)] as const);
  // Not copied where nothing has changed: on Windows the names in `process.env` have no case.
  if (clean.every(([name, value]) => environment[name] === value)) return environment;
  return { ...environment, ...Object.fromEntries(clean) };
}

/**
 * Runs the action of a command: sets up the terminal and the signals, and turns the end of the action into an exit
 * code. The first signal aborts `stop`, and the action may take 2 s to end; a second signal ends the process at once.
 */
export async function runCommand(
  command: Command,
  action: (session: Session) => Promise<void>,
): Promise<void> {
  const globals = command.optsWithGlobals<GlobalOptions & TokenOptions>();
  const { url, context } = globals;
  const said = { url, context, ...saidRoute(globals), nats: saidNats(globals, command.name()) };
  const environment = withoutQuotedValues(process.env);
  const debug = globals.debug === true;
  const requests = new StopRequests(debug);
  const terminal = await openTerminal(globals, environment, said);
  unwatchStdout();
  terminal.out.onClosed = () => requests.request();
  const session: Session = {
    globals,
    said,
    environment,
    terminal,
    stop: requests.stop,
    requests,
    exitCode: 0,
  };
  requests.onForcedExit = () => flushExitMessage(session);
  requests.stalledMs = () => Math.max(terminal.out.stalledMs, terminal.messages.stalledMs);
  requests.stalledExitCode = () => (terminal.out.stalledMs > 0 ? EXIT_CODES.LOCAL : session.exitCode);
  try {
    await action(session);
    await terminal.out.flushed();
    terminal.messages.end();
    await terminal.messages.flushed();
  } catch (error) {
    terminal.messages.end();
    const { usesDefaultServer } = session;
    const print = (text: string) => terminal.messages.error(text);
    // Before anything waits for stderr, which may never be read.
    session.exitCode = reportError(error, { debug, said, usesDefaultServer, print, command: command.name() });
    await terminal.messages.flushed();
  }
  if (requests.signal !== undefined) {
    await outputsFlushed();
    exitBySignal(requests.signal);
    return;
  }
  requests.release();
  // An error of stdout that no write was waiting for.
  if (session.exitCode === 0 && terminal.out.failure instanceof OpmasError) {
    session.exitCode = reportError(terminal.out.failure, { debug });
  }
  process.exitCode = requests.hasBug ? 1 : session.exitCode;
}
