import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConnectionEvent } from '../../../src/core/recording/connection-event.js';
import type { Downtime } from '../../../src/core/replay/downtime.js';
import { LifecycleScript, type ScriptedAnswer } from '../../../src/core/replay/lifecycle-script.js';
import { RecordedAttempts } from '../../../src/core/replay/recorded-attempts.js';

const MS = 1000;

type Entry = [
  milliseconds: number,
  what: 'connecting' | 'event' | 'open' | number | string,
  endpoint?: string,
];

/** A number below 1000 is an HTTP status, one above it a close code; a text is the error of a refusal. */
function connectionOf(what: Entry[1]): ConnectionEvent | undefined {
  if (what === 'event') return undefined;
  if (what === 'connecting') return { state: 'connecting', attempt: 1, url: '', recorder: '', format: 1 };
  if (what === 'open') return { state: 'open' };
  if (typeof what === 'string') return { state: 'refused', error: what };
  return what < 1000 ? { state: 'refused', status: what } : { state: 'closed', code: what, reason: '' };
}

function recordedOf(
  entries: readonly Entry[],
  passLength = (entries.at(-1)?.[0] ?? 0) + 1000,
): RecordedAttempts {
  const recorded = new RecordedAttempts();
  for (const [at, what, endpoint = 'devices'] of entries) {
    recorded.add(endpoint, at * MS, connectionOf(what));
  }
  recorded.endPass(passLength * MS);
  return recorded;
}

function scriptOf(entries: readonly Entry[]): LifecycleScript {
  return new LifecycleScript(recordedOf(entries), 'devices', 1);
}

function downtimesOf(entries: readonly Entry[], passLength?: number, passes = 1): Downtime[] {
  const recorded = recordedOf(entries, passLength);
  const all: Downtime[] = [];
  for (let one = recorded.downtimeAt(0, passes); one !== undefined; ) {
    all.push(one);
    one = recorded.downtimeAt(all.length, passes);
  }
  return all;
}

/** A script whose first connection a client has met. */
function attended(entries: readonly Entry[]): LifecycleScript {
  const script = scriptOf(entries);
  ask(script, 0);
  return script;
}

/** `in@5` or `503@5`, in milliseconds. */
function ask(script: LifecycleScript, milliseconds: number, speed = 1): string {
  return textOf(script.answer(milliseconds * MS, speed));
}

function textOf(answer: ScriptedAnswer): string {
  const what =
    answer.refusal === undefined
      ? 'in'
      : answer.refusal.kind === 'status'
        ? String(answer.refusal.status)
        : answer.refusal.kind;
  return `${what}@${Math.round(answer.at / MS)}`;
}

