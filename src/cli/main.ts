import { escapeUnsafe } from '../index.js';
import { version } from '../internal.js';
import { addCommands, loadCommand, usesServer } from './command-table.js';
import { Command, CommanderError, Option } from './commander.js';
import { reportError, watchOutputs } from './exit.js';
import { adviceForQuotes, withDoubleQuotes, withVersionOption } from './habits.js';
import type { GlobalOptions } from './options/server-options.js';
import { type StandardStreams, standardOutputs, useStreams } from './terminal/standard-streams.js';

export { finish } from './exit.js';

/**
 * Runs the program: from arguments to exit code. Read in this order: this file, `command-table.ts` (which commands
 * exist), the command's own file (options and action), `session.ts` (what an action gets), `exit.ts` (exit codes).
 * Uses the streams of the process unless it is handed others, and returns the exit code.
 */
export async function main(args: readonly string[], streams?: StandardStreams): Promise<number> {
  if (streams !== undefined) useStreams(streams);
  // Until the end is known: an action that waits for what never comes would end with 0.
  process.exitCode = 1;
  const onIdle = () => reportError(new Error('a wait that never ends'), { debug: args.includes('--debug') });
  process.once('beforeExit', onIdle);
  watchOutputs();
  const program = createProgram();
  const advice = adviceForQuotes(args, process.platform);
  if (advice !== undefined) standardOutputs().stderr.write(`warning: ${escapeUnsafe(advice)}\n`);
  try {
    await loadCommand(program, args);
    await program.parseAsync(withVersionOption(checkedHelp(program, args)), { from: 'user' });
    return process.exitCode;
  } catch (error) {
    // `--help` and `--version` arrive as errors with code 0, a missing subcommand with another one.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return reportError(error, { debug: args.includes('--debug') });
  } finally {
    process.off('beforeExit', onIdle);
  }
}

/** Turns `help WORD` into `WORD` when there is no such command, because commander would print the general help. */
function checkedHelp(program: Command, args: readonly string[]): readonly string[] {
  const [first, word] = args;
  const isWrong =
    first === 'help' && word !== undefined && !program.commands.some((command) => command.name() === word);
  return isWrong ? args.slice(1) : args;
}

const EXAMPLES = `
Examples:
  $ opmas-ws demo                                    see it work: no server, no setup
  $ opmas-ws tail devices --type 'device.*'          watch device events
  $ opmas-ws tail -f json | jq -c .data              feed a script
  $ opmas-ws record -o capture.ndjson                record events to a file
  $ opmas-ws replay capture.ndjson --speed 10        replay them ten times as fast

Exit codes: 0 success, 1 bug in opmas-ws, 2 usage, 3 authentication, 4 network or server,
5 this machine (disk, permission, port), 6 damaged recording, 7 expected events did not come,
8 events may have come in a gap, 128+n ended by signal n.`;

/** Width of the help where there is no terminal. */
const DEFAULT_COLUMNS = 80;

/**
 * Creates the root command with the global options; the options of the commands are not loaded yet.
 *
 * @param platform System for whose shells the help is written. Default: this one.
 */
export function createProgram(platform: NodeJS.Platform = process.platform): Command {
  const shown = (text: string) => (platform === 'win32' ? withDoubleQuotes(text) : text);
  const program: Command = new Command('opmas-ws')
    .description('Tail, record and replay the event streams of an OPMAS Management API.')
    .version(version, '-v, --version', 'print the version')
    .configureHelp({
      showGlobalOptions: true,
      visibleGlobalOptions: (command) => {
        const isShown = (long = '') => usesServer(command.name()) || !/^--(url|context)$/.test(long);
        return command === program ? [] : program.options.filter(({ long }) => isShown(long));
      },
    })
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => standardOutputs().stdout.write(shown(text)),
      writeErr: (text) => standardOutputs().stderr.write(shown(text)),
      getOutHelpWidth: () => standardOutputs().stdout.columns || DEFAULT_COLUMNS,
      getErrHelpWidth: () => standardOutputs().stderr.columns || DEFAULT_COLUMNS,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  addGlobalOptions(program).addHelpText('after', EXAMPLES);
  addCommands(program);
  return program;
}

/** Adds the options of {@link GlobalOptions}: here, so that no parser of values is loaded at the start. */
function addGlobalOptions(program: Command): Command {
  return program
    .option(
      '-u, --url <url>',
      'base URL of the server: http(s) or ws(s); a path in it is kept (env: OPMAS_URL)',
    )
    .option('-c, --context <name>', 'use this named server from the configuration (env: OPMAS_CONTEXT)')
    .choice('--color <when>', 'when to use color', ['auto', 'always', 'never'])
    .addOption(new Option('--no-color', 'use no color').preset('never'))
    .option('-q, --quiet', 'print only errors on stderr')
    .option('--debug', 'print more on stderr, with stack traces');
}
