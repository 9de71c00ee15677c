import type { Command } from 'commander';
import {
  addTokenOptions,
  addTrustOptions,
  refusedTokenOption,
  type TokenOptions,
  type TrustOptions,
} from '../../options/token-options.js';
import { runCommand } from '../../session.js';
import type { LoginOptions } from './login.js';
import type { StatusOptions } from './status.js';

const LOGIN_HELP = `
The token is kept in the system keychain; where there is none that can be used, in a file that only you may read.
OPMAS_KEYCHAIN=off skips the keychain.

Examples:
  $ opmas-ws auth login                                            asks for user and password
  $ opmas-ws auth login --username admin --password-stdin < secret  for scripts
  $ opmas-ws auth login --with-token < token.txt                   keep a token that you have`;

const STATUS_HELP = `
Exit code 3 when there is no token, or it has expired.

Examples:
  $ opmas-ws auth status
  $ opmas-ws auth status --json | jq -r .expires_at`;

const TOKEN_HELP = `
Examples:
  $ opmas-ws auth token                                 the token that \`tail\` would use
  $ curl -H "Authorization: Bearer $(opmas-ws auth token)" http://localhost:8000/api/v1/auth/me`;

const LOGOUT_HELP = `
Examples:
  $ opmas-ws auth logout
  $ opmas-ws auth logout --url wss://opmas.example.org`;

/** Puts `auth` and what is below it together. */
export function configure(command: Command): void {
  command.addHelpText(
    'after',
    `${LOGIN_HELP.slice(LOGIN_HELP.indexOf('\nExamples'))}\n  $ opmas-ws auth status`,
  );
  const login = addTrustOptions(command.command('login'))
    .description('log in to a server and keep the token')
    .option('--username <name>', 'user; asked for if it is not given')
    .option('--password-stdin', 'read the password from stdin')
    .option('--with-token', 'read a token from stdin instead of asking a server for one')
    .addOption(refusedTokenOption())
    .addHelpText('after', LOGIN_HELP);
  login.action((options: LoginOptions) =>
    runCommand(login, async (session) => {
      const { runLogin } = await import('./login.js');
      await runLogin(session, options);
    }),
  );

  const logout = addTrustOptions(command.command('logout'))
    .description('forget the token of a server')
    .addHelpText('after', LOGOUT_HELP);
  logout.action((options: TrustOptions) =>
    runCommand(logout, async (session) => {
      const { runLogout } = await import('./logout.js');
      await runLogout(session, options);
    }),
  );

  const status = addTrustOptions(addTokenOptions(command.command('status')))
    .description('show which token is used, until when it is good and where it is')
    .option('--json', 'for scripts: one JSON object')
    .addHelpText('after', STATUS_HELP);
  status.action((options: StatusOptions) =>
    runCommand(status, async (session) => {
      const { runStatus } = await import('./status.js');
      await runStatus(session, options);
    }),
  );

  const token = addTrustOptions(addTokenOptions(command.command('token')))
    .description('print the token, and nothing else')
    .addHelpText('after', TOKEN_HELP);
  token.action((options: TokenOptions) =>
    runCommand(token, async (session) => {
      const { runToken } = await import('./print-token.js');
      await runToken(session, options);
    }),
  );
}