describe('an attempt', () => {
  const outage: Entry[] = [
    [0, 'connecting'],
    [4, 'open'],
    [5000, 1012],
    [6000, 'connecting'],
    [6010, 503],
    [8000, 'connecting'],
    [8010, 502],
    [20_000, 'connecting'],
    [20_020, 'open'],
    [30_000, 1006],
  ];

  it('at the recorded time gets the recorded answer at the recorded time', () => {
    const script = scriptOf(outage);
    const answers = [1, 6001, 7995, 20_003].map((at) => ask(script, at));
    expect(answers).toEqual(['in@4', '503@6010', '502@8010', 'in@20020']);
  });

  it('too many get more of the same until the downtime is over; the last is held until then', () => {
    const script = attended(outage);
    const answers = [5001, 5100, 5200, 14_000, 15_100, 19_000].map((at) => ask(script, at));
    expect(answers).toEqual(['503@5011', '502@5110', '502@5200', '502@14000', 'in@20020', 'in@20020']);
  });

  it('too few skip refusals whose time has passed: time rules', () => {
    const script = attended(outage);
    expect([8500, 20_500].map((at) => ask(script, at))).toEqual(['502@8510', 'in@20500']);
  });

  it('a little late for a refusal still gets it, also when the next one is due already', () => {
    const script = attended(outage);
    expect([8200, 20_200, 20_240].map((at) => ask(script, at))).toEqual([
      '503@8210',
      '502@20210',
      'in@20240',
    ]);
  });

  it('while a connection is on comes in, however many there are', () => {
    const script = scriptOf(outage);
    expect([100, 100, 4999, 25_000].map((at) => ask(script, at))).toEqual([
      'in@100',
      'in@100',
      'in@4999',
      'in@25000',
    ]);
  });

  it('after the last connection comes in: nothing says that the server was away', () => {
    expect(ask(scriptOf(outage), 31_000)).toBe('in@31000');
  });

  it('after a recording that ends in a downtime is refused until its end', () => {
    const script = scriptOf([
      [0, 'connecting'],
      [4, 503],
      [9000, 'event', 'rules'],
    ]);
    expect([0, 8999, 9000].map((at) => ask(script, at))).toEqual(['503@4', '503@8999', 'in@9000']);
  });

  it('after a connection that no client met comes in for it, until the recorded client came again', () => {
    const refusedToken: Entry[] = [
      [0, 'connecting'],
      [4, 'open'],
      [5, 4001],
      [900, 'connecting'],
      [910, 403],
      [2000, 'event', 'rules'],
    ];
    expect([100, 899].map((at) => ask(scriptOf(refusedToken), at))).toEqual(['in@100', 'in@899']);
    expect(ask(scriptOf(refusedToken), 900)).toBe('403@910');
    // A client that met it does not meet it again.
    expect(ask(attended(refusedToken), 100)).toBe('403@110');
    // A moment it has in any case, and in no case longer than some seconds.
    const [quick, slow] = [100, 60_000].map((next): Entry[] => [
      [0, 'open'],
      [5, 4001],
      [next, 'connecting'],
      [next + 10, 403],
    ]);
    expect(ask(scriptOf(quick!), 120)).toBe('in@120');
    expect(ask(scriptOf(slow!), 5000)).toBe('in@5000');
    expect(ask(scriptOf(slow!), 5006)).toBe('403@5016');
  });

  it('between two connections without a refusal is held for a while, or comes in at once', () => {
    const script = attended([
      [0, 'open'],
      [1000, 1000],
      [2000, 'connecting'],
      [2005, 'open'],
      [3000, 1000],
      [60_000, 'connecting'],
      [60_005, 'open'],
    ]);
    expect([1001, 2500, 3001].map((at) => ask(script, at))).toEqual(['in@2005', 'in@2500', 'in@3001']);
  });

  it('at twice the speed has twice the patience in the schedule', () => {
    const script = attended(outage);
    expect(ask(script, 5001)).toBe('503@5011');
    expect(ask(script, 5002)).toBe('502@5012');
    expect(ask(script, 10_500, 2)).toBe('in@20020');
  });

  it('on an endpoint that the recording does not know comes in', () => {
    const script = new LifecycleScript(recordedOf(outage), 'rules', 1);
    expect(ask(script, 6000)).toBe('in@6000');
  });

  it('is refused in the recorded way', () => {
    const errors = {
      'connection reset': 'reset',
      'closed before the upgrade': 'drop',
      'no upgrade within the time limit': 'silence',
      'no answer (127.0.0.1:8000)': 'silence',
      'garbled upgrade: Invalid Upgrade header': 'drop',
    };
    for (const [error, manner] of Object.entries(errors)) {
      expect(
        ask(
          scriptOf([
            [1, error],
            [900, 'open'],
          ]),
          1,
        ),
      ).toBe(`${manner}@1`);
    }
  });
});

describe('gaps in a recording', () => {
  it('an opening that lies before it: the connection is on from the start', () => {
    for (const first of ['event', 1011] as const) {
      const script = scriptOf([
        [500, first],
        [600, 'connecting'],
        [700, 503],
        [800, 'open'],
      ]);
      expect(ask(script, 0)).toBe('in@0');
    }
  });

  it('an opening that was cut out: events prove it', () => {
    const script = attended([
      [0, 'open'],
      [1000, 1011],
      [1500, 503],
      [4000, 'event'],
    ]);
    expect([1100, 2000].map((at) => ask(script, at))).toEqual(['503@1100', 'in@2000']);
  });
});

it('a connection whose end a killed recorder has not told ended at the latest when the next attempt was made', () => {
  const told: Entry[] = [
    [0, 'open'],
    [3000, 'connecting'],
    [3010, 503],
    [5000, 'connecting'],
    [5010, 'open'],
  ];
  const untold = told.filter(([, what]) => what !== 'connecting');
  for (const entries of [told, untold]) {
    const script = attended(entries);
    expect([2000, 3020, 3500, 5005].map((at) => ask(script, at).replace(/@30[23]0/, '@3010'))).toEqual([
      'in@2000',
      '503@3010',
      'in@5010',
      'in@5010',
    ]);
  }
});

describe('where the clock begins', () => {
  it.each<[string, Entry[], number]>([
    [
      'at the answer to the first attempt',
      [
        [0, 'connecting'],
        [7, 'open'],
      ],
      7,
    ],
    [
      'at the first attempt when its answer took long',
      [
        [0, 'connecting'],
        [3000, 'open'],
      ],
      0,
    ],
    [
      'at the start when the endpoint comes later',
      [
        [0, 'open', 'rules'],
        [500, 'open'],
      ],
      0,
    ],
    ['at the start without any attempts', [[0, 'open', 'rules']], 0],
  ])('%s', (_title, entries, expected) => {
    expect(recordedOf(entries).startFor('devices')).toBe(expected * MS);
  });
});

