import { type Command, Option } from '../commander.js';

/** Options that every command has. */
export interface GlobalOptions {
  url?: string;
  context?: string;
  color: 'auto' | 'always' | 'never';
  quiet?: boolean;
  debug?: boolean;
}

/** Adds the options of {@link GlobalOptions} to the program. */
export function addGlobalOptions(program: Command): Command {
  return program
    .option(
      '-u, --url <url>',
      'base URL of the server: http(s) or ws(s); a path in it is kept (env: OPMAS_URL)',
    )
    .option('-c, --context <name>', 'use this named server from the configuration (env: OPMAS_CONTEXT)')
    .addOption(
      new Option('--color <when>', 'use color: auto, always or never')
        .choices(['auto', 'always', 'never'])
        .default('auto'),
    )
    .option('-q, --quiet', 'print only errors on stderr')
    .option('--debug', 'print more on stderr, with stack traces');
}
