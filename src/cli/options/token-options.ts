import { OpmasError, type TokenProvider } from '../../index.js';
import { type Command, Option } from '../commander.js';
import type { ChosenServer } from '../connection/server.js';

/** What the user said about the way to the server. */
export interface TrustOptions {
  plaintext?: boolean;
  ca?: string;
  insecure?: boolean;
}

/** What the user said about the token and the way to the server. */
export interface TokenOptions extends TrustOptions {
  tokenFile?: string;
  /** False with `--no-token`. */
  token?: boolean;
  /** Where a command has it: it also limits how long a token is waited for. */
  connectTimeout?: string;
}

/** Where to connect to, and with what. */
export interface Connection {
  /** Base URL of the server. */
  url: URL;
  token: TokenProvider;
  /** CA to trust, as PEM. */
  ca: string | undefined;
  insecure: boolean;
  /** What the user should know before anything connects. Not escaped yet. */
  warnings: string[];
  /** How the server was chosen. */
  server: ChosenServer;
  /** Sources of a token that are set and not used, because another one comes first. */
  hidden: string[];
}

/** Puts `--plaintext`, `--ca` and `--insecure` on a command. */
export function addTrustOptions(command: Command): Command {
  return command
    .option('--plaintext', 'allow ws:// to a host that is not this machine')
    .option('--ca <file>', 'trust the CA in this PEM file')
    .option('--insecure', 'do not verify the certificate of the server');
}

/** Puts `--token-file` and `--no-token` on a command. */
export function addTokenOptions(command: Command): Command {
  return command
    .option(
      '--token-file <path>',
      'read the token there for every attempt; - is stdin (env: OPMAS_TOKEN_FILE)',
    )
    .option('--no-token', 'connect without a token, on purpose')
    .addOption(refusedTokenOption());
}

/** `--token` where people expect it, to say what to use instead. */
export function refusedTokenOption(): Option {
  return new Option('--token <value>').hideHelp().argParser(refuseTokenValue);
}

function refuseTokenValue(): never {
  throw new OpmasError('USAGE', '--token is not taken: other users could read it in the process list', {
    hint: 'Use `opmas-ws auth login`, --token-file PATH (- is stdin), OPMAS_TOKEN or OPMAS_TOKEN_FILE.',
  });
}
