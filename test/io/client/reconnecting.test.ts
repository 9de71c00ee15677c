import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import { inspectRecording, parseTimestamp, systemClock } from '../../../src/index.js';
import { close, event, frame, text } from '../../support/raw-frames.js';
import { RecordingFolder } from '../../support/recordings.js';
import { test } from '../../support/stage.js';

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe.concurrent('close codes', () => {
  test.for([...range(1000, 1001), ...range(1011, 1014), 3000, 4000, 4002, 4999])(
    '%i: comes back',
    async (code, { serve, read }) => {
      const server = await serve();
      const reading = read({ url: server.url });
      // Three times, for what is given up is given up after two.
      for (let i = 0; i < 3; i++) {
        (await server.request()).accept().close(code, 'why');
        expect(await reading.state('closed')).toMatchObject({
          code,
          reason: 'why',
          retry_in_ms: expect.any(Number),
        });
      }
      (await server.request()).accept(text(event(1)));
      await reading.event();
    },
  );

  test.for([1002, 1003, 1007, 1009, 1010])('%i: gives up after 2', async (code, { serve, read }) => {
    const server = await serve();
    server.onRequest((client) => client.accept(close(code, 'why')));
    const reading = read({ url: server.url });
    const end = await reading.end;
    expect(end?.code).toBe('NETWORK');
    expect(end?.message).toMatch(new RegExp(`closed with ${code} \\(.+\\): why`));
    expect(server.connections.all).toHaveLength(2);
  });

  test('none (1005), and no close frame at all (1006)', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url });
    (await server.request()).accept().close();
    expect(await reading.state('closed')).toMatchObject({ code: 1005, reason: '' });
    (await server.request()).accept().end();
    expect(await reading.state('closed')).toMatchObject({ code: 1006 });
    (await server.request()).accept().reset();
    expect(await reading.state('closed')).toMatchObject({ code: 1006 });
    (await server.request()).accept(text(event(1)));
    await reading.event();
  });

  test('after an event: the line says that something may be missing, but not for an end that was asked for', async ({
    serve,
    read,
  }) => {
    const server = await serve();
    const reading = read({ url: server.url });
    (await server.request()).accept().close(1012);
    expect((await reading.state('closed')).lost).toBeUndefined();
    (await server.request()).accept(text(event(1)), close(1012));
    expect((await reading.state('closed')).lost).toBe(true);
    (await server.request()).accept(text(event(2)));
    await reading.event();
    await reading.event();
    await reading.stop();
    expect(reading.lifecycle.all.at(-1)?.connection).toEqual({ state: 'closed', code: 1000, reason: '' });
  });

  test('a server that closes and then hangs is left soon', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url });
    const first = await server.request();
    first.answersClose = false;
    first.accept().close(1012);
    expect(await reading.state('closed')).toMatchObject({ code: 1012 });
    (await server.request()).accept(text(event(1)));
    await reading.event();
  });

  test('a stop by the callback that learns of the end waits for no further attempt', async ({
    serve,
    read,
  }) => {
    const server = await serve();
    server.onRequest((client) => client.accept(text(event(1)), close(1011)));
    const stopping = new AbortController();
    let stoppedAt = Number.NaN;
    const { end } = read({
      url: server.url,
      signal: stopping.signal,
      retry: { retryDelayMs: 30_000, retryMaxMs: 30_000 },
      onLifecycle({ connection }) {
        if (connection.state !== 'closed') return;
        stoppedAt = performance.now();
        stopping.abort();
      },
    });
    expect(await end).toBeUndefined();
    expect(performance.now() - stoppedAt).toBeLessThan(5000);
  });

  test('a reason of 123 bytes with control characters arrives as it is', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url });
    const reason = `\u001b[2J\n\u009b31m${'x'.repeat(113)}`;
    expect(Buffer.byteLength(reason)).toBe(123);
    (await server.request()).accept().close(1011, reason);
    expect((await reading.state('closed')).reason).toBe(reason);
  });
});

