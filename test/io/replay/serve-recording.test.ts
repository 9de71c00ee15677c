import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { formatInvalidLine, formatLifecycleLine } from '../../../src/core/recording/encoder.js';
import {
  compileFilter,
  OpmasError,
  type ReadProblem,
  type ReplayNotice,
  type ReplayServer,
  type ServeRecordingOptions,
  serveRecording,
} from '../../../src/index.js';
import {
  eventLine,
  numbered,
  numberedLines,
  numberOf,
  RecordingFolder,
  stamp,
} from '../../support/recordings.js';
import { StreamClient, streamUrl } from '../server/stream-client.js';

const folder = new RecordingFolder();
afterAll(() => folder[Symbol.dispose]());

async function serve(
  lines: readonly string[] | string,
  options: ServeRecordingOptions = {},
): Promise<ReplayServer> {
  const path = typeof lines === 'string' ? lines : folder.write(lines);
  return await serveRecording(path, { speed: 'max', ...options });
}

/** The messages that a client of that endpoint gets until the server closes it. */
async function messagesOf(
  lines: readonly string[] | string,
  options: ServeRecordingOptions = {},
  endpoint = 'devices',
): Promise<string[]> {
  await using server = await serve(lines, { exitWhenDone: true, ...options });
  return (await new StreamClient(streamUrl(server, endpoint)).end).messages;
}

const countTo = (end: number) => Array.from({ length: end }, (_, i) => i);

