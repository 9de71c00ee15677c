import { OpmasError } from '../../index.js';
import { type Command, Option } from '../commander.js';
import { parsePositiveDuration } from './quantity.js';
import type { RouteCommandOptions } from './route-options.js';

/** Options that every command has. */
export interface GlobalOptions {
  url?: string;
  context?: string;
  color: 'auto' | 'always' | 'never';
  quiet?: boolean;
  debug?: boolean;
}

/** Options about the token and the way to the server. */
export interface TokenOptions extends RouteCommandOptions {
  tokenFile?: string;
  /** Limit for the token command of the context, in milliseconds. */
  tokenCommandTimeout?: number;
  /** False with `--no-token`. */
  token?: boolean;
  /** On commands that have it, this also limits the wait for a token; in milliseconds. */
  connectTimeout?: number;
}

/** Adds `--token-file`, `--token-command-timeout` and `--no-token` to a command. */
export function addTokenOptions(command: Command): Command {
  return command
    .option(
      '--token-file <path>',
      'read the token from this file for every attempt; - is stdin (env: OPMAS_TOKEN_FILE)',
    )
    .value(
      '--token-command-timeout <t>',
      "end the context's token command after this time (default: as in the context, else 10s)",
      parsePositiveDuration,
    )
    .option('--no-token', 'connect without a token')
    .addOption(rejectedTokenOption());
}

/** Creates a hidden `--token`, which says what to use instead. */
export function rejectedTokenOption(): Option {
  return new Option('--token <value>').hideHelp().argParser(rejectTokenValue);
}

function rejectTokenValue(): never {
  throw new OpmasError('USAGE', '--token is not supported: other users could read it in the process list', {
    hint: 'Use `opmas-ws auth login`, --token-file PATH (- is stdin), OPMAS_TOKEN or OPMAS_TOKEN_FILE.',
  });
}
