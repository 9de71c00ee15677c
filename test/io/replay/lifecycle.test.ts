import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect } from 'vitest';
import {
  parseTimestamp,
  type ReadProblem,
  type ReplayNotice,
  type ReplayServer,
  type ServeRecordingOptions,
  serveRecording,
  tokenFromText,
} from '../../../src/index.js';
import { eventLine, numbered, numberOf, RecordingFolder, stamp } from '../../support/recordings.js';
import { test } from '../../support/stage.js';
import { StreamClient, streamUrl } from '../server/stream-client.js';

const folder = new RecordingFolder();
afterAll(() => folder[Symbol.dispose]());

function lifecycleLine(milliseconds: number, connection: object, endpoint = 'devices'): string {
  return JSON.stringify({ received_at: stamp(milliseconds), connection, endpoint });
}

const connecting = { state: 'connecting', attempt: 1, url: 'ws://x/', recorder: 'test', format: 1 };
const open = { state: 'open' };
const closed = (code: number, reason = '') => ({ state: 'closed', code, reason });

/** Serves lines; what it says goes into `notices`. */
async function serve(
  lines: readonly string[],
  options: ServeRecordingOptions = {},
): Promise<ReplayServer & { notices: ReplayNotice[] }> {
  const notices: ReplayNotice[] = [];
  const server = await serveRecording(folder.write(lines), {
    lifecycle: true,
    onNotice: (notice) => notices.push(notice),
    ...options,
  });
  return Object.assign(server, { notices });
}

/** An attempt with its answer. */
function attempt(milliseconds: number, answer: object, endpoint = 'devices'): string[] {
  return [
    lifecycleLine(milliseconds, connecting, endpoint),
    lifecycleLine(milliseconds + 2, answer, endpoint),
  ];
}

const refused = (how: number | string) =>
  typeof how === 'number' ? { state: 'refused', status: how } : { state: 'refused', error: how };

describe.concurrent('only events that no client got are counted', () => {
  const events = (from: number, end: number, everyMs = 50) =>
    Array.from({ length: end - from }, (_, i) => eventLine((from + i) * everyMs, numbered(from + i)));

  test('after a client leaves in the middle', async () => {
    const lines = [...attempt(0, open), ...events(1, 21, 200), lifecycleLine(4200, closed(1000))];
    await using server = await serve(lines);
    const client = new StreamClient(streamUrl(server));
    const got = (await client.received(5)).length;
    client.socket.terminate();
    await server.finished;
    expect(got).toBeLessThan(10);
    const [{ events: counted } = { events: 0 }] = server.notices as { events: number }[];
    // Some may have been under way to it.
    expect(counted).toBeGreaterThan(20 - got - 3);
    expect(counted).toBeLessThanOrEqual(20 - got);
  });

  test('when a client comes too late for a connection', async () => {
    const lines = [
      ...attempt(0, open, 'rules'),
      ...attempt(0, open),
      ...events(1, 4),
      lifecycleLine(200, closed(1000)),
      eventLine(60_000, numbered(0, 'rules'), 'rules'),
    ];
    await using server = await serve(lines, { speed: 10, exitWhenDone: true });
    const rules = await new StreamClient(streamUrl(server, 'rules')).opened();
    await delay(5600);
    await new StreamClient(streamUrl(server)).opened();
    await rules.end;
    expect(server.notices).toEqual([{ kind: 'unseen', endpoint: 'devices', events: 3 }]);
  });
});

test.concurrent.for([
  ['an endpoint that is not in the recording', ['agents']],
  ['two endpoints, one of them not in the recording', ['devices', 'system']],
] as const)('it ends for %s', async ([, endpoints]) => {
  const lines = [
    ...attempt(0, open),
    ...attempt(0, open, 'rules'),
    eventLine(10, numbered(0)),
    lifecycleLine(20, closed(1006)),
    ...attempt(40, open),
    lifecycleLine(50, closed(1006)),
  ];
  await using server = await serve(lines, { exitWhenDone: true });
  const clients = endpoints.map((endpoint) => new StreamClient(streamUrl(server, endpoint)));
  await server.finished;
  await Promise.all(clients.map(({ end }) => end));
});

