import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Failure } from '../../src/core/failure/failure.js';
import { failureOfAnswer, failureOfClose } from '../../src/core/failure/from-server.js';
import type { Consequence } from '../../src/core/failure/rule.js';
import { type FailureKind, failureTable } from '../../src/core/failure/table.js';
import {
  type ConnectionLife,
  type Decision,
  decide,
  initialRetryState,
  LONGEST_RETRY_AFTER_MS,
  parseRetryAfter,
  type RetryOptions,
  type RetryState,
} from '../../src/core/retry.js';

const defaults: RetryOptions = {
  retryDelayMs: 1000,
  retryMaxMs: 30_000,
  retries: undefined,
  waitForServer: false,
  reconnect: true,
  exitOnClose: false,
};
const attempt = { url: new URL('ws://opmas.test/x'), redact: String, nowMs: 0 };
const closed = (code: number) => failureOfClose(code, '');
const refused = (status: number, retryAfterMs?: number): Failure => ({
  ...failureOfAnswer({ status, headers: {} }, attempt),
  retryAfterMs,
});
const failed = (kind: FailureKind): Failure => ({ kind, event: { state: 'refused', error: '' } });
const unreachable = failed('connection refused');
const consequenceOf = ({ kind }: Failure) => failureTable[kind].consequence;
const never: ConnectionLife = { openMs: undefined, events: 0 };
const brief: ConnectionLife = { openMs: 5, events: 0 };
const lively: ConnectionLife = { openMs: 5, events: 1 };
const good: ConnectionLife = { openMs: 10_000, events: 0 };

/** An endpoint that is told one end after another. */
class Endpoint {
  state: RetryState;
  readonly options: RetryOptions;

  constructor(options: Partial<RetryOptions> = {}) {
    this.options = { ...defaults, ...options };
    this.state = initialRetryState(this.options);
  }

  end(failure: Failure, life: ConnectionLife = never, random = 1): Decision {
    const { decision, state } = decide(this.state, failure, life, this.options, random);
    this.state = state;
    return decision;
  }

  /** Waits after ends of the same kind, until it gives up. */
  waits(end: Failure, times: number, life = never, random = 1): number[] {
    const waits: number[] = [];
    for (let i = 0; i < times; i++) {
      const decision = this.end(end, life, random);
      if (decision.action !== 'retry') break;
      waits.push(decision.waitMs);
    }
    return waits;
  }
}

describe('the end of a token as planned', () => {
  const expired: ConnectionLife = { openMs: 30_000, events: 5, isExpiry: true };

  it('is followed by the next attempt at once, if there is a new token', () => {
    const endpoint = new Endpoint();
    for (let i = 0; i < 10; i++) {
      expect(endpoint.end(closed(4001), expired)).toMatchObject({
        renew: true,
        isExpiry: true,
        waitMs: 1000,
      });
    }
    expect(endpoint.end(closed(4001), { ...expired, isExpiry: false })).toMatchObject({ isExpiry: false });
    expect(endpoint.end(closed(1006), expired)).toMatchObject({ isExpiry: false });
  });
});

