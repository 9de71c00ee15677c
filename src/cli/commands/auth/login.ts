import { type Credentials, displayUrl, escapeUnsafe, login, OpmasError, readClaims } from '../../../index.js';
import {
  accountOf,
  apiText,
  apiWordOf,
  askApi,
  cleanToken,
  clockAheadOf,
  clockText,
  readUpTo,
  relativeTime,
  ServerRoute,
} from '../../../internal.js';
import type { Command } from '../../commander.js';
import { openCredentialStore } from '../../connection/credential-store.js';
import { sourcesBeforeStore } from '../../connection/resolve-connection.js';
import { type ChosenServer, chooseRoute, type RoutedServer } from '../../connection/server.js';
import {
  addRouteOptions,
  type RouteCommandOptions,
  rejectedTokenOption,
} from '../../options/server-options.js';
import { runCommand, type Session } from '../../session.js';
import { Prompt, passphrasePrompt } from '../../terminal/prompt.js';
import { inputIsTerminal, standardInput } from '../../terminal/standard-streams.js';

interface LoginOptions extends RouteCommandOptions {
  username?: string;
  passwordStdin?: boolean;
  withToken?: boolean;
}

/** Credentials, and the reason why the server has not checked them, if it has not. */
type ObtainedToken = Credentials & { unchecked?: string };

/** Limit for the server to check a token. */
const CHECK_LIMIT_MS = 3000;
/** Far above any password or token. */
const MAX_INPUT_BYTES = 64 * 1024;

const HELP = `
The token is stored in the system keychain; if that does not work, in a file that only you can read.
OPMAS_KEYCHAIN=off skips the keychain.

Examples:
  $ opmas-ws auth login                                            asks for user and password
  $ opmas-ws auth login --username admin --password-stdin < secret  for scripts
  $ opmas-ws auth login --with-token < token.txt                   store a token that you have`;

/** Configures `auth login`. */
export function configureLogin(command: Command): void {
  command
    .description('log in to a server and store the token')
    .option('--username <name>', 'the user; asked for if missing')
    .option('--password-stdin', 'read the password from stdin')
    .option('--with-token', 'store a token from stdin instead of logging in');
  addRouteOptions(command)
    .addOption(rejectedTokenOption())
    .addHelpText('after', HELP)
    .action((options: LoginOptions) => runCommand(command, (session) => runLogin(session, options)));
}

/** Gets credentials and stores them; an earlier login is kept until then. */
async function runLogin(session: Session, options: LoginOptions): Promise<void> {
  const { messages } = session.terminal;
  checkOptions(options);
  // A login needs no token, so a broken configuration is in its way only without --url.
  const server = await chooseRoute(session.globals, { ...options, token: false }, session.environment, {
    ask: passphrasePrompt(session),
  });
  session.usesDefaultServer = server.urlSource === 'default';
  messages.warn(...server.warnings);
  const obtained = await obtain(session, server, options).catch((error: unknown) => {
    // A user who interrupts a login needs no error about that.
    if (session.stop.aborted) return undefined;
    throw error;
  });
  if (obtained === undefined || session.stop.aborted) return;
  const { unchecked, ...credentials } = obtained;
  const place = await keep(session, server, credentials);
  messages.say(`${describe(server, credentials, unchecked)}\nThe token is stored in ${escapeUnsafe(place)}.`);
  const others = sourcesBeforeStore(server, session.environment);
  messages.warn(...others.map((source) => `${source} takes precedence over this login`));
}

function checkOptions({ username, passwordStdin, withToken }: LoginOptions): void {
  if (withToken && (passwordStdin || username !== undefined)) {
    throw new OpmasError('USAGE', '--with-token cannot be combined with --username or --password-stdin');
  }
  if (passwordStdin && username === undefined) {
    throw new OpmasError('USAGE', '--password-stdin needs --username');
  }
  if (username === '') throw new OpmasError('USAGE', '--username is empty');
  if (withToken || passwordStdin || inputIsTerminal()) return;
  throw new OpmasError('USAGE', 'no terminal to ask for a password', {
    hint: 'Use --username NAME --password-stdin, or --with-token; a script may also set OPMAS_TOKEN_FILE.',
  });
}

