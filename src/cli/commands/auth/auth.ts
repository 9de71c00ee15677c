import { escapeUnsafe, OpmasError, readClaims } from '../../../index.js';
import { accountOf, relativeTime } from '../../../internal.js';
import type { Command } from '../../commander.js';
import { openCredentialStore } from '../../connection/credential-store.js';
import { resolveConnection, sourcesBeforeStore } from '../../connection/resolve-connection.js';
import { chooseServer } from '../../connection/server.js';
import {
  addRouteOptions,
  addTokenOptions,
  type RouteCommandOptions,
  type TokenOptions,
} from '../../options/server-options.js';
import { runCommand, type Session } from '../../session.js';
import { configureLogin } from './login.js';
import { configureStatus } from './status.js';

const EXAMPLES = `
Examples:
  $ opmas-ws auth login
  $ opmas-ws auth login --username admin --password-stdin < secret
  $ opmas-ws auth status`;

const LOGOUT_EXAMPLES = `
Examples:
  $ opmas-ws auth logout
  $ opmas-ws auth logout --url wss://opmas.example.org`;

const TOKEN_EXAMPLES = `
Examples:
  $ opmas-ws auth token                                 print the token that \`tail\` would use
  $ curl -H "Authorization: Bearer $(opmas-ws auth token)" http://localhost:8000/api/v1/auth/me`;

/** Configures `auth` and its subcommands. */
export function configure(command: Command): void {
  command.addHelpText('after', EXAMPLES);
  configureLogin(command.command('login'));

  const logout = addRouteOptions(command.command('logout'));
  logout
    .description('delete the stored token of a server')
    .addHelpText('after', LOGOUT_EXAMPLES)
    .action((options: RouteCommandOptions) => runCommand(logout, (session) => deleteLogin(session, options)));

  configureStatus(command.command('status'));

  const token = addTokenOptions(command.command('token'));
  token
    .description('print the token and nothing else')
    .addHelpText('after', TOKEN_EXAMPLES)
    .action((options: TokenOptions) => runCommand(token, (session) => printToken(session, options)));
}

/** Deletes access and refresh token from the keychain and from files. */
async function deleteLogin(session: Session, options: RouteCommandOptions): Promise<void> {
  const { environment, globals, terminal } = session;
  const { messages } = terminal;
  const server = await chooseServer(globals, { ...options, token: false }, environment);
  const account = accountOf(server.url);
  const store = openCredentialStore(session);
  const existed = await store.exclusively(account, () => store.delete(account));
  messages.say(existed ? `Logged out of ${account}.` : `You were not logged in to ${account}.`);
  if (!existed && store.problem !== undefined) messages.warn(store.problem);
  const others = sourcesBeforeStore(server, environment);
  messages.warn(...others.map((source) => `${source} still provides a token for it`));
}

/** Prints the token that a connection would use, unless it has expired. */
async function printToken(session: Session, options: TokenOptions): Promise<void> {
  const { token } = await resolveConnection(session, { ...options, plaintext: true });
  const text = await token.token(session.stop);
  if (text === undefined) throw new OpmasError('USAGE', 'with --no-token there is no token to print');
  const { expiresAtMs } = readClaims(text, token.clockAheadMs);
  const nowMs = Date.now();
  if (expiresAtMs !== undefined && expiresAtMs <= nowMs) {
    throw new OpmasError(
      'AUTH',
      `the token from ${token.source} expired ${relativeTime(expiresAtMs, nowMs)}`,
      { hint: token.hint ?? 'log in with `opmas-ws auth login`' },
    );
  }
  const { out } = session.terminal;
  await out.write(`${out.isTerminal ? escapeUnsafe(text) : text}\n`);
}