describe('an endpoint of the same subscription that is back', () => {
  const worked: ConnectionLife = { openMs: 60_000, events: 5 };

  it('ends a wait, but not before the time for which the server has asked', () => {
    expect(new Endpoint().end(unreachable)).toMatchObject({ waitMs: 1000, leastMs: 0 });
    expect(new Endpoint().end(closed(1012), worked)).toMatchObject({ leastMs: 0 });
    expect(new Endpoint().end(refused(503, 7000))).toMatchObject({ waitMs: 7560, leastMs: 7000 });
    const [asked, longest] = [86_400_000, LONGEST_RETRY_AFTER_MS];
    expect(new Endpoint().end(refused(503, asked))).toMatchObject({ waitMs: longest, leastMs: longest });
  });

  it('ends no wait after a rejected token, nor one whose next failure may be the last', () => {
    expect(new Endpoint().end(refused(401))).toMatchObject({ waitMs: 1000, leastMs: 1000 });
    expect(new Endpoint().end(refused(404))).toMatchObject({ waitMs: 1000, leastMs: 1000 });
    const endpoint = new Endpoint();
    endpoint.end(closed(1012), worked);
    expect(endpoint.end(refused(404))).toMatchObject({ leastMs: 0 });
  });
});

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('what an end means (contract section 4)', () => {
  it.each<[Consequence, number[]]>([
    ['normal', [1000]],
    ['renew', [4001, 1008]],
    ['likelyFatal', [1002, 1003, 1007, 1009, 1010]],
    ['retry', [1001, 1005, 1006, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4002, 4999]],
  ])('close: %s', (consequence, codes) => {
    for (const code of codes) expect([code, consequenceOf(closed(code))]).toEqual([code, consequence]);
  });

  it.each<[Consequence, number[]]>([
    ['renew', [401, 403]],
    ['retry', [408, 429, ...range(500, 511), 599]],
    ['likelyFatal', [200, 204, 300, 301, 302, 303, 307, 308, 400, 402, 404, 405, 407, 410, 421, 426, 451]],
  ])('HTTP: %s', (consequence, statuses) => {
    for (const status of statuses)
      expect([status, consequenceOf(refused(status))]).toEqual([status, consequence]);
  });

  it.each<[Consequence, FailureKind[]]>([
    [
      'retry',
      ['connection refused', 'unreachable', 'cut off', 'silent', 'name server fails', 'proxy failing'],
    ],
    ['likelyFatal', ['unknown host', 'not HTTP', 'not a WebSocket', 'no TLS there', 'proxy refuses']],
    ['fatal', ['certificate expired', 'certificate untrusted', 'certificate of another name']],
  ])('no upgrade: %s', (consequence, kinds) => {
    for (const kind of kinds) expect([kind, consequenceOf(failed(kind))]).toEqual([kind, consequence]);
  });
});

describe('giving up', () => {
  it('gives up after 2 failures in a row that another attempt hardly mends', () => {
    for (const end of [closed(1002), refused(404), refused(302)]) {
      const endpoint = new Endpoint();
      expect(endpoint.end(end).action).toBe('retry');
      expect(endpoint.end(end)).toEqual({ action: 'give up' });
    }
  });

  it('tries as often as it was told to, also after such failures', () => {
    for (const end of [closed(1002), refused(404), refused(302)]) {
      expect(new Endpoint({ retries: 4 }).waits(end, 100)).toHaveLength(3);
      expect(new Endpoint({ retries: Number.POSITIVE_INFINITY }).waits(end, 100)).toHaveLength(100);
    }
    // One that lives a second before its fault is no success.
    const slow = { openMs: 1200, events: 0 };
    expect(new Endpoint({ retries: 3 }).waits(closed(1003), 100, slow)).toHaveLength(2);
  });

  it('does not count failures that another end separates', () => {
    const byDefault = new Endpoint();
    for (const failure of [refused(404), unreachable, refused(404)]) {
      expect(byDefault.end(failure).action).toBe('retry');
    }
    const endpoint = new Endpoint({ retries: Number.POSITIVE_INFINITY });
    for (let i = 0; i < 4; i++) {
      expect(endpoint.end(closed(1002), brief).action).toBe('retry');
      expect(endpoint.end(unreachable).action).toBe('retry');
    }
  });

  it('goes on after such failures when it has worked once', () => {
    for (const life of [lively, good]) {
      const endpoint = new Endpoint();
      endpoint.end(closed(1006), life);
      expect(endpoint.waits(closed(1002), 20, brief)).toHaveLength(20);
    }
  });

  it('gives up at once on a certificate that is not trusted, even when it has worked before', () => {
    const endpoint = new Endpoint();
    endpoint.end(closed(1006), good);
    expect(endpoint.end(failed('certificate expired'))).toEqual({ action: 'give up' });
  });

  it('gives up after 5 failed attempts before the first open, and never after it', () => {
    expect(new Endpoint().waits(unreachable, 100)).toHaveLength(4);
    const endpoint = new Endpoint();
    endpoint.end(closed(1006), brief);
    expect(endpoint.waits(unreachable, 100)).toHaveLength(100);
  });

  it('--retries counts failed attempts in a row: one that gave an event or lived a second is none', () => {
    const endpoint = new Endpoint({ retries: 3 });
    for (const life of [lively, { openMs: 1000, events: 0 }]) {
      endpoint.end(unreachable);
      endpoint.end(unreachable);
      expect(endpoint.end(closed(1006), life).action).toBe('retry');
    }
    expect(endpoint.waits(closed(1011), 10, brief)).toHaveLength(2);
    expect(new Endpoint({ retries: 1 }).waits(unreachable, 10)).toHaveLength(0);
    expect(new Endpoint({ retries: Number.POSITIVE_INFINITY }).waits(unreachable, 50)).toHaveLength(50);
  });

  it('--no-reconnect ends at the first end, and tells a normal close from a failure', () => {
    const options = { reconnect: false };
    expect(new Endpoint(options).end(closed(1000), good)).toEqual({ action: 'end' });
    expect(new Endpoint(options).end(closed(1006), good)).toEqual({ action: 'give up' });
    expect(new Endpoint(options).end(closed(4001), brief)).toEqual({ action: 'give up' });
    expect(new Endpoint(options).end(unreachable)).toEqual({ action: 'give up' });
  });

  it('--exit-on-close ends at 1000 only', () => {
    expect(new Endpoint({ exitOnClose: true }).end(closed(1000), brief)).toEqual({
      action: 'end',
    });
    expect(new Endpoint({ exitOnClose: true }).end(closed(1001), brief).action).toBe('retry');
    expect(new Endpoint().end(closed(1000), brief).action).toBe('retry');
  });
});

