import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ConnectionMessages } from '../../../src/cli/stream/connection-messages.js';
import { paletteFor } from '../../../src/cli/terminal/palette.js';
import type { OutputStream } from '../../../src/cli/terminal/standard-streams.js';
import { Messages } from '../../../src/cli/terminal/terminal.js';
import { type ConnectionEvent, ENDPOINTS, formatTimestamp, OpmasError } from '../../../src/index.js';

const START = Date.UTC(2026, 10, 22, 10, 2, 11);
const CONNECTING = { state: 'connecting', attempt: 1, url: '', recorder: '', format: 2 } as const;
const OPEN = { state: 'open' } as const;
const lost = (waitMs: number, code = 1006) =>
  ({ state: 'closed', code, reason: '', lost: true, retry_in_ms: waitMs }) as const;
const refused = (waitMs: number, status = 503) =>
  ({ state: 'refused', status, retry_in_ms: waitMs }) as const;
const EXPIRED = { state: 'closed', code: 4001, reason: 'expired', lost: true, retry_in_ms: 0 } as const;

/** The connections of a command, and what it prints about them. */
class Stage {
  readonly endpoints: readonly string[];
  readonly messages: ConnectionMessages;
  readonly #kept = new Map<string, NodeJS.Timeout>();
  #printed = '';

  constructor(
    endpoints: readonly string[] = ENDPOINTS,
    options: { isEach?: boolean; quiet?: boolean; isTerminal?: boolean } = {},
  ) {
    this.endpoints = endpoints;
    const stream = new PassThrough();
    stream.on('data', (chunk) => {
      this.#printed += chunk;
    });
    const { isEach, quiet = false, isTerminal = true } = options;
    const output = Object.assign(stream, { isTTY: isTerminal }) as unknown as OutputStream;
    const messages = new Messages(output, palette, {
      isPlain: true,
      quiet,
      debug: false,
      said: {},
    });
    this.messages = new ConnectionMessages(messages, { endpoints }, { utc: true, isEach: isEach ?? quiet });
  }

  /** Something happens to endpoints now, to all if none are named. */
  now(connection: ConnectionEvent, ...endpoints: string[]): void {
    const receivedAt = formatTimestamp(Date.now() * 1000);
    for (const endpoint of endpoints.length === 0 ? this.endpoints : endpoints) {
      this.messages.onLifecycle({ endpoint, receivedAt, connection });
      clearTimeout(this.#kept.get(endpoint));
      // As the stream tells it.
      if (connection.state === 'open')
        this.#kept.set(
          endpoint,
          setTimeout(() => this.messages.onKept(endpoint), 500),
        );
    }
  }

  back(seconds: number, ...endpoints: string[]): void {
    this.now(
      { state: 'open', gap_since: formatTimestamp((Date.now() - seconds * 1000) * 1000) },
      ...endpoints,
    );
  }

  /** Opens all, and forgets what was printed about it. */
  async open(): Promise<this> {
    this.now(CONNECTING);
    this.now(OPEN);
    await pass(1);
    this.lines();
    return this;
  }

  /** The lines since the last call. */
  lines(): string[] {
    const lines = this.#printed.split('\n').slice(0, -1);
    this.#printed = '';
    return lines;
  }
}

const palette = await paletteFor({ isTTY: false } as OutputStream, 'never', {});
const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1000);

beforeEach(() => {
  vi.useFakeTimers({ now: START });
});
afterEach(() => {
  vi.useRealTimers();
});

test('each message in a log file has its date, because many runs may write to it', async () => {
  const stage = new Stage(['devices'], { isTerminal: false });
  stage.now(OPEN);
  await pass(1);
  await pass(24 * 3600);
  stage.now(lost(1000));
  await pass(1);
  expect(stage.lines()).toEqual([
    '2026-11-22 10:02:11 devices  connected',
    '2026-11-23 10:02:12 devices  lost: 1006 abnormal closure, retry in 1s',
  ]);
});