describe.concurrent('the stream of a client', () => {
  it('has the very text that was recorded', async () => {
    const frames = [
      '{"type":"device.error","subject":"a.b","data":{"big":123456789012345678901234567890,"f":1.0,"e":1e2}}',
      '{"a":1,"a":2,"b":"\\ud800 \\u0000 é \u2028"}',
      '{"received_at":"not ours","endpoint":"nor this","connection":{"state":"open"},"invalid":{}}',
      `{"long":"${'x'.repeat(70_000)}"}`,
      `{"medium":"${'y'.repeat(300)}"}`,
      `{"deep":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
    ];
    const lines = [
      ...frames.map((frame, i) => eventLine(i, frame)),
      `{"received_at":"${stamp(7)}","endpoint":"devices"}`,
      `{"received_at":"${stamp(8)}","endpoint":"devices" }`,
      ` {"received_at":"${stamp(9)}","endpoint":"devices","n":1}`,
    ];
    const expected = [...frames, '{}', '{ }', ' {"n":1}'];
    expect(await messagesOf(lines)).toEqual(expected);
    expect(await messagesOf(lines, { filter: await compileFilter({ excludeTypes: ['x'] }) })).toEqual(
      expected,
    );
    expect(await messagesOf(lines, { speed: 1 })).toEqual(expected);
  });

  it('has the frames that were no events, binary ones with their very bytes', async () => {
    const binary = Buffer.from([0, 255, 10, 13, 128]);
    const lines = [
      formatInvalidLine(stamp(0), 'devices', 'not JSON', Buffer.from('{"torn":'), false),
      formatInvalidLine(stamp(1), 'devices', 'binary', binary, true),
      formatInvalidLine(stamp(2), 'devices', 'not JSON', Buffer.alloc(0), false),
    ].map((line) => line.toString().trimEnd());
    await using server = await serve([eventLine(0, numbered(0)), ...lines], { exitWhenDone: true });
    const client = new StreamClient(streamUrl(server));
    const got: { data: Buffer; isBinary: boolean }[] = [];
    client.socket.on('message', (data: Buffer, isBinary) => got.push({ data, isBinary }));
    await client.end;
    expect(got.slice(1)).toEqual([
      { data: Buffer.from('{"torn":'), isBinary: false },
      { data: binary, isBinary: true },
      { data: Buffer.alloc(0), isBinary: false },
    ]);
  });

  it('comes from gzip, from lines that jq has rewritten, and from NDJSON of other origin', async () => {
    const path = folder.write(gzipSync(`${numberedLines(0, 50, 1).join('\n')}\n`), 'capture.ndjson.gz');
    expect((await messagesOf(path)).map(numberOf)).toEqual(countTo(50));
    const rewritten = `{ "endpoint": "devices", "data": {"n": 1}, "received_at": "${stamp(0)}" }`;
    expect((await messagesOf([rewritten])).map((text) => JSON.parse(text))).toEqual([{ data: { n: 1 } }]);
    const foreign = [
      '{"type":"rule.triggered","n":1}',
      '{"type":"device.error","n":2}',
      '{"type":"logs.raw"}',
    ];
    expect(await messagesOf(foreign, { speed: 1, rate: 100 }, 'rules')).toEqual([foreign[0]]);
    expect(await messagesOf(foreign, {}, 'devices')).toEqual([foreign[1]]);
    expect(await messagesOf(foreign, {}, 'system')).toEqual([foreign[2]]);
  });

  it('leaves out lines that are not UTF-8, which would cut every client off, and tells of them', async () => {
    const lines = [0, 1, 2].map((n) => eventLine(n, numbered(n)));
    const latin1 = eventLine(1, '{"type":"device.error","subject":"caf\xe9"}');
    const bytes = [lines[0], lines[1], latin1, lines[2]].map((line) => Buffer.from(`${line}\n`, 'latin1'));
    const problems: ReadProblem[] = [];
    const messages = await messagesOf(folder.write(Buffer.concat(bytes)), {
      onProblem: (problem) => problems.push(problem),
    });
    expect(messages.map(numberOf)).toEqual(countTo(3));
    expect(problems.map(({ kind, line }) => [kind, line])).toEqual([['bad line', 3]]);
  });

  it('goes to a documented endpoint, too, when it was recorded by its path', async () => {
    const labels = ['devices', '/api/v1/ws/devices', 'devices'];
    const lines = labels.map((label, i) => eventLine(i, numbered(i), label));
    const messages = await messagesOf(lines);
    expect(messages.map(numberOf)).toEqual(countTo(3));
  });

  it('goes to the endpoint it came from, paths included', async () => {
    const path = '/api/v1/ws/device/42';
    const lines = [
      eventLine(0, numbered(1)),
      eventLine(0, numbered(2), path),
      eventLine(0, numbered(3), 'rules'),
    ];
    await using server = await serve(lines, { exitWhenDone: true });
    const clients = ['devices', 'device/42', 'rules'].map(
      (endpoint) => new StreamClient(streamUrl(server, endpoint)),
    );
    const ends = await Promise.all(clients.map(({ end }) => end));
    expect(ends.map(({ messages }) => messages.map(numberOf))).toEqual([[1], [2], [3]]);
  });

  it('is limited by filters; invalid frames match no filter', async () => {
    const filter = await compileFilter({ where: 'data.n % 10 == 0' });
    const invalid = formatInvalidLine(stamp(0), 'devices', 'not JSON', Buffer.from('x'), false);
    const messages = await messagesOf([invalid.toString().trimEnd(), ...numberedLines(0, 100, 1)], {
      filter,
    });
    expect(messages.map(numberOf)).toEqual(countTo(10).map((n) => n * 10));
  });

  it('is limited by time: offsets from the start, and times of day', async () => {
    const lines = numberedLines(0, 100, 100);
    expect((await messagesOf(lines, { from: 9700 })).map(numberOf)).toEqual([97, 98, 99]);
    expect((await messagesOf(lines, { from: stamp(300), to: 500 })).map(numberOf)).toEqual([3, 4, 5]);
  });

  it('is merged from several files by time', async () => {
    const lines = numberedLines(0, 100, 1);
    const even = folder.write(
      lines.filter((_, i) => i % 2 === 0),
      'even.ndjson',
    );
    const odd = folder.write(
      lines.filter((_, i) => i % 2 === 1),
      'odd.ndjson',
    );
    await using server = await serveRecording([odd, even], { speed: 'max', exitWhenDone: true });
    expect((await new StreamClient(streamUrl(server)).end).messages.map(numberOf)).toEqual(countTo(100));
  });

  it('comes again and again', async () => {
    const twice = await messagesOf(numberedLines(0, 5, 1), { loop: 2, speed: 1 });
    expect(twice.map(numberOf)).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    await using server = await serve(numberedLines(0, 5, 1), { loop: true });
    const messages = await new StreamClient(streamUrl(server)).received(5000);
    expect(messages.slice(0, 5000).map(numberOf)).toEqual(countTo(5000).map((n) => n % 5));
  });

  it('leaves out torn lines, and tells of each once however many read it', async () => {
    const lines = numberedLines(0, 6, 1);
    const torn = lines[1]!.slice(0, 90) + lines[2]!;
    const problems: ReadProblem[] = [];
    await using server = await serve([lines[0]!, torn, lines[3]!, 'rubbish', lines[4]!], {
      onProblem: (problem) => problems.push(problem),
    });
    for (const client of [0, 1].map(() => new StreamClient(streamUrl(server)))) {
      expect((await client.received(3)).map(numberOf)).toEqual([0, 3, 4]);
    }
    expect(problems.map(({ kind, line }) => [kind, line])).toEqual([
      ['bad line', 2],
      ['bad line', 4],
    ]);
  });
});

describe.concurrent('when it is sent', () => {
  it('is not before its time, and in order, at any speed', async () => {
    await using server = await serve(numberedLines(0, 30, 40), { speed: 4, exitWhenDone: true });
    // Its times count from when the client is there.
    const start = performance.now();
    const client = new StreamClient(streamUrl(server));
    const times: number[] = [];
    client.socket.on('message', () => times.push(performance.now() - start));
    expect((await client.end).messages.map(numberOf)).toEqual(countTo(30));
    // Timers count whole milliseconds.
    expect(times.findIndex((time, i) => time < i * 10 - 1)).toBe(-1);
  });

  it('cuts silences of days', async () => {
    const lines = [0, 1, 2].map((n) => eventLine(n * 40 * 86_400_000, numbered(n)));
    expect((await messagesOf(lines, { speed: 1, maxGapMs: 20 })).map(numberOf)).toEqual([0, 1, 2]);
  });

  it('can be paused, stepped through, and gone on with', async () => {
    await using server = await serve(numberedLines(0, 20, 10), { speed: 1, exitWhenDone: true });
    server.pause();
    const client = await new StreamClient(streamUrl(server)).opened();
    expect(server.status).toMatchObject({ paused: true, speed: 1 });
    await stepUntil(server, client, 3);
    expect(client.messages.length).toBeLessThan(20);
    server.setSpeed(0.5);
    expect(server.status.speed).toBe(0.5);
    server.resume();
    expect((await client.end).messages.map(numberOf)).toEqual(countTo(20));
  });

  it.each([{ speed: 1 }, { speed: 'max' }, { speed: 'max', clock: 'shared' }] as const)(
    'sends nothing while it is paused, and a step sends one event, even when more events are due: %o',
    async (how) => {
      const lines = countTo(5).flatMap((n) => [
        eventLine(0, numbered(n, 'rules'), 'rules'),
        eventLine(0, numbered(n)),
      ]);
      await using server = await serve(lines, { ...how, exitWhenDone: true });
      server.pause();
      const client = await new StreamClient(streamUrl(server)).opened();
      await stepUntil(server, client, 1);
      const before = server.eventsSent;
      expect(client.messages.length).toBe(1);
      server.step();
      await client.received(before + 1);
      expect(server.eventsSent).toBe(before + 1);
      server.resume();
      expect((await client.end).messages.map(numberOf)).toEqual(countTo(5));
    },
  );
});

/** A playback begins a moment after its clients have come; steps before that are none. */
async function stepUntil(server: ReplayServer, client: StreamClient, count: number): Promise<void> {
  while (client.messages.length < count) {
    if (server.eventsSent === client.messages.length) server.step();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe.concurrent('the clock of each client', () => {
  it('gives every connection its events from the start', async () => {
    await using server = await serve(numberedLines(0, 10, 1), { speed: 1 });
    const first = new StreamClient(streamUrl(server));
    expect((await first.received(10)).map(numberOf)).toEqual(countTo(10));
    const second = new StreamClient(streamUrl(server));
    expect((await second.received(10)).map(numberOf)).toEqual(countTo(10));
    expect(first.messages.length).toBe(10);
  });

  it('is done when all that came have everything, and goes on serving', async () => {
    await using server = await serve(numberedLines(0, 100, 1));
    const client = new StreamClient(streamUrl(server));
    await server.finished;
    expect((await client.received(100)).length).toBe(100);
    expect(client.socket.readyState).toBe(client.socket.OPEN);
    expect((await new StreamClient(streamUrl(server)).received(100)).length).toBe(100);
  });

  it('stops when its clients leave, and others go on', async () => {
    await using server = await serve(numberedLines(0, 40, 20), { speed: 1, exitWhenDone: true });
    const leaving = new StreamClient(streamUrl(server));
    await leaving.received(1);
    const staying = await new StreamClient(streamUrl(server)).opened();
    leaving.socket.terminate();
    expect((await staying.end).messages.length).toBe(40);
    await server.finished;
  });

  it('closes all clients with 1000 at the end, when asked to', async () => {
    await using server = await serve(numberedLines(0, 3, 1), { exitWhenDone: true });
    expect((await new StreamClient(streamUrl(server)).end).code).toBe(1000);
    await server.finished;
    expect((await new StreamClient(streamUrl(server)).end).code).toBe(1006);
  });
});

describe.concurrent('the shared clock', () => {
  it('starts with the first client; each endpoint that is joined soon misses nothing', async () => {
    const lines = [...numberedLines(0, 20, 100), ...numberedLines(0, 20, 100, 'rules')];
    await using server = await serve(lines, { clock: 'shared', speed: 1, exitWhenDone: true });
    const first = new StreamClient(streamUrl(server, 'devices'));
    await first.received(1);
    const second = new StreamClient(streamUrl(server, 'rules'));
    const ends = await Promise.all([first.end, second.end]);
    expect(ends.map(({ messages }) => messages.length)).toEqual([20, 20]);
  });

  it.each(['client', 'shared'] as const)(
    'serves an endpoint that comes late in the recording (clock %s), and refuses one that never comes',
    async (clock) => {
      const path = '/api/v1/ws/device/42';
      const late = eventLine(3000, numbered(0, path), path);
      await using server = await serve([...numberedLines(0, 3000, 1), late], { clock });
      const at = (pathname: string) => Object.assign(new URL(streamUrl(server)), { pathname }).href;
      expect((await new StreamClient(at('/api/v1/ws/device/43')).end).status).toBe(403);
      expect(await new StreamClient(at(path)).received(1)).toEqual([numbered(0, path)]);
    },
  );

  it('lets late clients join mid-stream', async () => {
    await using server = await serve(numberedLines(0, 20, 10), {
      clock: 'shared',
      speed: 1,
      exitWhenDone: true,
    });
    server.pause();
    const early = await new StreamClient(streamUrl(server)).opened();
    await stepUntil(server, early, 5);
    const seen = server.eventsSent;
    const late = await new StreamClient(streamUrl(server)).opened();
    server.resume();
    const ends = await Promise.all([early.end, late.end]);
    expect(ends[0].messages.map(numberOf)).toEqual(countTo(20));
    expect(ends[1].messages.map(numberOf)).toEqual(countTo(20).slice(seen));
  });

  it.each([1, 'max'] as const)(
    'at speed %s starts again for the next client when it is over and all clients have gone',
    async (speed) => {
      await using server = await serve(numberedLines(0, 20, 1), { clock: 'shared', speed });
      const first = new StreamClient(streamUrl(server));
      await server.finished;
      await first.received(20);
      first.socket.close();
      await first.end;
      while (server.clients > 0) await new Promise((resolve) => setImmediate(resolve));
      expect((await new StreamClient(streamUrl(server)).received(20)).map(numberOf)).toEqual(countTo(20));
    },
  );
});

it('clients of any speed get everything at full speed, unharmed', async () => {
  const lines = countTo(4000).flatMap((n) => [
    eventLine(n, `{"data":{"n":${n}},"pad":"${'z'.repeat((n * 37) % 3000)}"}`),
    eventLine(n, `{"data":{"n":${n}},"pad":"${'y'.repeat((n * 53) % 300)}"}`, 'rules'),
  ]);
  await using server = await serve(lines, { loop: 2, exitWhenDone: true });
  const clients = countTo(6).map(
    (i) => new StreamClient(streamUrl(server, i % 2 === 0 ? 'devices' : 'rules')),
  );
  for (const [i, client] of clients.entries()) {
    // Some of them pause now and then.
    client.socket.on('message', () => {
      if (i > 2 || client.messages.length % (200 + i * 100) > 0) return;
      client.socket.pause();
      setTimeout(() => client.socket.resume(), 5 * i);
    });
  }
  for (const [i, { end }] of clients.entries()) {
    const { messages } = await end;
    const pad =
      i % 2 === 0 ? (n: number) => 'z'.repeat((n * 37) % 3000) : (n: number) => 'y'.repeat((n * 53) % 300);
    const expected = countTo(8000).map((n) => `{"data":{"n":${n % 4000}},"pad":"${pad(n % 4000)}"}`);
    expect(messages.length).toBe(8000);
    expect(messages.findIndex((message, at) => message !== expected[at])).toBe(-1);
  }
});

it.each([
  ['at full speed', { speed: 'max' as const }],
  ['by the clock', { speed: 100, clock: 'shared' as const }],
])('%s, memory for frames is taken once and then used again', async (_title, how) => {
  const lines = countTo(4000).map((n) =>
    eventLine(n / 10, `{"data":{"n":${n}},"pad":"${'z'.repeat(2000)}"}`),
  );
  const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
  await using server = await serve(lines, { ...how, loop: 10, exitWhenDone: true });
  const { messages } = await new StreamClient(streamUrl(server)).end;
  expect(messages.length).toBe(40_000);
  // The frames have 80 MB. At most some chunks are read ahead, played, and on their way to the client.
  const taken = allocate.mock.calls.reduce((sum, [bytes]) => sum + bytes, 0);
  expect(taken).toBeGreaterThan(0);
  expect(taken).toBeLessThan(40_000_000);
});

describe('a client that does not read', () => {
  const bulk = countTo(3000).map((n) => eventLine(n / 10, `{"data":{"n":${n}},"pad":"${'z'.repeat(4000)}"}`));

  it('is ended alone, by its limit, when events have their times', async () => {
    await using server = await serve(bulk, {
      clock: 'shared',
      speed: 0.5,
      exitWhenDone: true,
      limits: { pendingBytes: 1024 * 1024, closePatienceMs: 100 },
    });
    server.pause();
    const [idle, busy] = [new StreamClient(streamUrl(server)), new StreamClient(streamUrl(server))];
    await Promise.all([idle.opened(), busy.opened()]);
    idle.socket.pause();
    server.resume();
    const { code, messages } = await busy.end;
    expect(code).toBe(1000);
    expect(messages.map(numberOf)).toEqual(countTo(3000));
    idle.socket.resume();
    expect((await idle.end).messages.length).toBeLessThan(3000);
  });

  it('is ended alone, by the patience of the others, at full speed', async () => {
    await using server = await serve(bulk, { exitWhenDone: true, loop: 3, limits: { closePatienceMs: 200 } });
    server.pause();
    const [idle, busy] = [new StreamClient(streamUrl(server)), new StreamClient(streamUrl(server))];
    await Promise.all([idle.opened(), busy.opened()]);
    idle.socket.pause();
    server.resume();
    const everything = countTo(9000).map((n) => n % 3000);
    expect((await busy.end).messages.map(numberOf)).toEqual(everything);
    idle.socket.resume();
    const { messages } = await idle.end;
    expect(messages.length).toBeLessThan(9000);
    expect(messages.map(numberOf)).toEqual(everything.slice(0, messages.length));
  });
});

describe.concurrent('requests that cannot be served', () => {
  const timed = numberedLines(0, 3, 1);
  const timeless = ['{"type":"device.error"}'];

  it.each<[string, string[] | string, ServeRecordingOptions, string, RegExp]>([
    ['no such file', '/nowhere/capture.ndjson', {}, 'USAGE', /no such file/],
    ['no times', timeless, { speed: 1 }, 'USAGE', /received_at/],
    [
      'a time that cannot be read',
      ['{"received_at":"yesterday","endpoint":"devices","type":"device.error"}'],
      { speed: 1 },
      'USAGE',
      /:1: received_at is "yesterday", which is no time/,
    ],
    ['an offset without times', timeless, { rate: 1, speed: 1, from: 10 }, 'USAGE', /received_at/],
    ['no recording', ['one', 'two'], {}, 'DATA', /not a recording/],
    ['an empty file', [], {}, 'DATA', /empty/],
    ['a speed of zero', timed, { speed: 0 }, 'USAGE', /speed/],
    ['a negative rate', timed, { rate: -1, speed: 1 }, 'USAGE', /rate/],
    ['a rate at full speed', timed, { rate: 1 }, 'USAGE', /rate/],
    ['half a loop', timed, { loop: 0.5 }, 'USAGE', /loop/],
    ['lifecycle without times', timed, { lifecycle: true }, 'USAGE', /lifecycle/],
    ['lifecycle on many clocks', timed, { lifecycle: true, speed: 1, clock: 'client' }, 'USAGE', /clock/],
    ['a time without its zone', timed, { from: '2026-11-22T21:50:00' }, 'USAGE', /from/],
    ['an end before the start', timed, { from: 5000, to: 1 }, 'USAGE', /to.*before.*from/],
    ['no token secret', timed, { auth: 'secret' }, 'USAGE', /secret/i],
    ['no clock', timed, { clock: 'wall' as 'client' }, 'USAGE', /clock/],
    ['no way to refuse', timed, { refuse: 'x' as 'http' }, 'USAGE', /refused/],
    ['no auth mode', timed, { auth: 'x' as 'none' }, 'USAGE', /auth mode/],
    ['half a loop in words', timed, { loop: 'x' as unknown as number }, 'USAGE', /loop/],
    ['a speed in words', timed, { speed: '2' as unknown as number }, 'USAGE', /speed/],
    ['half a seed', timed, { seed: 1.5 }, 'USAGE', /seed/],
    ['no fault', timed, { faults: ['explode@1s'] }, 'USAGE', /explode/],
  ])('%s', async (_title, lines, options, code, message) => {
    const error = await serve(lines, options).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(OpmasError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('damage within a line of ours, when that is asked for', async () => {
    const [first = '', second = '', third = ''] = timed;
    const lines = [first, second.replace('"data":{', '"data":{,'), third];
    expect(await messagesOf(lines)).toHaveLength(3);
    await using server = await serve(lines, { strict: true });
    const { code, messages } = await new StreamClient(streamUrl(server)).end;
    expect([code, messages.map(numberOf)]).toEqual([1011, [0]]);
    await expect(server.finished).rejects.toThrow(/:2: not a JSON object/);
  });

  it.each([undefined, []])('%j', async (sources) => {
    const serving = serveRecording(sources as string[]);
    await expect(serving).rejects.toMatchObject({ code: 'USAGE', message: 'no recording to serve' });
  });

  it('a replay that is stopped before it begins', async () => {
    const reason = new Error('no time');
    const serving = serve(timed, { signal: AbortSignal.abort(reason) });
    await expect(serving).rejects.toBe(reason);
  });

  it.each([
    ['', {}],
    [' of a recording with lifecycle lines', { lifecycle: true, speed: 1 }],
  ])('nothing that was asked for%s: says so once', async (_title, how) => {
    const notices: ReplayNotice[] = [];
    const options = {
      ...how,
      filter: await compileFilter({ types: ['rule.*'] }),
      onNotice: (notice: ReplayNotice) => notices.push(notice),
    };
    const opening = formatLifecycleLine(stamp(0), 'devices', { state: 'open' }).toString().trimEnd();
    await using server = await serve([opening, ...timed], options);
    for (let i = 0; i < 2; i++) {
      const client = await new StreamClient(streamUrl(server)).opened();
      await server.finished;
      client.socket.close();
      await client.end;
    }
    expect(notices).toEqual([{ kind: 'nothing' }]);
  });

  it('a recording that goes away meanwhile ends the server with an error', async () => {
    const path = folder.write(timed, 'leaving.ndjson');
    await using server = await serve(path);
    rmSync(path);
    const client = new StreamClient(streamUrl(server));
    await expect(server.finished).rejects.toMatchObject({
      message: expect.stringMatching(/leaving\.ndjson/),
    });
    await client.end;
  });
});

it('standard input is kept, so that every client gets all of it', async () => {
  const stdin = Readable.from([Buffer.from(`${numberedLines(0, 10, 1).join('\n')}\n`)]);
  await using server = await serve('-', { stdin });
  for (const client of [0, 1].map(() => new StreamClient(streamUrl(server)))) {
    expect((await client.received(10)).map(numberOf)).toEqual(countTo(10));
  }
});

it('names standard input in what it says of damage when the last events are taken from there', async () => {
  const lines = numberedLines(0, 10, 1).with(3, 'no line');
  const stdin = Readable.from([Buffer.from(`${lines.join('\n')}\n`)]);
  const problems: string[] = [];
  const onProblem = ({ message }: ReadProblem) => problems.push(message);
  const filter = await compileFilter({ where: ['endpoint == "devices"'] });
  const messages = await messagesOf('-', { stdin, last: 2, filter, onProblem });
  expect(messages.map(numberOf)).toEqual([8, 9]);
  expect(problems).toEqual([expect.stringMatching(/^stdin:4: not a JSON object/)]);
});

// A terminal that sends nothing: a read of it never returns.
it.runIf(existsSync('/dev/ptmx')).each([
  ['a stop', ['/dev/ptmx'], 'TimeoutError'],
  ['a copy that fails', ['/dev/zero', '/dev/ptmx'], 'LOCAL'],
])('%s does not wait for the input of a device', (_, sources, reason) => {
  using copies = new RecordingFolder();
  const program = `
    import { serveRecording } from ${JSON.stringify(join(import.meta.dirname, '../../../dist/index.js'))};
    const signal = AbortSignal.timeout(${reason === 'LOCAL' ? 30_000 : 500});
    await serveRecording(${JSON.stringify(sources)}, { signal }).catch((error) => {
      process.stdout.write(error.code === 'LOCAL' ? 'LOCAL' : error.name);
      process.kill(process.pid, 'SIGKILL');
    });`;
  const { stdout } = spawnSync(
    'bash',
    ['-c', 'ulimit -f 4; exec "$0" --input-type=module -e "$1"', process.execPath, program],
    {
      encoding: 'utf8',
      timeout: 20_000,
      killSignal: 'SIGKILL',
      env: { ...process.env, TMPDIR: copies.path },
    },
  );
  expect([stdout, readdirSync(copies.path)]).toEqual([reason, []]);
});