describe('downtimes', () => {
  const refused = 'connection refused (127.0.0.1:8000)';

  it('lie around attempts that met "connection refused": from the last loss to shortly before the next success', () => {
    const entries: Entry[] = [
      [0, 'open'],
      [1, 'open', 'rules'],
      [1000, 1006],
      [1010, 1006, 'rules'],
      [1500, refused],
      [1600, refused, 'rules'],
      [3500, 'connecting'],
      [3501, 'open'],
      [3600, 'connecting', 'rules'],
      [3601, 'open', 'rules'],
    ];
    const script = scriptOf(entries);
    expect(downtimesOf(entries)).toEqual([{ from: 1010 * MS, to: 2550 * MS }]);
    ask(script, 0);
    // An attempt just before it begins is reset, the nearest to a refusal. After it is over, no attempt is refused again.
    expect(ask(script, 1005)).toBe('unreachable@1005');
    expect([2600, 3500].map((at) => ask(script, at))).toEqual(['in@3501', 'in@3501']);
  });

  it('leave connections of other endpoints alone, and end when one of those is answered', () => {
    const entries: Entry[] = [
      [0, 'open'],
      [1, 'open', 'rules'],
      [2, 'open', 'system'],
      [1000, 1006],
      [1500, refused],
      [3500, 'open'],
    ];
    expect(downtimesOf(entries)).toEqual([{ from: 1000 * MS, to: 2500 * MS }]);
    entries.splice(5, 0, [1600, 1012, 'rules'], [1700, 'connecting', 'rules'], [1710, 'open', 'rules']);
    expect(downtimesOf(entries)).toEqual([{ from: 1000 * MS, to: 1600 * MS }]);
    entries.splice(8, 0, [2000, refused]);
    expect(downtimesOf(entries)).toEqual([
      { from: 1000 * MS, to: 1600 * MS },
      { from: 1855 * MS, to: 2750 * MS },
    ]);
  });

  it('begin after the first attempt of all, which has to be seen', () => {
    const entries: Entry[] = [
      [0, 'connecting'],
      [1, refused],
      [1000, 'connecting'],
      [1001, refused],
      [3001, 'connecting'],
      [3002, 'open'],
    ];
    const script = scriptOf(entries);
    expect(downtimesOf(entries)).toEqual([{ from: 1 * MS, to: 2001 * MS }]);
    expect([1, 3001].map((at) => ask(script, at))).toEqual(['unreachable@1', 'in@3002']);
  });

  it('end when an attempt that was under way is answered; an attempt without an answer proves nothing', () => {
    const begun: Entry[] = [
      [0, 'open'],
      [1000, 1006],
      [1940, 'connecting', 'rules'],
      [1951, refused],
    ];
    const next: Entry = [3500, 'open'];
    expect(downtimesOf([...begun, [1962, 503, 'rules'], next])[0]).toEqual({
      from: 1000 * MS,
      to: 1962 * MS,
    });
    const silent: Entry[] = [...begun, [1962, 'no upgrade within the time limit', 'rules'], next];
    expect(downtimesOf(silent)).toEqual([{ from: 1000 * MS, to: 2725.5 * MS }]);
  });

  it('last until a moment after the end of a recording that ends during one', () => {
    const entries: Entry[] = [
      [0, 'open'],
      [1000, 1006],
      [1500, refused],
      [9000, 'connecting'],
    ];
    expect(downtimesOf(entries)).toEqual([{ from: 1000 * MS, to: 9250 * MS }]);
  });

  it('end soon enough before a success that came long after the last refusal', () => {
    const entries: Entry[] = [
      [0, 'open'],
      [1000, 1006],
      [2000, refused],
      [32_000, 'connecting'],
      [32_001, 'open'],
    ];
    expect(downtimesOf(entries)).toEqual([{ from: 1000 * MS, to: 27_000 * MS }]);
  });
});

it('every pass of a loop is like the first', () => {
  const entries: Entry[] = [
    [0, 'connecting'],
    [2, 503],
    [1000, 'connecting'],
    [1002, 'open'],
    [5000, 1011],
    [5500, 'connecting'],
    [5501, 'connection refused (127.0.0.1:8000)'],
  ];
  const script = new LifecycleScript(recordedOf(entries, 6000), 'devices', 2);
  const times = [1, 1001, 3000];
  const pass = (start: number) => times.map((at) => ask(script, start + at));
  expect(pass(0)).toEqual(['503@2', 'in@1002', 'in@3000']);
  expect(pass(6000)).toEqual(['503@6002', 'in@7002', 'in@9000']);
  expect(downtimesOf(entries, 6000, 2)).toEqual([
    { from: 5000 * MS, to: 5751 * MS },
    { from: 11_000 * MS, to: 11_751 * MS },
  ]);
  const endless = new LifecycleScript(recordedOf(entries, 6000), 'devices', Number.POSITIVE_INFINITY);
  const late = 6000 * 1e9;
  expect(times.map((at) => ask(endless, late + at))).toEqual(
    [2, 1002, 3000].map((at, i) => `${i === 0 ? '503' : 'in'}@${late + at}`),
  );
});

