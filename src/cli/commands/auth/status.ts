import type { Command } from 'commander';
import { displayUrl, escapeUnsafe, readClaims, StoredToken, type TokenProvider } from '../../../index.js';
import { accountOf, escapeUnsafeJson, relativeTime } from '../../../internal.js';
import { type Connection, resolveConnection } from '../../connection/connection.js';
import { openCredentialStore } from '../../connection/credential-store.js';
import { exitCodeOf } from '../../exit.js';
import { addTokenOptions, addTrustOptions, type TokenOptions } from '../../options/token-options.js';
import { runCommand, type Session } from '../../session.js';

/** Options of `auth status`. */
interface StatusOptions extends TokenOptions {
  json?: boolean;
}

/** State of the token in use. */
interface TokenState {
  present: boolean;
  /** Place or source of the token. */
  place: string | undefined;
  user: string | undefined;
  expiresAtMs: number | undefined;
  renewable: boolean;
  /** Reason why a token may exist although none was found. */
  note: string | undefined;
}

const HELP = `
Exits with 3 when there is no token, or it has expired.

Examples:
  $ opmas-ws auth status
  $ opmas-ws auth status --json | jq -r .expires_at`;

/** Configures `auth status`. */
export function configureStatus(command: Command): void {
  addTrustOptions(addTokenOptions(command))
    .description('show the token in use, its expiry and its place')
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action((options: StatusOptions) => runCommand(command, (session) => showStatus(session, options)));
}

/** Shows the token in use, without a request to the server. */
async function showStatus(session: Session, options: StatusOptions): Promise<void> {
  const connection = await resolveConnection(session, { ...options, plaintext: true });
  for (const warning of connection.warnings) session.terminal.messages.warn(escapeUnsafe(warning));
  const state = await stateOf(connection, session);
  const now = Date.now();
  const expired = state.expiresAtMs !== undefined && state.expiresAtMs <= now;
  const { out } = session.terminal;
  const text = options.json ? asJson(connection, state, expired) : asText(connection, state, expired, now);
  await out.write(out.isTerminal ? text.split('\n').map(escapeUnsafe).join('\n') : text);
  if (!state.present || expired) session.exitCode = exitCodeOf('AUTH');
}

async function stateOf({ token, url }: Connection, session: Session): Promise<TokenState> {
  if (token instanceof StoredToken) return storedState(url, session.environment);
  const text = await token.token(session.stop);
  const { subject, expiresAtMs } = readClaims(text ?? '');
  return {
    present: text !== undefined,
    place: token.source,
    user: subject,
    expiresAtMs,
    renewable: false,
    note: undefined,
  };
}

function noteOf(usesKeychain: boolean, problem: string | undefined): string {
  if (!usesKeychain) return 'no file contains one, and OPMAS_KEYCHAIN turns the keychain off';
  return problem === undefined
    ? 'nothing is stored, or the keychain is locked'
    : `no file contains one, and the keychain does not work: ${problem}`;
}

async function storedState(url: URL, environment: NodeJS.ProcessEnv): Promise<TokenState> {
  const store = openCredentialStore(environment);
  const stored = await store.get(accountOf(url));
  if (stored === undefined) {
    const problem = store.keychainProblem;
    const note = noteOf(store.usesKeychain, problem);
    return {
      present: false,
      place: undefined,
      user: undefined,
      expiresAtMs: undefined,
      renewable: false,
      note,
    };
  }
  const { accessToken, username, expiresAtMs, refreshToken } = stored.credentials;
  const claims = readClaims(accessToken);
  return {
    present: true,
    place: stored.place,
    user: username ?? claims.subject,
    expiresAtMs: expiresAtMs ?? claims.expiresAtMs,
    renewable: refreshToken !== undefined,
    note: undefined,
  };
}

function asText(
  { url, server, hidden, token }: Connection,
  state: TokenState,
  expired: boolean,
  now: number,
): string {
  const { expiresAtMs } = state;
  const rows: [string, string | undefined][] = [
    ['server', `${displayUrl(url)} (${server.urlSource})`],
    ['token', state.present ? state.place : `none (${state.note ?? 'on purpose'})`],
    ['user', state.user],
    ['expires', state.present ? expiryText(expiresAtMs, expired, now) : undefined],
    ['renewal', state.renewable ? 'automatic, with the refresh token' : undefined],
    ['not used', hidden.length === 0 ? undefined : hidden.join(', ')],
    ['next', state.present && !(expired && !state.renewable) ? undefined : nextStep(token)],
  ];
  const shown = rows.filter(([, value]) => value !== undefined);
  return shown.map(([name, value]) => `${name.padEnd(9)} ${value}\n`).join('');
}

/** Suggests a login only where no other source takes precedence over it. */
function nextStep(token: TokenProvider): string {
  return token instanceof StoredToken ? 'opmas-ws auth login' : (token.remedy ?? 'opmas-ws auth login');
}

function expiryText(expiresAtMs: number | undefined, expired: boolean, now: number): string {
  if (expiresAtMs === undefined) return 'the token does not say when';
  const when = `${relativeTime(expiresAtMs, now)} (${new Date(expiresAtMs).toISOString()})`;
  return expired ? `it expired ${when}` : when;
}

function asJson({ url, server, token, hidden }: Connection, state: TokenState, expired: boolean): string {
  const status = {
    server: displayUrl(url),
    server_source: server.urlSource,
    context: server.context?.name ?? null,
    logged_in: state.present && !expired,
    source: state.present ? token.source : null,
    place: state.place ?? null,
    user: state.user ?? null,
    expires_at: state.expiresAtMs === undefined ? null : new Date(state.expiresAtMs).toISOString(),
    expired,
    renewable: state.renewable,
    hidden,
  };
  return `${escapeUnsafeJson(JSON.stringify(status))}\n`;
}