/** @returns `undefined` when the user stops. */
async function obtain(
  session: Session,
  server: RoutedServer,
  options: LoginOptions,
): Promise<ObtainedToken | undefined> {
  if (options.withToken) return checked(session, server, cleanToken(await readStdin(), 'stdin'));
  const answers = options.passwordStdin
    ? { username: options.username ?? '', password: passwordIn(await readStdin()) }
    : await askFor(session, server, options.username);
  if (answers === undefined) return undefined;
  const access = { base: server.url, ...server.route, signal: session.stop };
  return login(access, answers.username, answers.password);
}

/** Accepts a token from stdin unless it has expired, or the server refuses it. */
async function checked(session: Session, server: RoutedServer, token: string): Promise<ObtainedToken> {
  const { url, route } = server;
  const answer = await askApi(new ServerRoute(url, route), token, {
    timeoutMs: CHECK_LIMIT_MS,
    signal: session.stop,
  });
  const obtainedAtMs = Date.now();
  const clockAheadMs = clockAheadOf(answer.me, obtainedAtMs) || undefined;
  const { subject: username, expiresAtMs } = readClaims(token, clockAheadMs);
  if (expiresAtMs !== undefined && expiresAtMs <= obtainedAtMs) {
    throw notStored('AUTH', `this token expired ${relativeTime(expiresAtMs, obtainedAtMs)}`);
  }
  const credentials = { accessToken: token, username, expiresAtMs, obtainedAtMs, clockAheadMs };
  switch (apiWordOf(answer)) {
    case 'accepts':
      return credentials;
    case 'rejects':
      throw notStored('AUTH', `${displayUrl(url)} rejected this token`);
    case 'absent':
    case 'fails':
    case 'unclear':
      return { ...credentials, unchecked: apiText(answer, token) };
    default:
      throw notStored('NETWORK', `${displayUrl(url)}: ${apiText(answer, token)}`);
  }
}

function notStored(code: 'AUTH' | 'NETWORK', why: string): OpmasError {
  const another = 'Get another token, or log in with user and password: `opmas-ws auth login`';
  const hint = code === 'AUTH' ? another : '`opmas-ws doctor` says more';
  return new OpmasError(code, `${why}; nothing was stored`, { hint });
}

async function askFor(session: Session, server: ChosenServer, given: string | undefined) {
  using prompt = new Prompt(session.terminal.messages.stream, session.stop);
  const where = displayUrl(server.url);
  const username = given ?? (await prompt.ask(`User for ${where}: `));
  const password = username
    ? await prompt.ask(`Password of ${escapeUnsafe(username)}: `, { hidden: true })
    : '';
  if (session.stop.aborted) return undefined;
  if (!username || !password) throw new OpmasError('USAGE', 'a login needs a user and a password');
  return { username, password };
}

function readStdin(): Promise<Buffer> {
  return readUpTo(standardInput(), MAX_INPUT_BYTES);
}

/** Removes the line end that `echo` adds; spaces belong to the password. */
function passwordIn(input: Buffer): string {
  const password = input.toString('utf8').replace(/\r?\n$/, '');
  if (password === '') throw new OpmasError('USAGE', 'the password on stdin is empty');
  if (input.length > MAX_INPUT_BYTES) throw new OpmasError('USAGE', 'the password on stdin is too long');
  return password;
}

function keep(session: Session, server: ChosenServer, credentials: Credentials): Promise<string> {
  const store = openCredentialStore(session, session.stop);
  const account = accountOf(server.url);
  return store.exclusively(account, () => store.set(account, credentials));
}

function describe(
  server: ChosenServer,
  { username, expiresAtMs, refreshToken, clockAheadMs }: Credentials,
  unchecked: string | undefined,
): string {
  const who = username === undefined ? '' : ` as ${escapeUnsafe(username)}`;
  const renewed = refreshToken === undefined ? '' : ', and is renewed before that';
  const clock = clockText(clockAheadMs);
  const until =
    (expiresAtMs === undefined ? '' : expiryText(expiresAtMs, Date.now(), renewed)) +
    (clock === undefined ? '' : ` But ${clock}.`);
  const where = displayUrl(server.url);
  if (unchecked !== undefined) {
    return `Token for ${where}${who} stored but not checked: ${escapeUnsafe(unchecked)}.${until}`;
  }
  return `Logged in to ${where}${who}.${until}`;
}

function expiryText(expiresAtMs: number, nowMs: number, renewed: string): string {
  const when = relativeTime(expiresAtMs, nowMs);
  if (expiresAtMs > nowMs) return ` It expires ${when}${renewed}.`;
  return ` By the clock of this machine it expired ${when}: is the clock right (${new Date(nowMs).toISOString()})?`;
}
