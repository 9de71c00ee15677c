import { type Clock, readClaims, systemClock, type TokenProvider } from '../../index.js';
import { clockText, relativeTime } from '../../internal.js';
import type { Messages } from '../terminal/terminal.js';

const EARLY_MS = 10 * 60_000;
/** The clock may be set meanwhile, so it is looked at this often. */
const LOOK_MS = 30_000;

/**
 * Warns 10 minutes before the token in use expires, and when it has: open connections stay, but the next one is refused.
 * A source with a fresh token by then, or one that gives a new token for each connection, is not worth a word. Warns
 * of a clock of this machine that differs from the server's, too, and judges the expiry by the server's.
 *
 * @returns The provider to use in place of the given one.
 */
export function withExpiryMessages(
  provider: TokenProvider,
  messages: Pick<Messages, 'warn'>,
  clock: Clock = systemClock,
): TokenProvider {
  const watch = new ExpiryWatch(provider, messages, clock);
  const watched: Partial<TokenProvider> = {
    async keepFresh(signal) {
      await Promise.all([provider.keepFresh?.(signal), watch.run(signal)]);
    },
    onOpen: (clockAheadMs) => watch.onOpen(clockAheadMs),
    async token(stopping) {
      const token = await provider.token(stopping);
      if (!provider.isNewEachTime) watch.see(token);
      return token;
    },
  };
  // All else is as it is there, now and later.
  return Object.assign(Object.create(provider) as TokenProvider, watched);
}

class ExpiryWatch {
  #token = '';
  /** `undefined` until a connection has opened. */
  #clockAheadMs: number | undefined;
  #hasSaidClock = false;
  #said: 'nothing' | 'soon' | 'expired' = 'nothing';

  constructor(
    private readonly provider: TokenProvider,
    private readonly messages: Pick<Messages, 'warn'>,
    private readonly clock: Clock,
  ) {}

  see(token = ''): void {
    if (token !== this.#token) this.#said = 'nothing';
    this.#token = token;
    void this.#look();
  }

  onOpen(clockAheadMs = this.provider.clockAheadMs ?? 0): void {
    this.#clockAheadMs = clockAheadMs;
    const wrong = clockText(clockAheadMs);
    if (wrong !== undefined && !this.#hasSaidClock) {
      this.#hasSaidClock = true;
      this.messages.warn(`${wrong}: the times of the lines are those of this machine`);
    }
    void this.#look();
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.clock.sleep(Math.max(0, Math.min(this.#dueInMs, LOOK_MS)), signal);
      if (!signal.aborted) await this.#look();
    }
  }

  /** The time until the token expires; `Infinity` when it does not say, or nothing is left to say. */
  get #leftMs(): number {
    const { expiresAtMs } = readClaims(this.#token, this.#clockAheadMs ?? this.provider.clockAheadMs);
    if (expiresAtMs === undefined || this.#said === 'expired') return Number.POSITIVE_INFINITY;
    return expiresAtMs - this.clock.nowMicros() / 1000;
  }

  get #dueInMs(): number {
    // Before a connection has opened, the clock may be wrong, and a refusal will tell of an expired token.
    const isUnclear = this.#leftMs <= 0 && this.#clockAheadMs === undefined;
    if (isUnclear || this.provider.renewsItself) return Number.POSITIVE_INFINITY;
    return this.#leftMs - (this.#said === 'nothing' ? EARLY_MS : 0);
  }

  async #look(): Promise<void> {
    if (this.#dueInMs > 0) return;
    // A file may have a fresh token by now, and a login may have been renewed.
    const token = this.provider.renew && (await this.provider.token().catch(() => undefined));
    if (token !== undefined && token !== this.#token) this.see(token);
    else if (this.#dueInMs <= 0) this.#say(this.#leftMs);
  }

  #say(leftMs: number): void {
    const { source, hint } = this.provider;
    const hasExpired = leftMs <= 0;
    this.#said = hasExpired ? 'expired' : 'soon';
    const what = hasExpired
      ? 'has expired; open connections stay, new ones will be refused'
      : `expires ${relativeTime(leftMs, 0)}`;
    this.messages.warn(`the token from ${source} ${what}${hint === undefined ? '' : `: ${hint}`}`);
  }
}
