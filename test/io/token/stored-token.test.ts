import { describe, expect, it } from 'vitest';
import { type Clock, type CredentialStore, type Credentials, StoredToken } from '../../../src/index.js';
import { json, startWebServer, type WebServer } from '../../support/web-server.js';

const HOUR = 3_600_000;
const START = 1_800_000_000_000;

/** A store in memory; all providers of a test share it, as processes share a file. */
class MemoryStore implements CredentialStore {
  writes = 0;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(public credentials: Credentials | undefined) {}

  async get() {
    return this.credentials && { credentials: this.credentials, place: 'memory' };
  }

  async set(_account: string, credentials: Credentials) {
    this.writes++;
    this.credentials = credentials;
    return 'memory';
  }

  async delete() {
    return false;
  }

  exclusively<T>(_account: string, work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => undefined);
    return done;
  }
}

/** Time that passes only by sleeping. */
class SleepingClock implements Clock {
  readonly slept: number[] = [];
  #now: number;
  readonly #onSleep: (clock: SleepingClock) => void;

  constructor(now = START, onSleep: (clock: SleepingClock) => void = () => undefined) {
    this.#now = now;
    this.#onSleep = onSleep;
  }

  nowMicros = () => this.#now * 1000;
  monotonicMs = () => this.#now;

  async sleep(milliseconds: number): Promise<void> {
    this.slept.push(milliseconds);
    this.#now += milliseconds;
    this.#onSleep(this);
  }
}

/** Gives out `token-1`, `token-2` … with refresh tokens that can be used once. */
function startRotatingServer(life: number): Promise<WebServer> {
  let round = 0;
  return startWebServer(({ body }, response) => {
    if (!body.includes(`"refresh-${round}"`)) return json(response, 401, {});
    round++;
    json(response, 200, {
      access_token: `token-${round}`,
      refresh_token: `refresh-${round}`,
      expires_in: life / 1000,
    });
  });
}

const first: Credentials = {
  accessToken: 'token-0',
  refreshToken: 'refresh-0',
  obtainedAtMs: START,
  expiresAtMs: START + HOUR,
};

const providerOf = (server: WebServer, store: CredentialStore, clock: Clock = new SleepingClock()) =>
  new StoredToken({ base: server.url, clock }, store);

