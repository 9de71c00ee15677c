import { OpmasError } from '../../core/errors.js';
import { relativeTime } from '../../core/text.js';
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
/** A token that is due again so soon is of no use: the pauses between such renewals grow. */
const SHORTEST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 300_000;
/** The interval of looks into the store for a new login, when its token can no longer be renewed. */
const REFUSED_WAIT_MS = 300_000;

/** The token of a login, renewed with its refresh token when it is rejected or near its end. */
export class StoredToken implements TokenProvider {
  readonly source = 'stored login';
  readonly hint = 'log in again with `login`';
  readonly #access: ServerAccess;
  readonly #store: CredentialStore;
  readonly #account: string;
  readonly #clock: Clock;
  /** The token given out last: a refusal is about that one. */
  #given: string | undefined;
  /** The token for which an early renewal was tried: once is enough. */
  #triedEarly: string | undefined;
  problem: string | undefined;
  clockAheadMs: number | undefined;
  renewsItself = false;
  /** A refresh token that the server has rejected: another request with it changes nothing. */
  #refusedRefreshToken: string | undefined;
  #pauseMs = 0;
  /** No renewal is due before, on the monotonic clock. */
  #pausedUntilMs = Number.NEGATIVE_INFINITY;
  #onWarning: ((text: string) => void) | undefined;

  /** @param onWarning Called once when renewed tokens are over as soon as they are given. */
  constructor(access: ServerAccess, store: CredentialStore, onWarning?: (text: string) => void) {
    this.#access = access;
    this.#store = store;
    this.#onWarning = onWarning;
    this.#account = accountOf(access.base);
    this.#clock = access.clock ?? systemClock;
  }

  async token(): Promise<string> {
    let credentials = await this.#read();
    if (credentials === undefined) {
      const { problem } = this.#store;
      const why = problem === undefined ? '' : `: ${problem}`;
      throw new OpmasError('AUTH', `there is no token for ${this.#account}${why}`, {
        hint: 'Get one with `login()`.',
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
  readonly #read = shared(async () => {
    const credentials = (await this.#store.get(this.#account))?.credentials;
    this.clockAheadMs = credentials?.clockAheadMs;
    this.renewsItself = credentials !== undefined && this.#canBeRenewed(credentials);
    return credentials;
  });

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
      this.#pauseIfDue(fresh);
      return true;
    } catch (error) {
      // Without an answer nothing is decided: the caller tries again later.
      if (!(error instanceof OpmasError) || error.code !== 'AUTH') throw error;
      this.#refusedRefreshToken = credentials.refreshToken;
      return this.#fail(error.message);
    }
  }

  /** Keeps a token that is due as soon as it is given, as by a wrong clock, from being renewed again and again. */
  #pauseIfDue(fresh: Credentials): void {
    if (this.#leftUntilDueMs(fresh) >= SHORTEST_PAUSE_MS) {
      this.#pauseMs = 0;
      return;
    }
    this.#pauseMs = Math.min(Math.max(2 * this.#pauseMs, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS);
    this.#pausedUntilMs = this.#clock.monotonicMs() + this.#pauseMs;
    const nowMs = this.#clock.nowMicros() / 1000;
    if (fresh.expiresAtMs! > nowMs) return;
    const when = relativeTime(fresh.expiresAtMs!, nowMs);
    this.#onWarning?.(
      `a token that the server has just given expired ${when} by the clock of this machine: is one of the clocks wrong?`,
    );
    this.#onWarning = undefined;
  }

  #fail(problem: string): false {
    this.problem = problem;
    return false;
  }

  #isDue(credentials: Credentials): boolean {
    return this.#canBeRenewed(credentials) && this.#leftMs(credentials) <= 0;
  }

  #leftMs(credentials: Credentials): number {
    return Math.max(this.#leftUntilDueMs(credentials), this.#pausedUntilMs - this.#clock.monotonicMs());
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
    return Math.min(Math.max(this.#leftMs(credentials), SHORTEST_WAIT_MS), LONGEST_WAIT_MS);
  }
}
