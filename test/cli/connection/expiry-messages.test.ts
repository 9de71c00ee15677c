import { describe, expect, it } from 'vitest';
import { withExpiryMessages } from '../../../src/cli/connection/expiry-messages.js';
import type { Clock, TokenProvider } from '../../../src/index.js';

const MINUTE = 60_000;
const START = Date.UTC(2026, 10, 22);

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
/** A token that ends at a time, in milliseconds after the start. */
const endingAt = (ms: number) => `${encode({ alg: 'HS256' })}.${encode({ exp: (START + ms) / 1000 })}.c2ln`;

/** Watches a provider while so much time passes, which it does only by sleeping. @returns The warnings, with their times. */
async function warningsOf(
  provider: Partial<TokenProvider> & { tokens: (nowMs: number) => string },
  {
    clockAheadMs,
    opensAtMs = 0,
    renewsUntilMs,
  }: { clockAheadMs?: number; opensAtMs?: number; renewsUntilMs?: number } = {},
): Promise<[minute: number, text: string][]> {
  let nowMs = 0;
  const warnings: [number, string][] = [];
  const stopping = new AbortController();
  let isOpen = false;
  const clock: Clock = {
    nowMicros: () => (START + nowMs) * 1000,
    monotonicMs: () => nowMs,
    async sleep(durationMs) {
      expect(durationMs).toBeGreaterThan(0);
      nowMs += durationMs;
      if (!isOpen && nowMs >= opensAtMs) {
        isOpen = true;
        watched.onOpen?.(clockAheadMs);
      }
      if (renewsUntilMs !== undefined && nowMs >= renewsUntilMs) source.renewsItself = false;
      await new Promise((resolve) => setImmediate(resolve));
      if (nowMs > 60 * MINUTE) stopping.abort();
    },
  };
  const { tokens, ...rest } = provider;
  const source: { -readonly [Name in keyof TokenProvider]: TokenProvider[Name] } = {
    source: 'a test',
    token: async () => tokens(nowMs),
    ...rest,
  };
  const warn = (...texts: string[]) =>
    warnings.push(...texts.map((text): [number, string] => [nowMs / MINUTE, text]));
  const watched = withExpiryMessages(source, { warn }, clock);
  await watched.token();
  await watched.keepFresh?.(stopping.signal);
  return warnings;
}

const soon = (minutes: number) =>
  expect.stringMatching(`^the token from a test expires in ${minutes} minutes`);
const over = expect.stringMatching('^the token from a test has expired; open connections stay');

describe('a token that runs out', () => {
  it('is announced ten minutes before, and said when it has expired', async () => {
    const warnings = await warningsOf({ tokens: () => endingAt(30 * MINUTE) });
    expect(warnings).toEqual([
      [20, soon(10)],
      [30, over],
    ]);
  });

  it('is judged by the clock of the server, and the wrong clock of this machine is named once', async () => {
    const tokens = () => endingAt(-30 * MINUTE);
    expect(await warningsOf({ tokens }, { clockAheadMs: 60 * MINUTE })).toEqual([
      [expect.any(Number), expect.stringMatching(/^this machine's clock is 1 hour ahead of the server's/)],
      [20, soon(10)],
      [30, over],
    ]);
    expect(await warningsOf({ tokens: () => endingAt(90 * MINUTE) }, { clockAheadMs: -60 * MINUTE })).toEqual(
      [
        [expect.any(Number), expect.stringMatching(/^this machine's clock is 1 hour behind the server's/)],
        [20, soon(10)],
        [30, over],
      ],
    );
  });

  it('is judged by the clock difference that the source knows where no answer says more', async () => {
    const tokens = () => endingAt(-30 * MINUTE);
    const [[, clock] = [], ...rest] = await warningsOf({ tokens, clockAheadMs: 60 * MINUTE });
    expect(clock).toMatch(/^this machine's clock is 1 hour ahead/);
    expect(rest.map(([minute]) => minute)).toEqual([20, 30]);
  });

  it('is not called expired before a connection has opened: the refusal says more', async () => {
    const warnings = await warningsOf({ tokens: () => endingAt(-MINUTE) }, { opensAtMs: 40 * MINUTE });
    expect(warnings).toEqual([[40, over]]);
    expect(await warningsOf({ tokens: () => endingAt(-MINUTE) }, { opensAtMs: 99 * MINUTE })).toEqual([]);
  });

  it('is not worth a word when a fresh one is there by then', async () => {
    const tokens = (nowMs: number) => endingAt(nowMs < 5 * MINUTE ? 14 * MINUTE : 180 * MINUTE);
    const [first, ...others] = await warningsOf({ tokens, renew: async () => true });
    expect([first?.[0], others]).toEqual([4, []]);
    expect(
      await warningsOf({ tokens: (nowMs) => endingAt(nowMs + 12 * MINUTE), renew: async () => true }),
    ).toEqual([]);
  });

  it('of a login that renews itself is worth a word only when it can no longer be renewed', async () => {
    const login = { tokens: () => endingAt(30 * MINUTE), renew: async () => false, renewsItself: true };
    expect(await warningsOf(login)).toEqual([]);
    const warnings = await warningsOf(login, { renewsUntilMs: 25 * MINUTE });
    expect(warnings).toEqual([
      [25, soon(5)],
      [30, over],
    ]);
  });
});