describe.concurrent('an outage', () => {
  /** @param startMs The first event comes 10 ms later. */
  const outageFrom = (startMs: number) => [
    ...attempt(0, open),
    eventLine(startMs + 10, numbered(0)),
    lifecycleLine(startMs + 100, closed(1011, 'going down')),
    ...attempt(startMs + 300, refused(503)),
    ...attempt(startMs + 900, open),
    ...[1, 2, 3, 4].map((n) => eventLine(startMs + 900 + n * 20, numbered(n))),
    lifecycleLine(startMs + 1600, closed(1000)),
  ];
  const outage = outageFrom(0);

  test('lasts as long as it did for a client that never waits: more refusals, the same events', async ({
    read,
  }) => {
    await using server = await serve(outage);
    const reading = read({
      url: server.url,
      token: tokenFromText(server.token, 'test'),
      retry: { retryDelayMs: 1, retryMaxMs: 20, retries: Number.POSITIVE_INFINITY, exitOnClose: true },
    });
    await reading.end;
    expect(reading.events.all.map(({ data }) => data?.n)).toEqual([0, 1, 2, 3, 4]);
    const closedAt = reading.lifecycle.all.findIndex(({ connection }) => connection.state === 'closed');
    const reopened = reading.lifecycle.all.findLast(({ connection }) => connection.state === 'open')!;
    const lasted =
      parseTimestamp(reopened.receivedAt)! - parseTimestamp(reading.lifecycle.all[closedAt]!.receivedAt)!;
    // Recorded: 802 ms; it takes a client under load some time to notice an end.
    expect(lasted).toBeGreaterThan(400_000);
  });

  test('costs a client that comes back late no events', async ({ read }) => {
    await using server = await serve(outage);
    const reading = read({
      url: server.url,
      token: tokenFromText(server.token, 'test'),
      random: () => 1,
      retry: { retryDelayMs: 1200, retryMaxMs: 1200, exitOnClose: true },
    });
    await reading.end;
    expect(reading.states).toEqual(['connecting', 'open', 'closed', 'connecting', 'open', 'closed']);
    expect(reading.events.all.map(({ data }) => data?.n)).toEqual([0, 1, 2, 3, 4]);
  });

  test('that the only client does not come back from is reported', async () => {
    await using server = await serve(outage);
    const client = new StreamClient(streamUrl(server));
    expect(await client.end).toMatchObject({ code: 1011, reason: 'going down', messages: [numbered(0)] });
    await server.finished;
    while (server.notices.length < 2) await delay(10);
    expect(server.notices).toEqual([{ kind: 'unseen', endpoint: 'devices', events: 4 }, { kind: 'end' }]);
  });

  test('of one endpoint does not disturb another endpoint', async () => {
    const rules = [
      ...attempt(1, open, 'rules'),
      ...[0, 1, 2].map((n) => eventLine(10 + n * n * 500, numbered(n), 'rules')),
    ];
    const lines = [...outage, ...rules].sort();
    await using server = await serve(lines);
    const devices = new StreamClient(streamUrl(server, 'devices'));
    const others = new StreamClient(streamUrl(server, 'rules'));
    expect((await devices.end).code).toBe(1011);
    expect(others.messages.length).toBeLessThan(3);
    expect(await others.received(3)).toEqual([0, 1, 2].map((n) => numbered(n)));
    expect(others.socket.readyState).toBe(others.socket.OPEN);
  });

  test('happens again in each pass of a loop', async ({ read }) => {
    // On a busy machine, the client needs time to come back for the second pass.
    await using server = await serve(outageFrom(8000), { loop: 2, speed: 2, exitWhenDone: true });
    const reading = read({
      url: server.url,
      token: tokenFromText(server.token, 'test'),
      retry: { retryDelayMs: 1, retryMaxMs: 20, retries: 1000 },
    });
    while (reading.events.all.length < 10) await reading.events.next();
    expect(reading.events.all.map(({ data }) => data?.n)).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    expect(reading.states.filter((state) => state === 'closed').length).toBe(3);
  });
});

