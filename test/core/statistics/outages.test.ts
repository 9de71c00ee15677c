import { describe, expect, test } from 'vitest';
import type { ConnectionEvent } from '../../../src/core/recording/connection-event.js';
import { formatTimestamp } from '../../../src/core/recording/timestamp.js';
import { ConnectionHistory } from '../../../src/core/statistics/connection-history.js';
import type { ConnectionReport } from '../../../src/core/statistics/connection-report.js';
import { Outages } from '../../../src/core/statistics/outages.js';

const START = Date.UTC(2026, 10, 22) * 1000;
const at = (seconds: number) => START + seconds * 1_000_000;
const time = (seconds: number) => formatTimestamp(at(seconds));

const CONNECTING = { state: 'connecting', attempt: 1, url: '', recorder: '', format: 2 } as const;
const OPEN = { state: 'open' } as const;
const LOST = { state: 'closed', code: 1006, reason: '', lost: true, retry_in_ms: 500 } as const;
const STOPPED = { state: 'closed', code: 1000, reason: '' } as const;
const REFUSED = { state: 'refused', status: 503, retry_in_ms: 500 } as const;
const GIVEN_UP = { state: 'given_up', failure: 'server fails', reason: 'HTTP 503' } as const;
const back = (since: number) => ({ state: 'open', gap_since: time(since) }) as const;

type Entry = readonly [seconds: number, endpoint: string, what: ConnectionEvent | 'event'];

/** Reports lines that come at these seconds; the last line is at `end`. */
function reportOf(entries: readonly Entry[], end: number): ConnectionReport {
  const history = new ConnectionHistory();
  for (const [seconds, endpoint, what] of entries) {
    if (what === 'event') history.heard(endpoint, at(seconds));
    else history.add(endpoint, at(seconds), what);
  }
  return history.finish(at(end));
}

/** The outages, in seconds from the start. */
function outagesOf({ outages }: Pick<ConnectionReport, 'outages'>): unknown[] {
  return outages.map(({ from, to, endpoints, reason }) => [
    (from - START) / 1e6,
    (to - START) / 1e6,
    endpoints.join(' '),
    reason,
  ]);
}

