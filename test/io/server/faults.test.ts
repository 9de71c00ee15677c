import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { parseFault } from '../../../src/core/mock/fault.js';
import { type Clock, type MockServer, type ServerActivity, startMockServer } from '../../../src/index.js';
import { FaultPlayer } from '../../../src/io/server/fault-player.js';
import { StreamClient, streamUrl } from './stream-client.js';

interface FaultLog {
  /** `close:1011@1s now`, … in order. */
  readonly happened: string[];
  /** Resolves when so many have happened. */
  until(count: number): Promise<void>;
}

/** A mock with faults, and what is said about them. */
async function start(faults: string[]): Promise<MockServer & { log: FaultLog }> {
  const happened: string[] = [];
  let wake = () => {};
  const server = await startMockServer({
    rate: 200,
    faults: faults.map(parseFault),
    onActivity: (activity: ServerActivity) => {
      if (activity.kind !== 'fault') return;
      happened.push(`${activity.fault.text} ${activity.phase}`);
      wake();
    },
  });
  const until = async (count: number) => {
    while (happened.length < count) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return Object.assign(server, { log: { happened, until } });
}

const connectAll = (to: MockServer) =>
  Promise.all(
    ['devices', 'agents', 'rules', 'system'].map((name) => new StreamClient(streamUrl(to, name)).opened()),
  );

describe.concurrent('faults on demand', () => {
  it('times count from the first client', async () => {
    await using server = await start(['drop@200ms']);
    await using other = await start(['drop@400ms']);
    await new StreamClient(streamUrl(other)).end;
    expect(server.log.happened).toEqual([]);
    await new StreamClient(streamUrl(server)).end;
    expect(server.log.happened).toEqual(['drop@200ms now']);
  });

  it('frames that are due at once meet the first client', async () => {
    await using server = await start(['refuse:429@0s+1h']);
    expect((await new StreamClient(streamUrl(server)).end).status).toBe(429);
  });

  it.each([
    ['close:1011@500ms', 1011],
    ['close:1012@500ms', 1012],
    ['close:4001@500ms', 4001],
    ['close:1005@500ms', 1005],
    ['drop@500ms', 1006],
    ['garbage@500ms', 1006],
  ])('%s hits all clients', async (text, code) => {
    await using server = await start([text]);
    const clients = await connectAll(server);
    const ends = await Promise.all(clients.map(({ end }) => end));
    expect(ends.map((end) => end.code)).toEqual([code, code, code, code]);
    expect(server.log.happened).toEqual([`${text} now`]);
    // The fault happens once: a client that comes back stays.
    await new StreamClient(streamUrl(server)).received(20);
  });

  it('garbage is no WebSocket frame', async () => {
    await using server = await start(['garbage@100ms']);
    const client = new StreamClient(streamUrl(server));
    const [error] = await once(client.socket, 'error');
    expect(error.message).toMatch(/Invalid WebSocket frame/);
  });

  it('refuse turns new clients away for a while and leaves the others', async () => {
    await using server = await start(['refuse:503@500ms+1s']);
    const inside = await new StreamClient(streamUrl(server)).opened();
    await server.log.until(1);
    expect((await new StreamClient(streamUrl(server)).end).status).toBe(503);
    await inside.received(inside.messages.length + 5);
    await server.log.until(2);
    await new StreamClient(streamUrl(server)).received(1);
    expect(server.log.happened).toEqual(['refuse:503@500ms+1s begins', 'refuse:503@500ms+1s ends']);
    expect(inside.socket.readyState).toBe(inside.socket.OPEN);
  });

  it('stall lets clients in and tells them nothing, not even pongs; then all of it', async () => {
    await using server = await start(['stall@400ms+500ms']);
    const inside = await new StreamClient(streamUrl(server)).opened();
    await inside.received(5);
    await server.log.until(1);
    const late = await new StreamClient(streamUrl(server)).opened();
    const before = inside.messages.length;
    const order: string[] = [];
    inside.socket.on('pong', () => order.push('pong'));
    inside.socket.ping();
    inside.socket.on('message', () => order.push('message'));
    await server.log.until(2);
    // What was on its way when it began may still have come.
    expect(order.length).toBeLessThan(5);
    expect(late.messages).toEqual([]);
    await late.received(1);
    await inside.received(before + 50);
    expect(order).toContain('pong');
  });

  it('a stalled server still ends in time', async () => {
    await using server = await start(['stall@0s+1h']);
    const client = await new StreamClient(streamUrl(server)).opened();
    await server.log.until(1);
    await server.close();
    expect((await client.end).code).toBe(1012);
  });

  it('a range repeats', async () => {
    await using server = await start(['drop@20ms..100ms']);
    for (let count = 1; count <= 3; count++) {
      new StreamClient(streamUrl(server));
      await server.log.until(count);
    }
    // On a slow machine more of them come before this is looked at.
    expect(new Set(server.log.happened)).toEqual(new Set(['drop@20ms..100ms now']));
  });
});

describe('FaultPlayer', () => {
  class NoClients extends Array<never> {
    stall(): void {}
  }

  /** Plays one fault on a clock that runs only while it is waited for, until it has come so often. */
  async function timesOf(text: string, seed: number, often: number): Promise<number[]> {
    let now = 1000;
    const clock: Clock = {
      nowMicros: () => now * 1000,
      monotonicMs: () => now,
      sleep: async (milliseconds) => {
        now += milliseconds;
      },
    };
    const times: number[] = [];
    await new Promise<void>((resolve) => {
      const onFault = () => {
        times.push(now - 1000);
        if (times.length < often) return;
        player.stop();
        resolve();
      };
      const player = new FaultPlayer([parseFault(text)], { clients: new NoClients(), onFault, seed, clock });
      player.begin();
      player.begin();
    });
    return times;
  }

  it('comes after waits in its range, which the seed fixes', async () => {
    const times = await timesOf('drop@10s..60s', 7, 100);
    const waits = times.map((time, index) => time - (times[index - 1] ?? 0));
    for (const wait of waits) expect(wait >= 10_000 && wait <= 60_000).toBe(true);
    expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan(40_000);
    expect(await timesOf('drop@10s..60s', 7, 100)).toEqual(times);
    expect(await timesOf('drop@10s..60s', 8, 100)).not.toEqual(times);
  });

  it('counts the wait for the next one from the end of the last', async () => {
    const [begins, ends, beginsAgain] = await timesOf('stall@1s..2s+30s', 7, 3);
    expect(ends! - begins!).toBe(30_000);
    expect(beginsAgain! - ends!).toBeGreaterThanOrEqual(1000);
    expect(beginsAgain! - ends!).toBeLessThanOrEqual(2000);
  });
});