describe('a refused token', () => {
  const refusals = [closed(4001), closed(1008), refused(401), refused(403)];

  it('is renewed once and tried again; refused again ends it', () => {
    for (const first of refusals) {
      for (const second of refusals) {
        const endpoint = new Endpoint();
        expect(endpoint.end(first, first.event.state === 'closed' ? brief : never)).toMatchObject({
          action: 'retry',
          renew: true,
        });
        expect(endpoint.end(second)).toEqual({ action: 'give up' });
      }
    }
  });

  it('counts anew when the connection in between gave an event or lived a second', () => {
    for (const life of [lively, { openMs: 1000, events: 0 }]) {
      const endpoint = new Endpoint();
      endpoint.end(closed(4001), brief);
      expect(endpoint.end(closed(4001), life)).toMatchObject({ action: 'retry', renew: true });
      expect(endpoint.end(closed(4001), brief)).toEqual({ action: 'give up' });
    }
  });

  it('is reported within 10 s, however long the waits have become', () => {
    const endpoint = new Endpoint();
    endpoint.end(closed(1006), brief);
    endpoint.waits(unreachable, 20);
    expect(endpoint.end(refused(401))).toMatchObject({ action: 'retry', waitMs: 4000 });
    expect(endpoint.end(refused(401))).toEqual({ action: 'give up' });
  });

  it('waits longer and longer when the server accepts and refuses again and again', () => {
    const waits = new Endpoint().waits(closed(4001), 8, { openMs: 1500, events: 0 });
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  });

  it('is not renewed when the path is known to be wrong', () => {
    const endpoint = new Endpoint();
    expect(endpoint.end(failed('endpoint does not exist'))).toMatchObject({ action: 'retry', renew: false });
    expect(endpoint.end(failed('endpoint does not exist'))).toEqual({ action: 'give up' });
  });
});

