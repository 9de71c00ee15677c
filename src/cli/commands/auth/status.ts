import { displayUrl, readClaims, type SaidOptions, StoredToken, type TokenProvider } from '../../../index.js';
import { accountOf, clockText, relativeTime, withServerChoice } from '../../../internal.js';
import type { Command } from '../../commander.js';
import { type LocalCredentialStore, openCredentialStore } from '../../connection/credential-store.js';
import { type Connection, resolveConnection } from '../../connection/resolve-connection.js';
import { EXIT_CODES } from '../../exit.js';
import { addTokenOptions, type TokenOptions } from '../../options/server-options.js';
import { runCommand, type Session } from '../../session.js';

interface StatusOptions extends TokenOptions {
  json?: boolean;
}

/** State of the token in use. */
interface TokenState {
  /** Place or source of the token; `undefined` when there is none. */
  place?: string;
  user?: string | undefined;
  expiresAtMs?: number | undefined;
  expired: boolean;
  /** Set while the token is not valid yet. */
  notBeforeMs?: number | undefined;
  renewable: boolean;
  /** As it was when the stored token was given. */
  clockAheadMs?: number | undefined;
  /** Reason why there is no token, although one may exist. */
  note?: string;
}

const HELP = `
Exits with 3 when there is no token, or it has expired.

Examples:
  $ opmas-ws auth status
  $ opmas-ws auth status --json | jq -r .expires_at`;

/** Configures `auth status`. */
export function configureStatus(command: Command): void {
  command.description('show the token in use, its expiry and its place');
  addTokenOptions(command.option('--json', 'print one JSON object'))
    .addHelpText('after', HELP)
    .action((options: StatusOptions) => runCommand(command, (session) => showStatus(session, options)));
}

/** Shows the token in use, without a request to the server. */
async function showStatus(session: Session, options: StatusOptions): Promise<void> {
  const connection = await resolveConnection(session, options, { sendsNothing: true });
  session.terminal.messages.warn(...connection.warnings);
  const state = await stateOf(connection, session);
  const { out } = session.terminal;
  if (options.json) await out.writeJson(report(connection, state));
  else await out.writeTable(rows(connection, state, session.said));
  if (state.place === undefined || state.expired) session.exitCode = EXIT_CODES.AUTH;
}

async function stateOf({ token, url }: Connection, session: Session): Promise<TokenState> {
  const store = token instanceof StoredToken ? openCredentialStore(session) : undefined;
  const stored = await store?.get(accountOf(url));
  const text = store === undefined ? await token.token(session.stop) : stored?.credentials.accessToken;
  if (text === undefined) return { expired: false, renewable: false, note: noteOf(store) };
  const { clockAheadMs } = stored?.credentials ?? {};
  const claims = readClaims(text, clockAheadMs);
  const { username, expiresAtMs = claims.expiresAtMs, refreshToken } = stored?.credentials ?? {};
  return {
    place: stored?.place ?? token.source,
    user: username ?? claims.subject,
    expiresAtMs,
    expired: expiresAtMs !== undefined && expiresAtMs <= Date.now(),
    notBeforeMs: (claims.notBeforeMs ?? 0) > Date.now() ? claims.notBeforeMs : undefined,
    renewable: refreshToken !== undefined,
    clockAheadMs,
  };
}

function noteOf(store: LocalCredentialStore | undefined): string {
  if (store === undefined) return 'on purpose';
  if (!store.usesKeychain) return 'none is in a file, and OPMAS_KEYCHAIN turns the keychain off';
  return store.problem === undefined
    ? 'nothing is stored, or the keychain is locked'
    : `none is in a file, and ${store.problem}`;
}

function rows({ url, urlSource, hidden, token }: Connection, state: TokenState, said: SaidOptions) {
  const { place, user, expired, renewable, notBeforeMs, note, clockAheadMs } = state;
  const isUsable = place !== undefined && (!expired || renewable);
  return [
    ['server', `${displayUrl(url)} (${urlSource})`],
    ['token', place ?? `none (${note})`],
    ['user', user],
    ['valid', notBeforeMs === undefined ? undefined : `not yet: ${timeText(notBeforeMs)}`],
    ['expires', place === undefined ? undefined : expiryText(state)],
    ['clock', clockText(clockAheadMs)],
    ['renewal', renewable ? 'automatic, with the refresh token' : undefined],
    ['not used', hidden.length === 0 ? undefined : hidden.join(', ')],
    ['next', isUsable ? undefined : withServerChoice(nextStep(token), said)],
  ] as const;
}

/** Suggests a login only where no other source takes precedence over it. */
function nextStep(token: TokenProvider): string {
  return token instanceof StoredToken ? 'opmas-ws auth login' : (token.hint ?? 'opmas-ws auth login');
}

function expiryText({ expiresAtMs, expired }: TokenState): string {
  if (expiresAtMs === undefined) return 'the token does not say when';
  const when = timeText(expiresAtMs);
  return expired ? `it expired ${when}` : when;
}

/** Writes a time as people say it, and exactly. */
function timeText(timeMs: number): string {
  return `${relativeTime(timeMs, Date.now())} (${new Date(timeMs).toISOString()})`;
}

function report({ url, urlSource, context, token, hidden }: Connection, state: TokenState) {
  const { place, user, expiresAtMs, expired, notBeforeMs, renewable } = state;
  return {
    server: displayUrl(url),
    server_source: urlSource,
    context: context?.name ?? null,
    logged_in: place !== undefined && !expired,
    source: place === undefined ? null : token.source,
    place: place ?? null,
    user: user ?? null,
    expires_at: expiresAtMs === undefined ? null : new Date(expiresAtMs).toISOString(),
    expired,
    not_before: notBeforeMs === undefined ? null : new Date(notBeforeMs).toISOString(),
    renewable,
    hidden,
  };
}