describe('endpoints that are connected within the same moment', () => {
  test('share a line, as soon as all of them are', async () => {
    const stage = new Stage();
    stage.now(CONNECTING);
    for (const endpoint of ENDPOINTS) {
      stage.now(OPEN, endpoint);
      await pass(0.01);
    }
    await pass(0.5);
    expect(stage.lines()).toEqual(['10:02:11 all 4 endpoints  connected']);
  });

  test('share it within a second, without those that are not', async () => {
    const stage = new Stage();
    stage.now(CONNECTING);
    stage.now(OPEN, 'devices', 'system');
    await pass(0.99);
    expect(stage.lines()).toEqual([]);
    await pass(0.01);
    expect(stage.lines()).toEqual(['10:02:11 devices, system  connected']);
    stage.now(OPEN, 'rules');
    await pass(1);
    expect(stage.lines()).toEqual(['10:02:12 rules    connected']);
  });
});

describe('an outage of all endpoints', () => {
  test('is over in one line, a second after the first return at most, also for endpoints that it has woken', async () => {
    const stage = await new Stage().open();
    stage.now(lost(500));
    await pass(2);
    stage.lines();
    stage.back(2, 'rules');
    await pass(0.6);
    stage.back(2.6, 'devices');
    await pass(0.35);
    stage.back(2.95, 'agents');
    await pass(0.05);
    expect(stage.lines()).toEqual([
      '10:02:14 devices, agents, rules  back after 3s: a gap, events may be missing',
    ]);
  });

  test('is told in one line each for the loss, for the refusal, and for the return', async () => {
    const stage = await new Stage().open();
    for (const [i, endpoint] of ENDPOINTS.entries()) stage.now(lost(900 - 100 * i), endpoint);
    // At once: no endpoint is left that could be lost, too.
    expect(stage.lines()).toEqual(['10:02:12 all 4 endpoints  lost: 1006 abnormal closure, retry in 600ms']);
    for (const waitMs of [900, 1800, 3700, 7500]) {
      for (const endpoint of [...ENDPOINTS].reverse()) {
        await pass(waitMs / 4000);
        stage.now(refused(2 * waitMs), endpoint);
      }
    }
    await pass(1);
    expect(stage.lines()).toEqual(['10:02:12 all 4 endpoints  refused with HTTP 503, retry in 1.8s']);
    stage.back(20, 'rules');
    await pass(0.1);
    stage.back(20.1, 'devices', 'agents', 'system');
    await pass(0.6);
    expect(stage.lines()).toEqual([
      '10:02:26 all 4 endpoints  back after 20.1s: a gap, events may be missing',
    ]);
  });

  test('is told in two lines when the losses come apart by a second', async () => {
    const stage = await new Stage().open();
    stage.now(lost(800), 'devices');
    await pass(0.9);
    stage.now(lost(700), 'agents');
    expect(stage.lines()).toEqual([]);
    await pass(0.2);
    expect(stage.lines()).toEqual(['10:02:12 devices, agents  lost: 1006 abnormal closure, retry in 700ms']);
    stage.now(lost(900), 'rules', 'system');
    await pass(1);
    expect(stage.lines()).toEqual(['10:02:13 rules, system  lost: 1006 abnormal closure, retry in 900ms']);
  });

  test('includes an endpoint that had no event yet, and so no gap', async () => {
    const stage = await new Stage(['devices', 'rules']).open();
    stage.now(lost(500));
    await pass(3);
    stage.back(3, 'devices');
    stage.now(OPEN, 'rules');
    await pass(1);
    expect(stage.lines().slice(1)).toEqual([
      '10:02:15 both endpoints  back after 3s: a gap, events may be missing',
    ]);
  });

  test('of which the cause changes is told again', async () => {
    const stage = await new Stage().open();
    stage.now(lost(500));
    for (const status of [503, 502, 502, 503]) {
      await pass(1);
      stage.now(refused(1000, status));
    }
    expect(
      stage
        .lines()
        .slice(1)
        .map((line) => line.slice(9, 48)),
    ).toEqual([
      'all 4 endpoints  refused with HTTP 503,',
      'all 4 endpoints  refused with HTTP 502,',
      'all 4 endpoints  refused with HTTP 503,',
    ]);
  });
});