describe('outages', () => {
  test('are the gaps of all endpoints merged: a server that is down is one outage', () => {
    const endpoints = ['devices', 'agents', 'rules', 'system'];
    const report = reportOf(
      [
        ...endpoints.map((name) => [0, name, OPEN] as const),
        ...endpoints.map((name, i) => [10 + i / 10, name, LOST] as const),
        ...endpoints.map((name, i) => [30 + i, name, back(10 + i / 10)] as const),
      ],
      60,
    );
    expect(outagesOf(report)).toEqual([
      [10, 33, 'devices agents rules system', 'closed 1006 abnormal closure'],
    ]);
    expect(report).toMatchObject({ outageCount: 1, outageSeconds: 23, gapCount: 4 });
  });

  test('end with the next event when a second recorder of the server has the endpoint', () => {
    const report = reportOf(
      [
        [0, 'devices', OPEN],
        [9, 'devices', 'event'],
        [10, 'devices', LOST],
        [11, 'devices', 'event'],
        [12, 'devices', { ...CONNECTING, attempt: 2 }],
        [12, 'devices', REFUSED],
        [39, 'devices', 'event'],
        [40, 'devices', { ...CONNECTING, attempt: 3 }],
        [40, 'devices', back(10)],
        // The second one is lost, and nothing more comes.
        [50, 'devices', LOST],
        [60, 'devices', back(50)],
      ],
      60,
    );
    expect(outagesOf(report)).toEqual([
      [10, 11, 'devices', 'closed 1006 abnormal closure'],
      [50, 60, 'devices', 'closed 1006 abnormal closure'],
    ]);
    expect(report.coverage.devices).toBeCloseTo(49 / 60);
  });

  test('do not include the time after a recorder that has ended, while a second one has events', () => {
    const report = reportOf(
      [
        [0, 'devices', OPEN],
        [10, 'devices', STOPPED],
        [11, 'devices', 'event'],
        [60, 'devices', 'event'],
      ],
      60,
    );
    expect(outagesOf(report)).toEqual([]);
    expect(report.coverage.devices).toBeCloseTo(59 / 60);
  });

  test('name each reason once', () => {
    const report = reportOf(
      [
        [0, 'devices', OPEN],
        [0, 'agents', OPEN],
        [0, 'rules', OPEN],
        [10, 'devices', LOST],
        [10, 'agents', { ...LOST, code: 1012 }],
        [10, 'rules', LOST],
        [20, 'devices', back(10)],
        [20, 'agents', back(10)],
        [20, 'rules', back(10)],
      ],
      30,
    );
    expect(outagesOf(report)).toEqual([
      [10, 20, 'devices agents rules', 'closed 1006 abnormal closure; closed 1012 service restart'],
    ]);
  });

  test('that do not touch stay apart; a long gap that ends later joins all that lie in it', () => {
    const gaps = new Outages();
    const add = (endpoint: string, from: number, to: number) =>
      gaps.add({ endpoint, from: at(from), to: at(to), reason: 'lost' });
    add('devices', 10, 20);
    add('devices', 20, 25);
    add('devices', 30, 40);
    add('devices', 50, 60);
    expect(outagesOf({ outages: gaps.list() })).toEqual([
      [10, 25, 'devices', 'lost'],
      [30, 40, 'devices', 'lost'],
      [50, 60, 'devices', 'lost'],
    ]);
    add('agents', 35, 100);
    expect(outagesOf({ outages: gaps.list() })).toEqual([
      [10, 25, 'devices', 'lost'],
      [30, 100, 'devices agents', 'lost'],
    ]);
    add('rules', 26, 28);
    expect(gaps).toMatchObject({ count: 3, micros: 87e6 });
  });

  test('reach to the end for an endpoint that did not come back, was given up, or never opened', () => {
    const report = reportOf(
      [
        [0, 'devices', OPEN],
        [0, 'rules', CONNECTING],
        [1, 'rules', REFUSED],
        [2, 'rules', GIVEN_UP],
      ],
      60,
    );
    expect(outagesOf(report)).toEqual([[0, 60, 'rules', 'HTTP 503, given up']]);
    expect(outagesOf(reportOf([[0, 'rules', CONNECTING]], 60))).toEqual([
      [0, 60, 'rules', 'no answer, never open'],
    ]);
    const lostFor50 = reportOf(
      [
        [0, 'rules', OPEN],
        [5, 'rules', 'event'],
        [10, 'rules', LOST],
      ],
      60,
    );
    expect(outagesOf(lostFor50)).toEqual([[10, 60, 'rules', 'closed 1006 abnormal closure, not open again']]);
    const { lost: _, ...quiet } = LOST;
    const givenUp = reportOf(
      [
        [0, 'rules', OPEN],
        [10, 'rules', quiet],
        [12, 'rules', GIVEN_UP],
      ],
      60,
    );
    expect(outagesOf(givenUp)).toEqual([[10, 60, 'rules', 'closed 1006 abnormal closure, given up']]);
  });

  test('do not count a first attempt that is under way: the command had what it wanted before it was done', () => {
    const entries: Entry[] = [
      [0, 'devices', OPEN],
      [0, 'devices', 'event'],
      [0, 'rules', CONNECTING],
    ];
    const report = reportOf(entries, 0.05);
    expect(report).toMatchObject({ outageCount: 0, down: [], coverage: { devices: 1, rules: 0 } });
    const refused = reportOf([...entries, [0.02, 'rules', REFUSED]], 0.05);
    expect(outagesOf(refused)).toEqual([[0, 0.05, 'rules', 'HTTP 503, never open']]);
    // A server that does not answer keeps an attempt under way.
    expect(outagesOf(reportOf(entries, 3))).toEqual([[0, 3, 'rules', 'no answer, never open']]);
  });

  test('of endpoints that never opened, or were given up, stand by themselves and hide no others', () => {
    const report = reportOf(
      [
        [0, 'devices', OPEN],
        [0, 'agents', OPEN],
        [0, 'system', OPEN],
        [0, 'rules', CONNECTING],
        [0, '/other', CONNECTING],
        [1, 'rules', REFUSED],
        [1, '/other', REFUSED],
        [2, 'rules', GIVEN_UP],
        [3, '/other', GIVEN_UP],
        [10, 'devices', LOST],
        [11, 'agents', LOST],
        [20, 'devices', back(10)],
        [20, 'agents', back(11)],
        [30, 'system', LOST],
        [31, 'system', { ...GIVEN_UP, gap_since: time(30) }],
        [50, 'agents', LOST],
        [52, 'devices', LOST],
      ],
      60,
    );
    const notAgain = 'closed 1006 abnormal closure, not open again';
    expect(outagesOf(report)).toEqual([
      [0, 60, 'rules /other', 'HTTP 503, given up'],
      [10, 20, 'devices agents', 'closed 1006 abnormal closure'],
      [30, 60, 'system', 'closed 1006 abnormal closure, given up'],
      [50, 60, 'agents devices', notAgain],
    ]);
    // The total is the time in which something was missing.
    expect(report).toMatchObject({ outageCount: 4, outageSeconds: 60 });
    // Each endpoint stands once in what is down at the end, since its own loss.
    expect(report.down.map(({ endpoint, from }) => [endpoint, (from - START) / 1e6])).toEqual([
      ['devices', 52],
      ['agents', 50],
      ['system', 30],
      ['rules', 0],
      ['/other', 0],
    ]);
  });

  test('say that a token has expired as planned', () => {
    const expired = { state: 'closed', code: 4001, reason: '', lost: true, retry_in_ms: 0 } as const;
    const lines = (closed: typeof expired | { retry_in_ms: number }) =>
      reportOf(
        [
          [0, 'devices', OPEN],
          [10, 'devices', { ...expired, ...closed }],
          [11, 'devices', back(10)],
        ],
        20,
      );
    expect(outagesOf(lines(expired))).toEqual([[10, 11, 'devices', 'token expired']]);
    const rejected = [10, 11, 'devices', 'closed 4001 authentication failed'];
    expect(outagesOf(lines({ retry_in_ms: 500 }))).toEqual([rejected]);
  });

  test('begin with the silence of a dead link, also when the recording ends before it is back', () => {
    const dead = { ...LOST, reason: 'nothing came for 25 s' };
    const report = reportOf(
      [
        [0, 'devices', OPEN],
        [15, 'devices', 'event'],
        [40, 'devices', dead],
      ],
      60,
    );
    const reason = 'closed 1006 abnormal closure: nothing came for 25 s, not open again';
    expect(outagesOf(report)).toEqual([[15, 60, 'devices', reason]]);
    expect(report.coverage).toEqual({ devices: 0.25 });
  });

  test('are not before the first event of an endpoint, nor after an end that was wanted', () => {
    const report = reportOf(
      [
        [0, 'devices', CONNECTING],
        [1, 'devices', REFUSED],
        [20, 'devices', OPEN],
        [30, 'devices', STOPPED],
      ],
      60,
    );
    expect(outagesOf(report)).toEqual([]);
  });

  test('beyond 10,000 are counted, and the latest are listed', () => {
    const outages = new Outages();
    for (let i = 0; i < 10_500; i++) {
      outages.add({ endpoint: `e${i % 7}`, from: at(10 * i), to: at(10 * i + 1), reason: 'lost' });
    }
    expect(outages).toMatchObject({ count: 10_500, micros: 10_500e6 });
    expect(outages.list()).toHaveLength(10_000);
    expect(outages.list().at(-1)!.to).toBe(at(104_991));
    // A gap that reaches back to outages that are no longer listed does not count their time again.
    outages.add({ endpoint: 'slow', from: at(0), to: at(105_000), reason: 'lost' });
    expect(outages.micros).toBeLessThanOrEqual(105_000e6);
  });

  test('name a bounded number of endpoints, and a bounded reason', () => {
    const outages = new Outages();
    for (let i = 0; i < 5000; i++) {
      outages.add({ endpoint: `/e${i}`, from: at(0), to: at(1), reason: `reason ${i}` });
    }
    const [outage] = outages.list();
    expect(outage!.endpoints).toHaveLength(100);
    expect(outage!.reason.length).toBeLessThan(300);
  });
});

