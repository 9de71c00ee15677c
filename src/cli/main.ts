import { addCommands, loadCommand } from './command-table.js';
import { Command, CommanderError, Option } from './commander.js';
import { finish, reportError, watchOutputs } from './exit.js';
import { isNewEnough, neededNode, version } from './version.js';

/**
 * The program: from arguments to exit code. Reads in this order: here, `commands.ts` (which commands there are), the
 * command's own file (options, action), `session.ts` (what an action gets), `exit.ts` (how it ends).
 */
export async function main(args: readonly string[]): Promise<void> {
  watchOutputs();
  if (!isNewEnough(process.versions.node)) {
    process.stderr.write(
      `opmas-ws: this is Node ${process.versions.node}; Node ${neededNode} or newer is needed\n`,
    );
    finish(5);
    return;
  }
  const program = createProgram();
  try {
    await loadCommand(program, args);
    await program.parseAsync(knownHelp(program, args), { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      // `--help` and `--version` come as errors with code 0; commander has printed its own text for the others.
      finish(error.exitCode === 0 ? 0 : 2);
      return;
    }
    finish(await reportError(error, { debug: args.includes('--debug') }));
  }
}

/** For `help WORD` commander shows the general help, whatever the word; a wrong one is an error as anywhere else. */
function knownHelp(program: Command, args: readonly string[]): readonly string[] {
  const [first, word] = args;
  const isWrong =
    first === 'help' && word !== undefined && !program.commands.some((command) => command.name() === word);
  return isWrong ? args.slice(1) : args;
}

/** The root command with the global options; no command's own options are on it yet. */
export function createProgram({ without }: { without?: string } = {}): Command {
  const program = new Command('opmas-ws')
    .description('Tail, record and replay the event streams of an OPMAS Management API.')
    .version(version, '--version', 'print the version')
    .configureHelp({ showGlobalOptions: true })
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .showHelpAfterError('(run with --help for the options and examples)')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(ownStyle(withoutValues(text))) })
    .option('-u, --url <url>', 'base URL of the server: http(s) or ws(s), a path is kept (env: OPMAS_URL)')
    .option('-c, --context <name>', 'named server from the configuration (env: OPMAS_CONTEXT)')
    .addOption(
      new Option('--color <when>', 'colour: auto, always or never')
        .choices(['auto', 'always', 'never'])
        .default('auto'),
    )
    .option('-q, --quiet', 'only errors on stderr')
    .option('--debug', 'say more on stderr, and show stack traces')
    .addHelpText(
      'after',
      `
Examples:
  $ opmas-ws demo                                    see it work: nothing to set up
  $ opmas-ws tail devices --type 'device.*'          watch device events
  $ opmas-ws tail -f json | jq -c .data              feed a script
  $ opmas-ws record -o capture.ndjson                keep them
  $ opmas-ws replay capture.ndjson --speed 10        make it happen again

Exit codes: 0 ended as asked, 1 a bug, 2 usage, 3 authentication, 4 network or server,
5 this machine (disk, permission, port), 6 damaged recording, 128+n ended by signal n.`,
    );
  addCommands(program, without);
  return program;
}

/** commander says `error: unknown …`; all other errors begin with our name. */
function ownStyle(text: string): string {
  const styled = text.replace(/^error: /, 'opmas-ws: ');
  const owner = ownerOf(/^error: unknown command '([a-z]+)'/.exec(text)?.[1]);
  return owner === undefined ? styled : `${styled}(Did you mean ${owner}?)\n`;
}

/** Words that people take for commands because other programs have them as that. */
function ownerOf(word: string | undefined): string | undefined {
  if (word === undefined) return undefined;
  if (['login', 'logout', 'status', 'token'].includes(word)) return `auth ${word}`;
  return ['use', 'contexts', 'config'].includes(word) ? 'context' : undefined;
}

/** The value of an option that is not known may be a secret (`--tokn=…`), and the name alone tells what is wrong. */
function withoutValues(text: string): string {
  return text.replace(/(unknown option '-[\w-]*)=.*'/s, "$1'");
}