describe.concurrent('a gap', () => {
  test('is marked from the last byte before it to the open after it', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url });
    (await server.request()).accept(text(event(1)), close(1012));
    (await server.request()).respond('503 Service Unavailable');
    (await server.request()).accept(text(event(2)));
    await reading.events.count(2);
    expect(reading.states).toEqual([
      'connecting',
      'open',
      'closed',
      'connecting',
      'refused',
      'connecting',
      'open',
    ]);
    const [first, second] = reading.events.all;
    const opens = reading.lifecycle.all.filter(({ connection }) => connection.state === 'open');
    expect(opens[0]?.connection).toEqual({ state: 'open' });
    expect(opens[1]?.connection).toEqual({ state: 'open', gap_since: first?.received_at });
    expect(opens[1]!.receivedAt <= second!.received_at).toBe(true);
    await reading.stop();
    const { gaps } = reading.subscription.summary();
    const length = parseTimestamp(opens[1]!.receivedAt)! - parseTimestamp(first!.received_at)!;
    expect(gaps).toEqual({ count: 1, totalMs: length / 1000 });
  });

  test('is none before the first open', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url });
    (await server.request()).respond('503 Service Unavailable');
    (await server.request()).accept(text(event(1)));
    await reading.event();
    expect(reading.lifecycle.all.at(-1)?.connection).toEqual({ state: 'open' });
    expect(reading.subscription.summary().gaps.count).toBe(0);
  });

  test.for([
    ['ahead', 3_600_000_000],
    ['back', -3_600_000_000],
    ['to 1970', -Date.now() * 1000],
  ] as const)(
    'keeps its true length, and the link its life, when the clock is set %s',
    async ([, change], { serve, read }) => {
      const server = await serve();
      let aheadMicros = 0;
      const clock = { ...systemClock, nowMicros: () => systemClock.nowMicros() + aheadMicros };
      const reading = read({ url: server.url, clock, deadAfterMs: 6000 });
      const client = await server.request();
      client.accept(text(event(1)));
      await reading.event();
      // The event is not the sign of life: the link is looked at before the clock is set.
      await delay(700);
      aheadMicros = change;
      // After a suspension the server would have 2.5 s for a sign of life.
      await delay(3500);
      client.text(event(2));
      await reading.event();
      expect(reading.states).toEqual(['connecting', 'open']);
      client.close(1012);
      await reading.state('closed');
      aheadMicros = 0;
      (await server.request()).accept(text(event(3)));
      await reading.event();
      await reading.stop();
      const { count, totalMs } = reading.subscription.summary().gaps;
      expect(count).toBe(1);
      expect(totalMs).toBeGreaterThanOrEqual(0);
      expect(totalMs).toBeLessThan(10_000);
      const times = reading.texts.map((line) => JSON.parse(line));
      const first = times.slice(
        0,
        times.findLastIndex((line) => line.connection?.state === 'connecting'),
      );
      expect(first.map((line) => line.received_at)).toEqual(first.map((line) => line.received_at).sort());
    },
  );

  test('that is still open when the stream ends is counted, and a last line says when that was', async ({
    serve,
    read,
  }) => {
    const server = await serve();
    const reading = read({ url: server.url, retry: { retryDelayMs: 60_000, retryMaxMs: 60_000 } });
    (await server.request()).accept(text(event(1)), close(1012));
    await reading.state('closed');
    await delay(300);
    expect(await reading.stop()).toBeUndefined();
    const { gaps, outages, coverage } = reading.subscription.summary();
    expect(gaps.count).toBe(1);
    // Timers count whole milliseconds, so they may fire up to one early.
    expect(gaps.totalMs).toBeGreaterThan(299);
    expect(reading.states.at(-1)).toBe('stopped');
    // What is recorded gives the same figures.
    using folder = new RecordingFolder();
    const report = await inspectRecording(folder.write(reading.texts));
    expect(report.outageSeconds * 1000).toBeCloseTo(outages.totalMs, 2);
    expect(report.coverage.devices).toBeCloseTo(coverage.devices!, 4);
    expect(report.outages).toMatchObject([{ reason: 'closed 1012 service restart, not open again' }]);
  });

  test('is none when the server closed and that was the end that was asked for', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url, retry: { exitOnClose: true } });
    (await server.request()).accept(text(event(1)), close(1000));
    expect(await reading.end).toBeUndefined();
    expect(reading.subscription.summary().gaps).toEqual({ count: 0, totalMs: 0 });
  });

  test('lines are in the stream in the order of things, with times that never run backwards', async ({
    serve,
    read,
  }) => {
    const server = await serve();
    const reading = read({ url: server.url });
    for (let i = 0; i < 3; i++) {
      (await server.request()).accept(text(event(2 * i)), text(event(2 * i + 1)), close(1001));
      await reading.state('closed');
    }
    await reading.stop();
    const lines = reading.texts.map((line) => JSON.parse(line));
    const words = lines.map((line) => line.connection?.state ?? line.data.number);
    expect(words.slice(0, 15)).toEqual(
      [0, 1, 2].flatMap((i) => ['connecting', 'open', 2 * i, 2 * i + 1, 'closed']),
    );
    const times = lines.map((line) => line.received_at as string);
    expect(times).toEqual([...times].sort());
    for (const time of times) expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  });
});