describe('StoredToken', () => {
  it('says how to log in when nothing is stored', async () => {
    await using server = await startRotatingServer(HOUR);
    await expect(providerOf(server, new MemoryStore(undefined)).token()).rejects.toMatchObject({
      code: 'AUTH',
      hint: expect.stringContaining('`login()`'),
    });
  });

  it('gives the stored token, and asks no server while it is fresh', async () => {
    await using server = await startRotatingServer(HOUR);
    expect(await providerOf(server, new MemoryStore(first)).token()).toBe('token-0');
    expect(server.requests).toEqual([]);
  });

  it('renews a refused token once for all endpoints that are refused together', async () => {
    await using server = await startRotatingServer(HOUR);
    const store = new MemoryStore(first);
    const provider = providerOf(server, store);
    await provider.token();
    const renewed = await Promise.all([
      provider.renew('token-0'),
      provider.renew('token-0'),
      provider.renew(),
    ]);
    expect(renewed).toEqual([true, true, true]);
    expect(server.requests).toHaveLength(1);
    expect(await provider.token()).toBe('token-1');
  });

  it('takes a newer token from the store instead of renewing again', async () => {
    await using server = await startRotatingServer(HOUR);
    const store = new MemoryStore(first);
    const provider = providerOf(server, store);
    await provider.token();
    store.credentials = { accessToken: 'from-a-new-login' };
    expect(await provider.renew()).toBe(true);
    expect(await provider.token()).toBe('from-a-new-login');
    expect(server.requests).toEqual([]);
  });

  it('two processes that renew at once use a refresh token once', async () => {
    await using server = await startRotatingServer(HOUR);
    const store = new MemoryStore(first);
    const processes = [providerOf(server, store), providerOf(server, store)];
    await Promise.all(processes.map((provider) => provider.token()));
    expect(await Promise.all(processes.map((provider) => provider.renew()))).toEqual([true, true]);
    expect(server.requests).toHaveLength(1);
    expect(await Promise.all(processes.map((provider) => provider.token()))).toEqual(['token-1', 'token-1']);
  });

  it.each([
    ['there is no refresh token', { accessToken: 'token-0' }, /no refresh token/],
    ['the server refuses it', { ...first, refreshToken: 'old' }, /rejected the refresh token/],
  ])(
    'says why nothing was renewed when %s, and keeps what is stored',
    async (_name, credentials, problem) => {
      await using server = await startRotatingServer(HOUR);
      const store = new MemoryStore(credentials);
      const provider = providerOf(server, store);
      await provider.token();
      expect(await provider.renew()).toBe(false);
      expect(provider.problem).toMatch(problem);
      expect(store).toMatchObject({ credentials, writes: 0 });
    },
  );

  it('decides nothing when the server does not answer', async () => {
    await using server = await startWebServer((_, response) => response.destroy());
    const provider = providerOf(server, new MemoryStore(first));
    await expect(provider.renew('token-0')).rejects.toMatchObject({ code: 'NETWORK' });
  });

  it('renews a token that is near its end before it gives it out', async () => {
    await using server = await startRotatingServer(HOUR);
    const provider = providerOf(server, new MemoryStore(first), new SleepingClock(START + HOUR - 59_000));
    expect(await provider.token()).toBe('token-1');
    expect(await provider.token()).toBe('token-1');
    expect(server.requests).toHaveLength(1);
  });

  it('gives the old token when an early renewal fails, and tries that once only', async () => {
    await using server = await startWebServer((_, response) => json(response, 500, {}));
    const provider = providerOf(server, new MemoryStore(first), new SleepingClock(START + 2 * HOUR));
    expect(await provider.token()).toBe('token-0');
    expect(await provider.token()).toBe('token-0');
    expect(server.requests).toHaveLength(1);
  });

  it.each([
    ['nobody said', undefined, 1],
    ['in the year 9999', 253_402_300_799_000, 1],
    ['that is the last possible', 8.64e15, 1],
  ])('leaves a token alone whose end is %s', async (_name, expiresAtMs, token) => {
    await using server = await startRotatingServer(HOUR);
    const stopping = new AbortController();
    const clock = new SleepingClock(START, ({ slept }) => slept.length > 2 && stopping.abort());
    const provider = providerOf(server, new MemoryStore({ ...first, expiresAtMs }), clock);
    expect(await provider.token()).toBe('token-0');
    await provider.keepFresh(stopping.signal);
    expect(clock.slept).toEqual([HOUR, HOUR, HOUR]);
    expect(server.requests).toHaveLength(token - 1);
  });

  it('keeps a token fresh: each is renewed a minute before its end', async () => {
    await using server = await startRotatingServer(HOUR);
    const stopping = new AbortController();
    const clock = new SleepingClock(START, ({ slept }) => slept.length > 3 && stopping.abort());
    const store = new MemoryStore(first);
    await providerOf(server, store, clock).keepFresh(stopping.signal);
    expect(clock.slept).toEqual(Array(4).fill(HOUR - 60_000));
    expect(store.credentials?.accessToken).toBe('token-3');
  });

  it('renews a token of a short life after three quarters of it', async () => {
    await using server = await startRotatingServer(20_000);
    const stopping = new AbortController();
    const clock = new SleepingClock(START, ({ slept }) => slept.length > 2 && stopping.abort());
    const store = new MemoryStore({ ...first, expiresAtMs: START + 20_000 });
    await providerOf(server, store, clock).keepFresh(stopping.signal);
    expect(clock.slept).toEqual([15_000, 15_000, 15_000]);
  });

  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const endingAt = (ms: number, id = 0) =>
    `${encode({ alg: 'HS256' })}.${encode({ exp: ms / 1000, id })}.c2ln`;

  /**
   * Runs a login whose token states its end only, on a machine whose clock is an hour ahead of the server's, for so long.
   *
   * @param date The `Date` that the server sends.
   */
  async function keptFresh(date: (serverMs: number) => number, lifeMs: number, durationMs: number) {
    const serverMs = (clock: Clock) => clock.nowMicros() / 1000 - HOUR;
    const stopping = new AbortController();
    const clock: SleepingClock = new SleepingClock(
      START,
      () => clock.monotonicMs() - START > durationMs && stopping.abort(),
    );
    const renewedAt: number[] = [];
    await using server = await startWebServer((_, response) => {
      renewedAt.push((clock.monotonicMs() - START) / 1000);
      const token = endingAt(serverMs(clock) + lifeMs, renewedAt.length);
      const headers = { date: new Date(date(serverMs(clock))).toUTCString() };
      json(response, 200, { access_token: token, refresh_token: 'again' }, headers);
    });
    const store = new MemoryStore({
      accessToken: endingAt(serverMs(clock) + lifeMs),
      refreshToken: 'refresh-0',
      obtainedAtMs: START,
      expiresAtMs: START - HOUR + lifeMs,
    });
    const warnings: string[] = [];
    const provider = new StoredToken({ base: server.url, clock }, store, (text) => warnings.push(text));
    expect(await provider.token()).toMatch(/c2ln$/);
    await provider.keepFresh(stopping.signal);
    return { renewedAt, warnings, store };
  }

  it('learns from the Date of an answer that the clock of this machine is ahead, and renews in time', async () => {
    const { renewedAt, warnings, store } = await keptFresh((ms) => ms, HOUR / 4, HOUR / 2);
    // The stored token looks over. The next ones are renewed a minute before their end by the server's clock.
    expect(renewedAt).toEqual([0, 840, 1680]);
    expect(warnings).toEqual([]);
    expect(store.credentials).toMatchObject({ clockAheadMs: HOUR, expiresAtMs: START + 1680_000 + HOUR / 4 });
  });

  it('makes longer and longer pauses when each new token looks over, and says so once', async () => {
    for (const date of [(ms: number) => ms + HOUR, (ms: number) => ms + 2 * HOUR]) {
      const { renewedAt, warnings } = await keptFresh(date, 600_000, 200_000);
      expect(renewedAt).toEqual([0, 10, 30, 70, 150]);
      expect(warnings).toEqual([
        expect.stringMatching(/expired 50 minutes ago by the clock of this machine/),
      ]);
    }
  });

  it('renews tokens of a few seconds no more often than every ten, and blames no clock', async () => {
    const { renewedAt, warnings } = await keptFresh((ms) => ms, 4000, 60_000);
    expect(renewedAt).toEqual([0, 10, 30]);
    expect(warnings).toEqual([]);
  });

  it('renews once for many connections that come again while each new token looks over', async () => {
    await using server = await startWebServer((_, response) =>
      json(response, 200, { access_token: endingAt(START - HOUR, server.requests.length) }),
    );
    const provider = providerOf(server, new MemoryStore({ ...first, expiresAtMs: START - HOUR }));
    for (let i = 0; i < 10; i++) await provider.token();
    expect(server.requests).toHaveLength(1);
  });

  it('does not ask again with a refresh token that was refused, and goes on with a new login', async () => {
    await using server = await startWebServer((_, response) => json(response, 401, { detail: 'revoked' }));
    const stopping = new AbortController();
    const store = new MemoryStore(first);
    const clock = new SleepingClock(START + HOUR, ({ slept }) => {
      if (slept.length === 4) store.credentials = { ...first, refreshToken: 'another' };
      if (slept.length > 7) stopping.abort();
    });
    await providerOf(server, store, clock).keepFresh(stopping.signal);
    expect(clock.slept).toEqual([1000, 30_000, 300_000, 300_000, 1000, 30_000, 300_000, 300_000]);
    // It is asked in the two ways in which servers may want it, once for each token.
    const askedWith = (token: string) => server.requests.filter(({ body }) => body.includes(token)).length;
    expect([askedWith('refresh-0'), askedWith('another'), server.requests.length]).toEqual([1, 1, 4]);
  });

  it('goes on trying to keep it fresh while the server is down, without haste', async () => {
    await using server = await startWebServer((_, response) => response.destroy());
    const stopping = new AbortController();
    const clock = new SleepingClock(START + HOUR, ({ slept }) => slept.length > 5 && stopping.abort());
    await providerOf(server, new MemoryStore(first), clock).keepFresh(stopping.signal);
    expect(clock.slept).toEqual([1000, 30_000, 1000, 30_000, 1000, 30_000]);
  });
});