test('endpoints whose connections are closed at once for their token share a line', async () => {
  const stage = new Stage();
  stage.now(CONNECTING);
  for (const endpoint of ENDPOINTS) {
    stage.now(OPEN, endpoint);
    await pass(0.05);
    stage.now(lost(700, 4001), endpoint);
  }
  await pass(1);
  expect(stage.lines()).toEqual([
    '10:02:11 all 4 endpoints  lost: 4001 authentication failed, retry in 700ms',
  ]);
});

test('a server that opens connections only to close them is one outage', async () => {
  const stage = await new Stage(['devices', 'rules']).open();
  stage.now(lost(500));
  for (let i = 1; i <= 5; i++) {
    await pass(i);
    stage.back(i);
    await pass(0.1);
    stage.now(lost(500, 1011));
  }
  await pass(5);
  stage.back(5);
  await pass(1);
  expect(stage.lines()).toEqual([
    '10:02:12 both endpoints  lost: 1006 abnormal closure, retry in 500ms',
    '10:02:13 both endpoints  lost: 1011 internal error, retry in 500ms',
    '10:02:32 both endpoints  back after 20.5s: a gap, events may be missing',
  ]);
});

describe('an endpoint', () => {
  test('alone has each of its lines at once', () => {
    const stage = new Stage(['devices']);
    stage.now(CONNECTING);
    stage.now(refused(1000));
    stage.now(refused(2000));
    stage.now(OPEN);
    stage.messages.end();
    stage.now(lost(500));
    stage.back(1);
    stage.messages.end();
    expect(stage.lines()).toEqual([
      '10:02:11 devices  refused with HTTP 503, retry in 1s',
      '10:02:11 devices  refused with HTTP 503, retry in 2s',
      '10:02:11 devices  connected',
      '10:02:11 devices  lost: 1006 abnormal closure, retry in 500ms',
      '10:02:11 devices  back after 1s: a gap, events may be missing',
    ]);
  });

  test('that fails differently has its own line, at most a second later', async () => {
    const stage = await new Stage().open();
    stage.now(lost(500, 1011), 'rules');
    stage.now(lost(500, 1012), 'system');
    await pass(1);
    stage.back(1, 'rules');
    await pass(1.5);
    expect(stage.lines()).toEqual([
      '10:02:12 rules    lost: 1011 internal error, retry in 500ms',
      '10:02:12 system   lost: 1012 service restart, retry in 500ms',
      '10:02:13 rules    back after 1s: a gap, events may be missing',
    ]);
  });

  test('that flaps has all its lines, in their order', async () => {
    const stage = await new Stage(['devices', 'rules']).open();
    for (let i = 0; i < 2; i++) {
      stage.now(lost(100), 'rules');
      await pass(0.1);
      stage.back(0.1, 'rules');
      await pass(0.5);
    }
    stage.messages.end();
    expect(stage.lines().map((line) => line.slice(9, 23))).toEqual([
      'rules    lost:',
      'rules    back ',
      'rules    lost:',
      'rules    back ',
    ]);
  });
});

test('fifty endpoints share a line that names some of them, or their number', async () => {
  const many = Array.from({ length: 50 }, (_, i) => `/e${i}`);
  const stage = new Stage(many);
  stage.now(CONNECTING);
  stage.now(OPEN);
  await pass(0.6);
  stage.now(lost(500), ...many.slice(10));
  await pass(1);
  stage.now(lost(600), ...many.slice(0, 10));
  await pass(1);
  expect(stage.lines()).toEqual([
    '10:02:11 all 50 endpoints  connected',
    '10:02:11 /e10, /e11, /e12, /e13, /e14, /e15, /e16, /e17 and 32 more  lost: 1006 abnormal closure, retry in 500ms',
    '10:02:12 /e0, /e1, /e2, /e3, /e4, /e5, /e6, /e7 and 2 more  lost: 1006 abnormal closure, retry in 600ms',
  ]);
});

