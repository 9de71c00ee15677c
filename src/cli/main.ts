import { escapeUnsafe } from '../index.js';
import { addCommands, loadCommand } from './command-table.js';
import { Command, CommanderError } from './commander.js';
import { finish, reportError, watchOutputs } from './exit.js';
import type { GlobalOptions } from './options/common-options.js';
import { standardOutputs } from './terminal/standard-streams.js';
import { version } from './version.js';

/**
 * Runs the program: from arguments to exit code. Read in this order: this file, `command-table.ts` (which commands
 * exist), the command's own file (options and action), `session.ts` (what an action gets), `exit.ts` (exit codes).
 */
export async function main(args: readonly string[]): Promise<void> {
  watchOutputs();
  // Node would open a debugger, to which every user of this machine can connect.
  process.on('SIGUSR1', () => undefined);
  const program = createProgram();
  try {
    await loadCommand(program, args);
    await program.parseAsync(checkedHelp(program, args), { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      // `--help` and `--version` arrive as errors with code 0; commander has printed the text of all others.
      finish(error.exitCode === 0 ? 0 : 2);
      return;
    }
    finish(reportError(error, { debug: args.includes('--debug') }));
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
5 this machine (disk, permission, port), 6 damaged recording, 7 fewer events than --count,
128+n ended by signal n.`;

/** Width of the help where there is no terminal. */
const DEFAULT_COLUMNS = 80;

/** Creates the root command with the global options; the options of the commands are not loaded yet. */
export function createProgram({ without }: { without?: string } = {}): Command {
  const program = new Command('opmas-ws')
    .description('Tail, record and replay the event streams of an OPMAS Management API.')
    .version(version, '--version', 'print the version')
    .configureHelp({ showGlobalOptions: true })
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .showHelpAfterError('(run with --help for the options and examples)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => standardOutputs().stdout.write(text),
      writeErr: (text) => standardOutputs().stderr.write(text),
      getOutHelpWidth: () => standardOutputs().stdout.columns || DEFAULT_COLUMNS,
      getErrHelpWidth: () => standardOutputs().stderr.columns || DEFAULT_COLUMNS,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      outputError: (text, write) => write(ownStyle(safeError(withoutValues(text)))),
    });
  addGlobalOptions(program).addHelpText('after', EXAMPLES);
  addCommands(program, without);
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
    .choice('--color <when>', 'use color: auto, always or never', ['auto', 'always', 'never'])
    .option('-q, --quiet', 'print only errors on stderr')
    .option('--debug', 'print more on stderr, with stack traces');
}

/** Rewrites commander's `error: unknown …` in the style of all other errors, and suggests a subcommand. */
function ownStyle(text: string): string {
  const styled = text.replace(/^error: /, 'opmas-ws: ');
  const parent = parentOf(/^error: unknown command '([a-z]+)'/.exec(text)?.[1]);
  return parent === undefined ? styled : `${styled}(Did you mean ${parent}?)\n`;
}

/** Finds the right command for a word that is a command of other programs. */
function parentOf(word: string | undefined): string | undefined {
  if (word === undefined) return undefined;
  if (['login', 'logout', 'status', 'token'].includes(word)) return `auth ${word}`;
  return ['use', 'contexts', 'config'].includes(word) ? 'context' : undefined;
}

/** Escapes what the user typed in an error of commander: all but the line ends around its suggestion. */
function safeError(text: string): string {
  const [, message = '', suggestion = ''] = /^(.*?)(\n\(Did you mean [^\n]*\))?\n?$/s.exec(text) ?? [];
  return `${escapeUnsafe(message)}${suggestion}\n`;
}

/** Removes the value of an unknown option, which may be a secret (`--tokn=…`). */
function withoutValues(text: string): string {
  return text.replace(/(unknown option '-[^=]*)=.*'/s, "$1'");
}