describe('how long to wait', () => {
  it('doubles from the first to the longest', () => {
    const endpoint = new Endpoint({ retries: Number.POSITIVE_INFINITY });
    expect(endpoint.waits(unreachable, 8)).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    expect(new Endpoint({ retryDelayMs: 300, retryMaxMs: 500, retries: 10 }).waits(unreachable, 3)).toEqual([
      300, 500, 500,
    ]);
    expect(new Endpoint({ retryDelayMs: 5000, retryMaxMs: 100 }).waits(unreachable, 2)).toEqual([100, 100]);
  });

  it('is drawn from the upper half', () => {
    const options = { retries: Number.POSITIVE_INFINITY };
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 }), (chances) => {
        const endpoint = new Endpoint(options);
        chances.forEach((chance, i) => {
          const full = Math.min(30_000, 1000 * 2 ** i);
          const decision = endpoint.end(unreachable, never, chance);
          expect(decision.action).toBe('retry');
          if (decision.action !== 'retry') return;
          expect(decision.waitMs).toBeGreaterThanOrEqual(full / 2);
          expect(decision.waitMs).toBeLessThanOrEqual(full);
        });
      }),
    );
  });

  it('chance spreads clients over the whole upper half', () => {
    const waits = range(0, 99).map((i) => new Endpoint().waits(unreachable, 1, never, i / 100)[0]!);
    const tenths = range(0, 9).map((i) => waits.filter((wait) => Math.floor((wait - 500) / 50) === i).length);
    expect(Math.max(...tenths)).toBeLessThanOrEqual(11);
  });

  it('falls back to the start only after 10 s of open connection', () => {
    const endpoint = new Endpoint();
    expect(endpoint.waits(closed(1006), 3, brief)).toEqual([1000, 2000, 4000]);
    // Neither an event nor nearly ten seconds make a connection good.
    expect(endpoint.waits(closed(1006), 1, { openMs: 9999, events: 500 })).toEqual([8000]);
    expect(endpoint.waits(closed(1006), 1, good)).toEqual([1000]);
    expect(endpoint.waits(closed(1006), 1, brief)).toEqual([2000]);
  });

  it('is as long as the server asked for, and a little longer, so that not all come at once', () => {
    for (const chance of [0, 0.5, 1]) {
      const [wait = 0] = new Endpoint().waits(refused(503, 7000), 1, never, chance);
      expect(wait).toBeGreaterThanOrEqual(7000);
      expect(wait).toBeLessThanOrEqual(7700);
    }
    expect(new Endpoint().waits(refused(429, 10), 1)).toEqual([1000]);
    const [longest = 0] = new Endpoint().waits(refused(503, 86_400_000), 1, never, 0);
    expect(longest).toBe(LONGEST_RETRY_AFTER_MS);
  });
});

/** Every way in which an attempt can end, with how long it took. */
const anyEnd: fc.Arbitrary<[Failure, ConnectionLife]> = fc.oneof(
  fc.tuple(
    fc.oneof(
      fc.constant(unreachable),
      fc.constantFrom(401, 403, 404, 429, 503, 302).map((status) => refused(status)),
      fc.constant(refused(503, 1)),
      fc.constantFrom(failed('not HTTP'), failed('unknown host')),
    ),
    fc.constant(never),
  ),
  fc.tuple(
    fc.constantFrom(1000, 1001, 1002, 1006, 1008, 1009, 1011, 1012, 3000, 4000, 4001).map(closed),
    fc.record({
      openMs: fc.constantFrom(0, 1, 500, 999, 1000, 3000, 9999),
      events: fc.constantFrom(0, 1, 1000),
      isExpiry: fc.boolean(),
    }),
  ),
);