describe('the planned end of a token', () => {
  test('is one quiet line when it was renewed', async () => {
    const stage = await new Stage().open();
    stage.now(EXPIRED);
    await pass(0.2);
    stage.back(0.3);
    await pass(0.6);
    expect(stage.lines()).toEqual(['10:02:12 all 4 endpoints  token expired, renewed']);
  });

  test('is a loss when it was not renewed, with the time of the loss', async () => {
    for (const then of [refused(1000, 401), { state: 'given_up', failure: '', reason: '' } as const]) {
      const stage = await new Stage().open();
      const time = new Date().toISOString().slice(11, 19);
      stage.now(EXPIRED);
      await pass(20);
      stage.now(then);
      await pass(1);
      expect(stage.lines()[0]).toBe(
        `${time} all 4 endpoints  lost: 4001 authentication failed: expired, retry at once`,
      );
    }
  });
});

test('an endpoint whose last connection was closed at once was not connected', () => {
  const stage = new Stage(['devices']);
  stage.now(OPEN);
  stage.now(lost(1000));
  stage.now(OPEN);
  stage.now({ state: 'closed', code: 1006, reason: '' });
  stage.now({ state: 'given_up', failure: 'closed', reason: '1006' });
  stage.messages.end();
  expect(stage.lines()).toEqual(['10:02:11 devices  lost: 1006 abnormal closure, retry in 1s']);
});

test('an endpoint that the command itself has closed was connected, however briefly', () => {
  const stage = new Stage(['devices']);
  stage.now(OPEN);
  stage.now({ state: 'closed', code: 1000, reason: '' });
  stage.messages.end();
  expect(stage.lines()).toEqual(['10:02:11 devices  connected']);
});

describe('endpoints that are given up', () => {
  const errorOf = (endpoint: string) =>
    new OpmasError('NETWORK', `gave up on ws://127.0.0.1:1/api/v1/ws/${endpoint}: HTTP 404`);

  test('is told together, with names in place of the URLs', async () => {
    for (const [quiet, expected] of [
      [false, ['gave up on all 4 endpoints: HTTP 404']],
      [
        true,
        ENDPOINTS.map((one) => expect.stringContaining(`gave up on ws://127.0.0.1:1/api/v1/ws/${one}: HTTP`)),
      ],
    ] as const) {
      const stage = new Stage(ENDPOINTS, { quiet });
      for (const endpoint of ENDPOINTS) {
        stage.now({ state: 'given_up', failure: '', reason: '' }, endpoint);
        stage.messages.onGiveUp(endpoint, errorOf(endpoint));
      }
      // Errors have the time of the machine.
      expect(stage.lines().map((line) => line.slice(9))).toEqual(expected);
    }
  });
});

test('with --debug each endpoint has its own lines, at once', () => {
  const stage = new Stage(['devices', 'rules'], { isEach: true });
  stage.now(lost(500));
  stage.now(refused(500));
  stage.now(refused(500));
  expect(stage.lines()).toHaveLength(6);
});

test('nothing that is gathered is lost at the end', async () => {
  const stage = await new Stage().open();
  stage.now(lost(500), 'devices');
  stage.now(EXPIRED, 'rules');
  stage.now(OPEN, 'devices');
  stage.messages.end();
  expect(stage.lines()).toHaveLength(3);
});

test('a failure calls no connection connected that the server may not have kept', () => {
  const stage = new Stage(['devices', 'rules']);
  stage.now(OPEN);
  stage.messages.end(true);
  expect(stage.lines()).toEqual([]);
});

test('a date stands before the first line of another day', async () => {
  vi.setSystemTime(Date.UTC(2026, 10, 22, 23, 59, 58));
  const stage = new Stage(['devices']);
  stage.now(refused(1000));
  await pass(3);
  stage.now(refused(1000));
  stage.now(refused(1000));
  expect(stage.lines()).toEqual([
    '23:59:58 devices  refused with HTTP 503, retry in 1s',
    '2026-11-23',
    '00:00:01 devices  refused with HTTP 503, retry in 1s',
  ]);
});