describe.concurrent('bad networks', () => {
  test('a message that is cut off is not in the stream', async ({ serve, read, relay }) => {
    for (const how of ['cut', 'reset'] as const) {
      const server = await serve();
      const between = await relay(server.port);
      const reading = read({ url: between.url });
      const client = await server.request();
      client.accept(text(event(1)), text(event(2)).subarray(0, -5));
      await reading.event();
      between[how]();
      expect(await reading.state('closed')).toMatchObject({ code: 1006 });
      (await server.request()).accept(text(event(3)));
      await reading.event();
      expect(reading.events.all.map(({ data }) => data?.number)).toEqual([1, 3]);
      expect(reading.invalid.all).toEqual([]);
    }
  });

  test('a link that goes silent is destroyed, and so are attempts that get no answer', async ({
    serve,
    read,
    relay,
  }) => {
    const server = await serve();
    const between = await relay(server.port);
    const reading = read({ url: between.url, deadAfterMs: 600, connectTimeoutMs: 600 });
    server.onRequest((client) => client.accept(text(event(1))));
    await reading.event();
    between.freeze();
    expect(await reading.state('closed')).toMatchObject({ code: 1006, reason: 'nothing came for 0.6 s' });
    expect(await reading.state('refused')).toMatchObject({ error: 'no upgrade within the time limit' });
    between.thaw();
    await reading.event();
  });

  test('data is life, though pings are never answered', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url, deadAfterMs: 1000 });
    const client = await server.request();
    client.accept();
    // Each time when we are asked whether we are still there, and then some.
    for (let i = 0; i < 5; i++) {
      await client.frames.next(({ opcode }) => opcode === 9);
      client.text(event(i));
    }
    await reading.events.count(5);
    expect(reading.states).toEqual(['connecting', 'open']);
  });

  test('pings keep a proxy from cutting an idle link', async ({ serve, read, relay }) => {
    const server = await serve();
    const between = (await relay(server.port)).cutWhenIdle(2000);
    const reading = read({ url: between.url, deadAfterMs: 1000 });
    const client = await server.request();
    client.accept();
    for (let i = 0; i < 6; i++) {
      const { payload } = await client.frames.next(({ opcode }) => opcode === 9);
      client.write(frame({ opcode: 10, payload }));
    }
    expect(between.idleCuts).toBe(0);
    expect(reading.states).toEqual(['connecting', 'open']);
  });

  test('a link that does not answer is asked once, and gets its heartbeats as text', async ({
    serve,
    read,
  }) => {
    const server = await serve();
    const reading = read({ url: server.url, deadAfterMs: 2000, heartbeatMs: 200 });
    const client = await server.request();
    client.accept();
    await reading.state('closed');
    const sent = client.frames.all;
    expect(sent.filter(({ opcode }) => opcode === 9)).toHaveLength(1);
    const beats = sent.filter(({ opcode }) => opcode === 1);
    expect(beats.length).toBeGreaterThan(0);
    for (const { payload } of beats) expect(payload.toString()).toBe('{"type":"ping"}');
    // Text only: a binary frame crashes the real handler.
    expect(sent.filter(({ opcode }) => opcode === 2)).toEqual([]);
  });

  test('the heartbeat can be left out, and its answer is no event', async ({ serve, read }) => {
    const server = await serve();
    const silent = read({ url: server.url, heartbeatMs: false });
    const quiet = await server.request();
    quiet.accept();
    const beating = read({ url: server.url, heartbeatMs: 20 });
    const client = await server.request();
    client.accept();
    for (let i = 0; i < 3; i++) {
      await client.frames.next(({ opcode }) => opcode === 1);
      client.text('{"type":"pong"}');
    }
    client.text('{"type":"pong","subject":"mine"}');
    expect(await beating.event()).toMatchObject({ type: 'pong', subject: 'mine' });
    expect(beating.events.all).toHaveLength(1);
    expect(quiet.frames.all).toEqual([]);
    await silent.stop();
  });

  test('a server that restarts is found again on the same port', async ({ serve, read }) => {
    const server = await serve();
    const { port, url } = server;
    const reading = read({ url, endpoints: ['devices', 'system'], retry: { retries: 1000 } });
    for (let i = 0; i < 2; i++) (await server.request()).accept(text(event(0)));
    await reading.events.count(2);
    for (const client of server.requests.all) client.close(1012);
    await server.stop();
    await reading.state('refused', 'devices');
    const again = await serve({ port });
    again.onRequest((client) => client.accept(text(event(1))));
    await reading.events.count(4);
    expect(reading.subscription.summary().gaps.count).toBe(2);
  });
});