describe('coverage', () => {
  test('is the share of the time from the first attempt to the last line in which an endpoint was open', () => {
    const { coverage } = reportOf(
      [
        [0, 'devices', CONNECTING],
        [0, 'devices', OPEN],
        [0, 'rules', CONNECTING],
        [1, 'rules', REFUSED],
        [25, 'rules', OPEN],
        [50, 'agents', CONNECTING],
        [50, 'system', CONNECTING],
        [50, 'system', OPEN],
        [60, 'devices', LOST],
        [80, 'devices', back(60)],
      ],
      100,
    );
    expect(coverage).toEqual({ devices: 0.8, rules: 0.75, agents: 0, system: 1 });
  });

  test('ends with the last event of a recorder that was killed, and begins again with the next', () => {
    const killed: Entry[] = [
      [0, 'devices', CONNECTING],
      [0, 'devices', OPEN],
      [40, 'devices', 'event'],
      [80, 'devices', CONNECTING],
    ];
    expect(reportOf([...killed, [80, 'devices', OPEN]], 100).coverage).toEqual({ devices: 0.6 });
    const refused = reportOf([...killed, [80, 'devices', REFUSED]], 100);
    expect(refused.coverage).toEqual({ devices: 0.4 });
    expect(outagesOf(refused)).toEqual([[40, 100, 'devices', 'not recorded, not open again']]);
  });

  test('of a part of a rotated recording begins with the part', () => {
    const lines: Entry[] = [
      [100, 'devices', { ...CONNECTING, continued: true }],
      [100, 'devices', { ...OPEN, continued: true }],
      [150, 'devices', LOST],
    ];
    expect(reportOf(lines, 200).coverage).toEqual({ devices: 0.5 });
    // Behind the part before.
    expect(reportOf([[0, 'devices', OPEN], ...lines], 200).coverage).toEqual({ devices: 0.75 });
  });

  test('does not count the silence of a link that was dead, or of a process that was stopped', () => {
    const lines: Entry[] = [
      [0, 'devices', OPEN],
      [80, 'devices', LOST],
      [80, 'devices', back(20)],
    ];
    expect(reportOf(lines, 100).coverage).toEqual({ devices: 0.4 });
  });

  test('counts an event as a sign of life where filters took away the line of its connection', () => {
    const { coverage } = reportOf(
      [
        [0, 'devices', 'event'],
        [50, 'devices', 'event'],
        [60, 'devices', LOST],
      ],
      100,
    );
    expect(coverage).toEqual({ devices: 0.6 });
  });

  test('does not count connections that a server opened only to refuse them: there is an outage from the first attempt', () => {
    const rejected = { state: 'closed', code: 4001, reason: '', retry_in_ms: 500 } as const;
    const rounds = (openSeconds: number): Entry[] =>
      [0, 20, 40].flatMap((seconds): Entry[] => [
        [seconds, 'devices', CONNECTING],
        [seconds, 'devices', OPEN],
        [seconds + openSeconds, 'devices', rejected],
      ]);
    const atOnce = reportOf(rounds(0.5), 100);
    expect(atOnce.coverage).toEqual({ devices: 0 });
    expect(outagesOf(atOnce)).toEqual([[0, 100, 'devices', 'closed 4001 authentication failed, never open']]);
    const refuses = { ...GIVEN_UP, failure: 'endpoint refuses' } as const;
    const givenUp = reportOf([...rounds(10), [50, 'devices', refuses]], 100);
    expect(givenUp.coverage).toEqual({ devices: 0 });
    expect(outagesOf(givenUp)).toEqual([[0, 100, 'devices', 'closed 4001 authentication failed, given up']]);
    const quiet: Entry[] = [
      [0, 'devices', CONNECTING],
      [0, 'devices', OPEN],
      [80, 'devices', rejected],
      [90, 'devices', refuses],
    ];
    expect(reportOf(quiet, 100).coverage).toEqual({ devices: 0.8 });
    // A recording whose part begins right before the end of a long connection.
    const part: Entry[] = [
      [0, 'devices', { ...CONNECTING, continued: true }],
      [0, 'devices', { ...OPEN, continued: true }],
      [0.5, 'devices', rejected],
      [0.75, 'devices', OPEN],
    ];
    expect(reportOf(part, 1).coverage).toEqual({ devices: 0.75 });
    // A quiet endpoint whose token expires was open.
    const expired = reportOf(
      [...rounds(10), [50, 'devices', { ...GIVEN_UP, failure: 'token rejected' }]],
      100,
    );
    expect(expired.coverage).toEqual({ devices: 0.3 });
  });

  test('is unknown without any lifecycle line, and without times', () => {
    expect(reportOf([[0, 'devices', 'event']], 100).coverage).toEqual({});
    expect(reportOf([[Number.NaN, 'devices', OPEN]], Number.NEGATIVE_INFINITY).coverage).toEqual({});
  });

  test('is 0 to 1 also when the lines are not in the order of their times', () => {
    const { coverage } = reportOf(
      [
        [50, 'devices', OPEN],
        [10, 'devices', LOST],
        [90, 'devices', OPEN],
      ],
      40,
    );
    expect(Object.values(coverage).every((share) => share >= 0 && share <= 1)).toBe(true);
  });
});
