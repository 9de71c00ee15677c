import { displayUrl } from '../../core/address.js';
import { readClaims } from '../../core/claims.js';
import { parseObject } from '../../core/json/json-tokens.js';

/** The result of a login, as it is stored. */
export interface Credentials {
  accessToken: string;
  refreshToken?: string | undefined;
  /** The user who logged in. */
  username?: string | undefined;
  /** When the access token ends by this machine's clock, in milliseconds since 1970; absent when it is not known. */
  expiresAtMs?: number | undefined;
  /** When the token was given, by this machine's clock, in milliseconds since 1970. */
  obtainedAtMs?: number | undefined;
  /** How far this machine's clock was ahead of the server's then, in milliseconds; absent when it agreed, or is not known. */
  clockAheadMs?: number | undefined;
}

/** Credentials and their place. */
export interface StoredCredentials {
  credentials: Credentials;
  /** For people: `the system keychain`, or the path of a file. */
  place: string;
}

/** A store of credentials, one account for each server. The library has none of its own. */
export interface CredentialStore {
  get(account: string): Promise<StoredCredentials | undefined>;
  /** Never leaves a torn or empty entry, even if the process is killed. @returns The place, for people. */
  set(account: string, credentials: Credentials): Promise<string>;
  /** @returns `false` when there was nothing. */
  delete(account: string): Promise<boolean>;
  /** Runs the work while no other process works on that account; waits for the others a few seconds at most. */
  exclusively<T>(account: string, work: () => Promise<T>): Promise<T>;
  /** Why a part of the store could not be read, for people: a clause. */
  readonly problem?: string | undefined;
}

/** Names the account of a server: its base URL. */
export function accountOf(base: URL): string {
  return displayUrl(base);
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined);
const numberOf = (value: unknown) => (typeof value === 'number' ? value : undefined);

/** The members of what is stored, and how each is read. */
const MEMBERS: { [Name in keyof Required<Credentials>]: [member: string, (value: unknown) => unknown] } = {
  accessToken: ['access_token', secretOf],
  refreshToken: ['refresh_token', secretOf],
  username: ['username', textOf],
  expiresAtMs: ['expires_at', numberOf],
  obtainedAtMs: ['obtained_at', numberOf],
  clockAheadMs: ['clock_ahead', numberOf],
};

/** Writes credentials as the JSON text that is stored. */
export function serializeCredentials(credentials: Credentials): string {
  const names = Object.keys(MEMBERS) as (keyof Credentials)[];
  return JSON.stringify(Object.fromEntries(names.map((name) => [MEMBERS[name][0], credentials[name]])));
}

/** Reads what {@link serializeCredentials} wrote; `undefined` when it is something else. */
export function parseCredentials(text: string): Credentials | undefined {
  const stored = parseObject(text) ?? {};
  const members = Object.entries(MEMBERS).map(([name, [member, read]]) => [name, read(stored[member])]);
  const credentials = Object.fromEntries(members) as unknown as Credentials;
  return credentials.accessToken === undefined ? undefined : credentials;
}

/** Reads a token that others have written: only visible ASCII can be sent, and is safe to show. */
export function secretOf(value: unknown): string | undefined {
  return typeof value === 'string' && /^[\x21-\x7e]+$/.test(value) ? value : undefined;
}

/**
 * Computes when a token that was just given ends, by this machine's clock: the life that the server states, counted
 * from now, so that a wrong clock here does no harm; else the token's own claim, by the clock of the server.
 *
 * @param nowMs Milliseconds since 1970. @param expiresInSeconds The server's `expires_in`, seconds.
 * @param clockAheadMs How far this machine's clock is ahead of the server's.
 */
export function expiryOf(
  token: string,
  nowMs: number,
  expiresInSeconds?: unknown,
  clockAheadMs = 0,
): number | undefined {
  if (typeof expiresInSeconds === 'number' && expiresInSeconds > 0 && expiresInSeconds < 1e9)
    return nowMs + expiresInSeconds * 1000;
  const { expiresAtMs, issuedAtMs } = readClaims(token);
  if (expiresAtMs === undefined) return undefined;
  if (issuedAtMs !== undefined && issuedAtMs <= expiresAtMs) return nowMs + (expiresAtMs - issuedAtMs);
  // No server gives out a token that is over: then its `Date` is wrong.
  return expiresAtMs + clockAheadMs > nowMs ? expiresAtMs + clockAheadMs : expiresAtMs;
}
