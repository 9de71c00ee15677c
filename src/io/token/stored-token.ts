import { OpmasError } from '../../core/errors.js';
import { type Clock, shared, systemClock } from '../clock.js';
import { accountOf, type CredentialStore, type Credentials } from './credentials.js';
import { refreshCredentials, type ServerAccess } from './login.js';
import type { TokenProvider } from './token.js';

/** A token is renewed this long before its end, or after three quarters of a shorter life. */
const EARLY_MS = 60_000;
const LONGEST_LIFE_SHARE = 0.75;
/** The interval of looks into the store when the end of its token is not known. */
const LONGEST_WAIT_MS = 3_600_000;
const SHORTEST_WAIT_MS = 1000;
const RETRY_MS = 30_000;
/** The interval of looks into the store for a new login, when its token can no longer be renewed. */
const REFUSED_WAIT_MS = 300_000;

/** The token of a login, renewed with its refresh token when it is rejected or near its end. */
export class StoredToken implements TokenProvider {
  readonly source = 'stored login';
  readonly remedy = 'log in again with `opmas-ws auth login`';
  readonly #access: ServerAccess;
  readonly #store: CredentialStore;
  readonly #account: string;
  readonly #clock: Clock;
  /** The token given out last: a refusal is about that one. */
  #given: string | undefined;
  /** The token for which an early renewal was tried: once is enough. */
  #triedEarly: string | undefined;
  problem: string | undefined;
  /** A refresh token that the server has rejected: another request with it changes nothing. */
  #refusedRefreshToken: string | undefined;

  constructor(access: ServerAccess, store: CredentialStore) {
    this.#access = access;
    this.#store = store;
    this.#account = accountOf(access.base);
    this.#clock = access.clock ?? systemClock;
  }

  async token(): Promise<string> {
    let credentials = await this.#read();
    if (credentials === undefined) {
      throw new OpmasError('AUTH', `there is no token for ${this.#account}`, {
        hint: 'Run `opmas-ws auth login`, or give a token with --token-file, OPMAS_TOKEN or OPMAS_TOKEN_FILE; --no-token connects without one.',
      });
    }
    if (this.#isDue(credentials) && this.#triedEarly !== credentials.accessToken) {
      this.#triedEarly = credentials.accessToken;
      // The token may still be good: an expiry is advice, and clocks differ.
      await this.renew(credentials.accessToken).catch(() => false);
      credentials = (await this.#read()) ?? credentials;
    }
    this.#given = credentials.accessToken;
    return credentials.accessToken;
  }

  /** Renews the token. Endpoints that are refused together share one renewal. */
  readonly renew = shared((refused: string | undefined = this.#given) =>
    this.#store.exclusively(this.#account, () => this.#renew(refused)),
  );

  async keepFresh(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const credentials = await this.#read().catch(() => undefined);
      await this.#clock.sleep(this.#waitMs(credentials), signal);
      if (signal.aborted || credentials === undefined || !this.#isDue(credentials)) continue;
      const renewed = await this.renew(credentials.accessToken).catch(() => false);
      if (!renewed) await this.#clock.sleep(RETRY_MS, signal);
    }
  }

  /** Reads the store. Attempts that begin together share one read. */
  readonly #read = shared(async () => (await this.#store.get(this.#account))?.credentials);

  async #renew(refused: string | undefined): Promise<boolean> {
    this.problem = undefined;
    const credentials = (await this.#store.get(this.#account))?.credentials;
    if (credentials === undefined) return this.#fail('nothing is stored anymore');
    // Another process, or a new login, was faster.
    if (refused !== undefined && credentials.accessToken !== refused) return true;
    if (credentials.refreshToken === undefined) return this.#fail('there is no refresh token');
    try {
      const fresh = await refreshCredentials({ ...this.#access, clock: this.#clock }, credentials);
      await this.#store.set(this.#account, fresh);
      return true;
    } catch (error) {
      // Without an answer nothing is decided: the caller tries again later.
      if (!(error instanceof OpmasError) || error.code !== 'AUTH') throw error;
      this.#refusedRefreshToken = credentials.refreshToken;
      return this.#fail(error.message);
    }
  }

  #fail(problem: string): false {
    this.problem = problem;
    return false;
  }

  #isDue(credentials: Credentials): boolean {
    return this.#canBeRenewed(credentials) && this.#leftUntilDueMs(credentials) <= 0;
  }

  #canBeRenewed({ refreshToken }: Credentials): boolean {
    return refreshToken !== undefined && refreshToken !== this.#refusedRefreshToken;
  }

  /** Computes the time until the token is to be renewed; `Infinity` when its end is not known. */
  #leftUntilDueMs({ expiresAtMs, obtainedAtMs }: Credentials): number {
    if (expiresAtMs === undefined) return Number.POSITIVE_INFINITY;
    const early = expiresAtMs - EARLY_MS;
    const late =
      obtainedAtMs === undefined ? early : obtainedAtMs + (expiresAtMs - obtainedAtMs) * LONGEST_LIFE_SHARE;
    return Math.max(early, late) - this.#clock.nowMicros() / 1000;
  }

  #waitMs(credentials: Credentials | undefined): number {
    if (credentials?.refreshToken === undefined) return LONGEST_WAIT_MS;
    if (!this.#canBeRenewed(credentials)) return REFUSED_WAIT_MS;
    return Math.min(Math.max(this.#leftUntilDueMs(credentials), SHORTEST_WAIT_MS), LONGEST_WAIT_MS);
  }
}
