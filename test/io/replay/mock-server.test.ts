import { afterEach, describe, expect, it } from 'vitest';
import { type Clock, type MockServer, startMockServer } from '../../../src/index.js';
import { storySource } from '../../../src/io/replay/mock-server.js';
import { rawRequest, statusOf } from '../server/raw-client.js';
import { StreamClient, streamUrl } from '../server/stream-client.js';

const servers: MockServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

function keep(server: MockServer): MockServer {
  servers.push(server);
  return server;
}

/** Plays a story to one client of each endpoint. @param slept The time that passes in a sleep. */
async function sentTimes(
  rate: number,
  count: number,
  slept: (milliseconds: number, sent: number) => number,
): Promise<number[]> {
  let now = 0;
  const times: number[] = [];
  const clock: Clock = {
    nowMicros: () => now * 1000,
    monotonicMs: () => now,
    sleep: async (milliseconds) => {
      now += slept(milliseconds, times.length);
    },
  };
  const source = await storySource({ rate, count, seed: 1, clock });
  for (const endpoint of ['devices', 'agents', 'rules', 'system']) {
    source.connect({
      endpoint,
      open: true,
      pending: 0,
      send: () => {
        times.push(now);
        return true;
      },
      ready: async () => undefined,
      drained: async () => undefined,
      close: () => undefined,
      destroy: () => undefined,
    });
  }
  await source.finished;
  return times;
}

const HEALTH = 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

describe('the story of the mock server', () => {
  const options = { rate: 1000, seed: 11 };

  it('goes on for all: who comes late gets what comes late, who leaves disturbs nobody', async () => {
    const server = keep(await startMockServer({ ...options, count: 400 }));
    const first = new StreamClient(streamUrl(server, 'agents'));
    await first.received(50);
    const late = new StreamClient(streamUrl(server, 'agents'));
    const leaving = new StreamClient(streamUrl(server, 'agents'));
    await leaving.received(1);
    leaving.socket.terminate();
    const all = (await first.end).messages;
    const some = (await late.end).messages;
    expect(all.length).toBe(400);
    expect(some.length).toBeLessThan(400);
    expect(some).toEqual(all.slice(-some.length));
  });

  it('is the same for the same seed at any rate, and ends with 1000 after its count', async () => {
    const runs = await Promise.all(
      [500, 2000].map(async (rate) => {
        const server = keep(await startMockServer({ ...options, rate, count: 100 }));
        const clients = ['devices', 'agents', 'rules', 'system'].map(
          (name) => new StreamClient(streamUrl(server, name)),
        );
        const ends = await Promise.all(clients.map(({ end }) => end));
        await server.finished;
        return ends;
      }),
    );
    expect(runs[0]).toEqual(runs[1]);
    expect(runs[0]!.map(({ code, messages }) => [code, messages.length])).toEqual(Array(4).fill([1000, 100]));
  });

  it('lets others run at a rate that no machine can reach', async () => {
    const server = keep(await startMockServer({ rate: 100_000 }));
    const client = new StreamClient(streamUrl(server));
    await client.received(1000);
    // By now it is behind; it serves, lets in and ends all the same.
    expect(statusOf(await rawRequest(server.port, HEALTH))).toBe(200);
    await new StreamClient(streamUrl(server, 'system')).received(1000);
    await server.close();
  });

  it('gives up a schedule that it is far behind, as after a night of suspension', async () => {
    const night = 8 * 3_600_000;
    const times = await sentTimes(1, 4, (milliseconds, sent) => (sent === 8 ? night : milliseconds));
    const waits = times.slice(1).map((time, index) => time - times[index]!);
    expect(waits.length).toBe(15);
    expect(waits.filter((wait) => wait !== 250)).toEqual([night]);
  });

  it.each([3, 7])(
    'sends all events at %d a second by a clock that sleeps to the exact millisecond',
    async (rate) => {
      expect((await sentTimes(rate, 60, (milliseconds) => milliseconds)).length).toBe(240);
    },
  );

  it.each([
    { rate: 0 },
    { rate: -1 },
    { rate: Number.NaN },
    { rate: 1e9 },
    { count: 0 },
    { count: 1.5 },
    { seed: 0.5 },
  ])('refuses %o', async (bad) => {
    await expect(startMockServer(bad)).rejects.toMatchObject({ code: 'USAGE' });
  });
});
