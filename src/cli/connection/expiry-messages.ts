import { readClaims, type TokenProvider } from '../../index.js';
import { relativeTime } from '../../internal.js';
import type { Messages } from '../terminal/terminal.js';

const EARLY_MS = 10 * 60_000;
/** The clock may be set meanwhile, so it is looked at this often. */
const LOOK_MS = 30_000;

/**
 * Warns 10 minutes before the token in use expires, and when it has: open connections stay, but the next one is refused.
 * A source with a fresh token by then, or one that gives a new token for each connection, is not worth a word.
 *
 * @returns The provider to use in place of the given one.
 */
export function withExpiryMessages(provider: TokenProvider, messages: Messages): TokenProvider {
  const watch = new ExpiryWatch(provider, messages);
  return {
    ...(provider.renew && { renew: (...args) => provider.renew!(...args) }),
    ...(provider.keepFresh && { keepFresh: (signal) => provider.keepFresh!(signal) }),
    get problem() {
      return provider.problem;
    },
    source: provider.source,
    remedy: provider.remedy,
    step: provider.step,
    async token(stopping) {
      const token = await provider.token(stopping);
      if (!provider.isNewEachTime) watch.see(token);
      return token;
    },
  };
}

class ExpiryWatch {
  readonly #provider: TokenProvider;
  readonly #messages: Messages;
  #expiresAtMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #said: 'nothing' | 'soon' | 'expired' = 'nothing';

  constructor(provider: TokenProvider, messages: Messages) {
    this.#provider = provider;
    this.#messages = messages;
  }

  see(token: string | undefined): void {
    const { expiresAtMs } = readClaims(token ?? '');
    if (expiresAtMs === this.#expiresAtMs) return;
    this.#expiresAtMs = expiresAtMs;
    this.#said = 'nothing';
    this.#wait();
  }

  #wait(): void {
    clearTimeout(this.#timer);
    if (this.#expiresAtMs === undefined || this.#said === 'expired') return;
    const dueMs = this.#expiresAtMs - (this.#said === 'nothing' ? EARLY_MS : 0) - Date.now();
    this.#timer = setTimeout(() => void this.#look(), Math.max(0, Math.min(dueMs, LOOK_MS))).unref();
  }

  async #look(): Promise<void> {
    const nowMs = Date.now();
    const expiresAtMs = this.#expiresAtMs ?? Number.POSITIVE_INFINITY;
    const isDue = expiresAtMs - (this.#said === 'nothing' ? EARLY_MS : 0) <= nowMs;
    // A file may have a fresh token by now, and a login may have been renewed.
    if (isDue && this.#provider.renew !== undefined)
      this.see(await this.#provider.token().catch(() => undefined));
    if (isDue && this.#expiresAtMs === expiresAtMs) this.#say(expiresAtMs, nowMs);
    this.#wait();
  }

  #say(expiresAtMs: number, nowMs: number): void {
    const { source, remedy } = this.#provider;
    const hasExpired = expiresAtMs <= nowMs;
    this.#said = hasExpired ? 'expired' : 'soon';
    const what = hasExpired
      ? 'has expired; open connections stay, new ones will be refused'
      : `expires ${relativeTime(expiresAtMs, nowMs)}`;
    this.#messages.warn(`the token from ${source} ${what}${remedy === undefined ? '' : `: ${remedy}`}`);
  }
}