describe.concurrent('a refused connection', () => {
  const refusals = ['connection refused (127.0.0.1:1)', 'connection refused (127.0.0.1:1)'].map(refused);
  const lines = [
    ...attempt(0, open),
    lifecycleLine(50, closed(1006)),
    ...attempt(150, refusals[0]!),
    ...attempt(400, refusals[1]!),
    ...attempt(1000, open),
    eventLine(1100, numbered(1)),
  ];

  test('means that nothing listens for that time, not even for plain requests', async () => {
    await using server = await serve(lines);
    const health = server.url.replace('ws', 'http').concat('/health');
    const client = new StreamClient(streamUrl(server));
    expect((await client.end).code).toBe(1006);
    while (server.notices.length === 0) await delay(5);
    expect(server.notices[0]).toEqual({ kind: 'downtime', phase: 'begins' });
    await expect(fetch(health)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    while (server.notices.length === 1) await delay(5);
    expect(server.notices[1]).toEqual({ kind: 'downtime', phase: 'ends' });
    while (
      !(await fetch(health).then(
        ({ ok }) => ok,
        () => false,
      ))
    );
    expect(await new StreamClient(streamUrl(server)).received(1)).toEqual([numbered(1)]);
  });

  test('by a server that has gone does not come back after the server was closed', async () => {
    await using server = await serve(lines);
    expect((await new StreamClient(streamUrl(server)).end).code).toBe(1006);
    while (server.notices.length === 0) await delay(5);
    await server.close();
    await delay(800);
    await expect(fetch(server.url.replace('ws', 'http'))).rejects.toThrow();
  });
});

describe.concurrent('how an attempt is turned away', () => {
  test.for<[number | string, string]>([
    [401, 'Unexpected server response: 401'],
    [502, 'Unexpected server response: 502'],
    ['connection reset', 'ECONNRESET'],
    ['connection refused (127.0.0.1:1)', 'ECONNRESET'],
    ['closed before the upgrade', 'socket hang up'],
    ['no upgrade within the time limit', 'Opening handshake has timed out'],
  ])('%s', async ([how, expected]) => {
    await using server = await serve([...attempt(0, refused(how)), ...attempt(2000, open)]);
    const client = new StreamClient(streamUrl(server), { handshakeTimeout: 500 });
    const errors: string[] = [];
    client.socket.on('error', (error) => errors.push(String(error)));
    const { status } = await client.end;
    expect(status === undefined ? errors[0] : `Unexpected server response: ${status}`).toContain(expected);
  });
});

describe.concurrent('how a connection ends', () => {
  test.for<[number, string, number, string]>([
    [1000, 'bye', 1000, 'bye'],
    [1012, '', 1012, ''],
    [4321, 'ünï', 4321, 'ünï'],
    [1005, '', 1005, ''],
    [1006, 'nothing came for 25 s', 1006, ''],
    [1015, '', 1006, ''],
    [999, '', 1006, ''],
    [5000, 'x', 1006, ''],
  ])('%i %s', async ([code, reason, expectedCode, expectedReason]) => {
    const events = [1, 2, 3].map((n) => eventLine(10, numbered(n)));
    await using server = await serve([
      ...attempt(0, open),
      ...events,
      lifecycleLine(20, closed(code, reason)),
    ]);
    const end = await new StreamClient(streamUrl(server)).end;
    expect(end).toMatchObject({ code: expectedCode, reason: expectedReason });
    expect(end.messages.map(numberOf)).toEqual([1, 2, 3]);
  });

  test('before a client with longer waits has come: it meets the same connections', async () => {
    const lines = [
      ...attempt(0, open),
      eventLine(10, numbered(0)),
      lifecycleLine(100, closed(1011)),
      ...attempt(300, open),
      ...[1, 2, 3].map((n) => eventLine(300 + n * 10, numbered(n))),
      lifecycleLine(400, closed(1006)),
      // The second client has to be there before this.
      ...attempt(4000, open),
      eventLine(4100, numbered(4)),
    ];
    await using server = await serve(lines);
    const first = await new StreamClient(streamUrl(server)).end;
    await delay(800);
    const second = await new StreamClient(streamUrl(server)).end;
    const third = await new StreamClient(streamUrl(server)).received(1);
    expect([first, second].map(({ code, messages }) => [code, messages.map(numberOf)])).toEqual([
      [1011, [0]],
      [1006, [1, 2, 3]],
    ]);
    expect(third.map(numberOf)).toEqual([4]);
    expect(server.notices).toEqual([]);
  });

  test('as the last line: the replay waits for clients that were connected before', async () => {
    const lines = [
      ...attempt(0, open),
      lifecycleLine(100, closed(1011)),
      ...attempt(300, open),
      eventLine(310, numbered(1)),
      lifecycleLine(320, closed(1006)),
    ];
    await using server = await serve(lines, { exitWhenDone: true });
    expect((await new StreamClient(streamUrl(server)).end).code).toBe(1011);
    await delay(1500);
    const { code, messages } = await new StreamClient(streamUrl(server)).end;
    expect([code, messages.map(numberOf)]).toEqual([1006, [1]]);
    await server.finished;
    expect(server.notices).toEqual([]);
  });

  test('at once, as after a refused token: a client that is a little late still meets it', async () => {
    const lines = [
      ...attempt(0, open, 'rules'),
      ...attempt(1, open),
      lifecycleLine(4, closed(4001, 'Authentication failed')),
      ...attempt(600, open),
      eventLine(700, numbered(1)),
    ];
    await using server = await serve(lines);
    await new StreamClient(streamUrl(server, 'rules')).opened();
    await delay(50);
    expect(await new StreamClient(streamUrl(server)).end).toMatchObject({ code: 4001 });
    expect(await new StreamClient(streamUrl(server)).received(1)).toEqual([numbered(1)]);
  });
});

describe.concurrent('later parts of a recording', () => {
  const later = (endpoint: string, ...milliseconds: number[]) =>
    milliseconds.map((at, n) => eventLine(at, numbered(n, endpoint), endpoint));

  test('count from the start: a path of their own is served, another path is not', async () => {
    const path = '/api/v1/ws/device/42';
    const filling = Array.from({ length: 1500 }, (_, n) => eventLine(n * 10, numbered(n), 'rules'));
    await using server = await serve([
      ...attempt(0, open, 'rules'),
      ...filling,
      ...attempt(15_000, open, path),
      ...later(path, 15_010),
    ]);
    const clients = [path, '/api/v1/ws/device/43'].map((one) => {
      const url = new URL(streamUrl(server));
      url.pathname = one;
      return new StreamClient(url.href);
    });
    await clients[0]!.opened();
    expect((await clients[1]!.end).status).toBe(403);
    server.setSpeed(100);
    expect(await clients[0]!.received(1)).toEqual([numbered(0, path)]);
  });
});

test.concurrent('damage that is read ahead is told, or with `strict` an error, when its time comes', async () => {
  const padded = (n: number) =>
    eventLine(n / 4, `{"type":"x","pad":"${'x'.repeat(2000)}","data":{"n":${n}}}`);
  const lines = Array.from({ length: 2000 }, (_, n) => padded(n));
  const path = folder.write([...attempt(0, open), ...lines, '{"torn":', ...lines.slice(0, 10)]);
  const problems: ReadProblem[] = [];
  for (const strict of [false, true]) {
    await using server = await serveRecording(path, {
      lifecycle: true,
      strict,
      onProblem: (problem) => problem.kind !== 'disorder' && problems.push(problem),
    });
    // The index is complete, and no client has come yet.
    await delay(300);
    expect(problems).toEqual([]);
    const client = new StreamClient(streamUrl(server));
    expect((await client.received(1000)).slice(0, 1000).map(numberOf)).toEqual(
      Array.from({ length: 1000 }, (_, n) => n),
    );
    if (strict) await expect(server.finished).rejects.toThrow(/:2003: not a JSON object/);
    else expect(await client.received(2010)).toHaveLength(2010);
    expect(problems.splice(0)).toMatchObject(strict ? [] : [{ line: 2003 }]);
  }
});

test.concurrent('events without a client are reported, at the end at the latest', async () => {
  await using server = await serve([
    ...attempt(0, open),
    ...attempt(0, open, 'rules'),
    ...[1, 2, 3].map((n) => eventLine(10, numbered(n, 'rules'), 'rules')),
    lifecycleLine(50, closed(1000)),
  ]);
  await new StreamClient(streamUrl(server)).end;
  await server.finished;
  expect(server.notices).toEqual([{ kind: 'unseen', endpoint: 'rules', events: 3 }, { kind: 'end' }]);
});

test.concurrent('its length counts from the first line, as its position does', async () => {
  await using server = await serve([
    ...attempt(0, refused(503)),
    ...attempt(60_000, open),
    eventLine(60_010, numbered(0)),
  ]);
  expect(server.status.length).toBe(60_010_000);
});

test.concurrent('a client meets a refusal that was recorded hours later: the whole recording is known from the start', async () => {
  const HOUR_MS = 3_600_000;
  const rules = Array.from({ length: 5000 }, (_, n) => eventLine(200 + n * 1000, numbered(n), 'rules'));
  await using server = await serve([
    ...attempt(0, open),
    eventLine(10, numbered(0)),
    lifecycleLine(100, closed(1012)),
    ...rules,
    ...attempt(2 * HOUR_MS, refused(503)),
    ...attempt(3 * HOUR_MS, open),
    eventLine(3 * HOUR_MS + 10, numbered(1)),
  ]);
  expect((await new StreamClient(streamUrl(server)).end).code).toBe(1012);
  expect((await new StreamClient(streamUrl(server)).end).status).toBe(503);
  expect(server.status.length).toBe((3 * HOUR_MS + 10) * 1000);
});

test.each([1, 1000])(
  'a short loop at speed %d serves every client, and refuses endpoints that it does not have',
  async (speed) => {
    const events = Array.from({ length: 20 }, (_, n) => eventLine(n * 10, numbered(n)));
    await using server = await serve([...attempt(0, open), ...events], { loop: true, speed });
    for (let clients = 0; clients < 3; clients++) await new StreamClient(streamUrl(server)).received(5);
    const elsewhere = new URL(streamUrl(server));
    elsewhere.pathname = '/api/v1/ws/device/42';
    expect((await new StreamClient(elsewhere.href).end).status).toBe(403);
  },
);

test('a short recording that is played again and again is not read far ahead', async () => {
  await using server = await serve([...attempt(0, open, 'rules'), eventLine(10, numbered(0), 'rules')], {
    loop: true,
  });
  const cpu = process.cpuUsage();
  await new StreamClient(streamUrl(server, 'agents')).opened();
  const { user, system } = process.cpuUsage(cpu);
  expect(user + system).toBeLessThan(1_000_000);
});