it('in a loop, a connection that the recording leaves open ends with the first attempt of the next pass', () => {
  const entries: Entry[] = [
    [0, 'connecting'],
    [2, 503],
    [1000, 'open'],
    [5000, 'event', 'rules'],
  ];
  const script = new LifecycleScript(recordedOf(entries, 6000), 'devices', 3);
  expect([1, 1000, 6001, 7000, 12_001].map((at) => ask(script, at))).toEqual([
    '503@2',
    'in@1000',
    '503@6002',
    'in@7000',
    '503@12002',
  ]);
});

it('an endpoint whose client stayed away for hours meets what that client met when it came back', () => {
  const script = attended([
    [0, 'open'],
    [1000, 1011],
    [9_000_000, 'connecting'],
    [9_000_010, 503],
    [9_100_000, 'open'],
  ]);
  expect([1100, 6300].map((at) => ask(script, at))).toEqual(['503@1110', '503@6300']);
});

describe('any recording', () => {
  const outcome = fc.constantFrom<number | string>(
    401,
    503,
    502,
    'connection refused (x)',
    'closed before the upgrade',
  );
  const attempt = fc.record({
    /** After the end of the one before. */
    wait: fc.integer({ min: 300, max: 30_000 }),
    latency: fc.integer({ min: 0, max: 200 }),
    refusal: fc.option(outcome, { nil: undefined }),
    lasts: fc.integer({ min: 1, max: 60_000 }),
  });
  const history = fc.array(attempt, { minLength: 1, maxLength: 30 });

  function entriesOf(
    attempts: readonly {
      wait: number;
      latency: number;
      refusal: number | string | undefined;
      lasts: number;
    }[],
  ) {
    const entries: Entry[] = [];
    let now = 0;
    for (const [index, { wait, latency, refusal, lasts }] of attempts.entries()) {
      now += index === 0 ? 0 : wait;
      entries.push([now, 'connecting']);
      now += latency;
      entries.push([now, refusal ?? 'open']);
      if (refusal === undefined) {
        now += lasts;
        entries.push([now, 1011]);
      }
    }
    return entries;
  }

  it('meets a client with the waits of the recorded one with the same fate, however its timers jitter', () => {
    const jitter = fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 30, maxLength: 30 });
    fc.assert(
      fc.property(history, jitter, (attempts, jitters) => {
        const entries = entriesOf(attempts);
        const script = scriptOf(entries);
        const downtimes = downtimesOf(entries);
        const isDown = (at: number) => downtimes.some(({ from, to }) => from <= at * MS && at * MS < to);
        let recorded = 0;
        let now = 0;
        let drift = 0;
        for (const [index, { wait, latency, refusal, lasts }] of attempts.entries()) {
          // Lateness of refusals adds up; the script bears a quarter of a second of it.
          const noise = Math.abs(drift) > 200 ? -Math.sign(drift) * 20 : jitters[index]!;
          const at = now + (index === 0 ? 0 : wait) + noise;
          recorded += (index === 0 ? 0 : wait) + latency;
          // The very first attempt starts the clock, so it is always seen.
          if (index > 0 && isDown(at)) {
            expect(refusal).toBe('connection refused (x)');
            now = at + latency;
          } else {
            const answer = script.answer(at * MS, 1);
            expect(answer.refusal === undefined).toBe(refusal === undefined);
            now = answer.at / MS;
          }
          expect(Math.abs(now - recorded)).toBeLessThanOrEqual(240);
          if (refusal === undefined) {
            recorded += lasts;
            // The end of a connection comes when it was recorded, or at once for a client that comes just after it.
            now = Math.max(now, recorded);
          }
          drift = now - recorded;
        }
      }),
      { numRuns: 500 },
    );
  });

  it('lets every client in while a connection is open, and never answers for the past', () => {
    const moments = fc.array(fc.integer({ min: 0, max: 300_000 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(history, moments, (attempts, times) => {
        const entries = entriesOf(attempts);
        const script = scriptOf(entries);
        for (const at of times.sort((a, b) => a - b)) {
          const answer = script.answer(at * MS, 1);
          expect(answer.at).toBeGreaterThanOrEqual(at * MS);
          const opened = entries.findLast(([time]) => time <= at - 250);
          const following = entries.find(([time]) => time > at - 250);
          if (opened?.[1] === 'open' && (following === undefined || following[0] > at))
            expect(answer.refusal).toBe(undefined);
        }
      }),
    );
  });
});