describe('no failure of any kind makes more than 9 attempts in its first minute', () => {
  /**
   * When attempts begin, in milliseconds, from the first end on.
   *
   * @param isWoken Another endpoint comes back during each wait.
   */
  function attempts(
    ends: readonly [Failure, ConnectionLife][],
    chances: readonly number[],
    isWoken: readonly boolean[] = [false],
  ): number[] {
    const endpoint = new Endpoint({ retries: Number.POSITIVE_INFINITY });
    const begins = [0];
    let now = 0;
    let shortenedAt = Number.NEGATIVE_INFINITY;
    ends.forEach(([end, life], i) => {
      now += life.openMs ?? 0;
      const decision = endpoint.end(end, life, chances[i % chances.length] ?? 0);
      if (decision.action !== 'retry') return;
      const wakes = isWoken[i % isWoken.length] === true && now >= shortenedAt + 60_000;
      const waitMs = decision.isExpiry ? 0 : wakes ? decision.leastMs : decision.waitMs;
      if (waitMs < decision.waitMs) shortenedAt = now;
      now += waitMs;
      begins.push(now);
    });
    return begins;
  }

  it('whatever the ends are and whatever chance says', () => {
    fc.assert(
      fc.property(
        fc.array(anyEnd, { minLength: 12, maxLength: 30 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 5 }),
        (ends, chances) => {
          const begins = attempts(ends, chances);
          expect(begins.filter((begin) => begin < 60_000).length).toBeLessThanOrEqual(9);
          // And at most 4 a minute once it has settled.
          for (const begin of begins.filter((one) => one > 60_000)) {
            const minute = begins.filter((one) => one >= begin && one < begin + 60_000);
            expect(minute.length).toBeLessThanOrEqual(5);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('also when other endpoints come back and end its waits', () => {
    const isRefused = ([{ kind }]: [Failure, ConnectionLife]) => failureTable[kind].consequence === 'renew';
    fc.assert(
      fc.property(
        fc.array(
          anyEnd.filter((end) => !isRefused(end)),
          { minLength: 12, maxLength: 30 },
        ),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }),
        (ends, isWoken) => {
          const begins = attempts(ends, [0], isWoken);
          expect(begins.filter((begin) => begin < 60_000).length).toBeLessThanOrEqual(9);
        },
      ),
    );
  });

  it('also when the token of each connection has expired at once, and is renewed each time', () => {
    const expired = [closed(4001), { openMs: 0, events: 1, isExpiry: true }] as [Failure, ConnectionLife];
    const begins = attempts(Array(40).fill(expired), [0]);
    expect(begins.slice(0, 5)).toEqual([0, 0, 0, 0, 4000]);
    expect(begins.filter((begin) => begin < 60_000).length).toBeLessThanOrEqual(9);
  });

  it('with the shortest waits that chance can give', () => {
    for (const end of [unreachable, refused(503), refused(503, 1), closed(1006)]) {
      const life = end.event.state === 'closed' ? brief : never;
      for (const isWoken of [false, true]) {
        const begins = attempts(Array(40).fill([end, life]), [0], [isWoken]);
        expect(begins.filter((begin) => begin < 60_000).length).toBeLessThanOrEqual(9);
      }
    }
  });
});

describe('Retry-After', () => {
  it.each([0, 0.5, 1])('is honored up to five minutes and no longer, whatever chance says (%d)', (random) => {
    const waitAfter = (retryAfterMs: number) => {
      const end = refused(503, retryAfterMs);
      const life = { openMs: undefined, events: 0 };
      return decide(initialRetryState(defaults), end, life, defaults, random).decision;
    };
    expect(waitAfter(LONGEST_RETRY_AFTER_MS)).toMatchObject({ waitMs: LONGEST_RETRY_AFTER_MS });
    expect(waitAfter(7000)).toMatchObject({ waitMs: Math.round(7000 * (1 + random * 0.08)) });
  });

  const now = Date.parse('2026-11-22T12:00:00Z');

  it.each<[string | undefined, number | undefined]>([
    ['7', 7000],
    [' 7 ', 7000],
    ['0', 0],
    ['300', 300_000],
    ['301', LONGEST_RETRY_AFTER_MS],
    ['9999999999', LONGEST_RETRY_AFTER_MS],
    ['Sun, 22 Nov 2026 12:00:30 GMT', 30_000],
    ['Sunday, 22-Nov-26 12:00:30 GMT', 30_000],
    ['Sun Nov 22 12:00:30 2026', 30_000],
    ['Mon, 23 Nov 2026 12:00:00 GMT', LONGEST_RETRY_AFTER_MS],
    ['Sun, 22 Nov 2026 11:59:59 GMT', undefined],
    [undefined, undefined],
    ['', undefined],
    ['soon', undefined],
    ['-5', undefined],
    ['1.5', undefined],
    ['1e3', undefined],
    ['0x10', undefined],
    ['99999999999', undefined],
    ['7, 7', undefined],
    ['2026-11-22T12:00:30Z', undefined],
    ['Sun, 99 Nov 2026', undefined],
    ['Infinity', undefined],
    ['NaN', undefined],
  ])('%s means %s', (header, expected) => {
    expect(parseRetryAfter(header, now)).toBe(expected);
  });

  it('reads a date without a zone as GMT, wherever it runs', () => {
    const zone = process.env.TZ;
    process.env.TZ = 'America/New_York';
    try {
      expect(parseRetryAfter('Sun Nov 22 12:00:30 2026', now)).toBe(30_000);
    } finally {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    }
  });
});
