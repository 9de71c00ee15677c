import { type Credentials, displayUrl, escapeUnsafe, login, OpmasError, readClaims } from '../../../index.js';
import { accountOf, askApi, cleanToken, refusalCause, relativeTime } from '../../../internal.js';
import { openCredentialStore } from '../../connection/credential-store.js';
import { type ChosenServer, chooseServer } from '../../connection/server.js';
import { sourcesBeforeStore } from '../../connection/token-source.js';
import type { TrustOptions } from '../../options/token-options.js';
import type { Session } from '../../session.js';
import { Prompt } from './prompt.js';

export interface LoginOptions extends TrustOptions {
  username?: string;
  passwordStdin?: boolean;
  withToken?: boolean;
}

/** Credentials, and whether the server has taken them. */
type ObtainedToken = Credentials & { isChecked: boolean };

/** How long a server may take to say whether it takes a token. */
const CHECK_LIMIT_MS = 3000;
/** Far above any password or token. */
const MAX_INPUT_BYTES = 64 * 1024;

/** `auth login`: gets credentials and stores them. What was stored before stays until then. */
export async function runLogin(session: Session, options: LoginOptions): Promise<void> {
  const { messages } = session.terminal;
  checkOptions(options);
  const server = await chooseServer(session.globals, options, process.env);
  for (const warning of server.warnings) messages.warn(escapeUnsafe(warning));
  const obtained = await obtain(session, server, options).catch((error: unknown) => {
    // Whoever interrupts a login does not want to hear that it was interrupted.
    if (session.stop.aborted) return undefined;
    throw error;
  });
  if (obtained === undefined || session.stop.aborted) return;
  const { isChecked, ...credentials } = obtained;
  const place = await keep(session, server, credentials);
  messages.say(`${describe(server, credentials, isChecked)}\nThe token is in ${escapeUnsafe(place)}.`);
  for (const source of sourcesBeforeStore(server, process.env)) {
    messages.warn(`${escapeUnsafe(source)} comes before this login and hides it`);
  }
}

function checkOptions({ username, passwordStdin, withToken }: LoginOptions): void {
  if (withToken && (passwordStdin || username !== undefined)) {
    throw new OpmasError('USAGE', '--with-token takes neither --username nor --password-stdin');
  }
  if (passwordStdin && username === undefined) {
    throw new OpmasError('USAGE', '--password-stdin needs --username');
  }
  if (username === '') throw new OpmasError('USAGE', '--username is empty');
  if (withToken || passwordStdin || process.stdin.isTTY) return;
  throw new OpmasError('USAGE', 'there is no terminal to ask for a password', {
    hint: 'Use --username NAME --password-stdin, or --with-token; for a script OPMAS_TOKEN_FILE may do.',
  });
}

/** @returns `undefined` when the user gave up. */
async function obtain(
  session: Session,
  server: ChosenServer,
  options: LoginOptions,
): Promise<ObtainedToken | undefined> {
  if (options.withToken) return checked(session, server, cleanToken(await readStdin(), 'stdin'));
  const answers = options.passwordStdin
    ? { username: options.username ?? '', password: passwordIn(await readStdin()) }
    : await askFor(session, server, options.username);
  if (answers === undefined) return undefined;
  const { url: base, ca, insecure } = server;
  const access = { base, ca, insecure, signal: session.stop };
  return { ...(await login(access, answers.username, answers.password)), isChecked: true };
}

/** Takes a token that was handed in, unless the server says that it does not. */
async function checked(session: Session, server: ChosenServer, token: string): Promise<ObtainedToken> {
  const { url: base, ca, insecure } = server;
  const answer = await askApi({
    base,
    token,
    ca,
    insecure,
    timeoutMs: CHECK_LIMIT_MS,
    signal: session.stop,
    environment: process.env,
  });
  const cause = refusalCause(answer);
  const { subject, expiresAtMs } = readClaims(token);
  if (cause === 'token') {
    const old = expiresAtMs !== undefined && expiresAtMs <= Date.now();
    const why = old ? `: it expired ${relativeTime(expiresAtMs, Date.now())}` : '';
    throw new OpmasError('AUTH', `${displayUrl(base)} refuses this token${why}; nothing was stored`, {
      hint: 'Get another token, or log in with user and password: opmas-ws auth login',
    });
  }
  const isChecked = cause === 'not the token';
  return { accessToken: token, username: subject, expiresAtMs, obtainedAtMs: Date.now(), isChecked };
}

async function askFor(session: Session, server: ChosenServer, given: string | undefined) {
  using prompt = new Prompt({ input: process.stdin, output: process.stderr, signal: session.stop });
  const where = displayUrl(server.url);
  const username = given ?? (await prompt.ask(`User for ${where}: `));
  const password = username
    ? await prompt.ask(`Password of ${escapeUnsafe(username)}: `, { hidden: true })
    : '';
  if (session.stop.aborted) return undefined;
  if (!username || !password) throw new OpmasError('USAGE', 'a login needs a user and a password');
  return { username, password };
}

async function readStdin(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > MAX_INPUT_BYTES) break;
  }
  return Buffer.concat(chunks);
}

/** A password may begin or end with blanks; only the line end that `echo` adds is not part of it. */
function passwordIn(input: Buffer): string {
  const password = input.toString('utf8').replace(/\r?\n$/, '');
  if (password === '') throw new OpmasError('USAGE', 'the password on stdin is empty');
  if (input.length > MAX_INPUT_BYTES) throw new OpmasError('USAGE', 'the password on stdin is too long');
  return password;
}

function keep(session: Session, server: ChosenServer, credentials: Credentials): Promise<string> {
  const { messages } = session.terminal;
  const store = openCredentialStore(process.env, {
    interactive: process.stdin.isTTY === true && messages.isTerminal,
    onNotice: (text) => messages.warn(escapeUnsafe(text)),
    signal: session.stop,
  });
  const account = accountOf(server.url);
  return store.exclusively(account, () => store.set(account, credentials));
}

function describe(
  server: ChosenServer,
  { username, expiresAtMs, refreshToken }: Credentials,
  isChecked: boolean,
): string {
  const who = username === undefined ? '' : ` as ${escapeUnsafe(username)}`;
  const renewed = refreshToken === undefined ? '' : ', and is renewed before that';
  const until =
    expiresAtMs === undefined ? '' : ` It expires ${relativeTime(expiresAtMs, Date.now())}${renewed}.`;
  const where = displayUrl(server.url);
  if (!isChecked)
    return `Token for ${where}${who} stored, not checked: the server did not say whether it takes it.${until}`;
  return `Logged in to ${where}${who}.${until}`;
}
