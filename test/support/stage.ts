import { test as base } from 'vitest';
import { RawServer } from './raw-server.js';
import { Reading, type ReadOptions } from './reading.js';
import { Relay } from './relay.js';

/** What a test can put up; all of it is taken down when the test ends, however it ends. */
export interface Stage {
  /** A TCP server that does what the test says. */
  serve: typeof RawServer.start;
  /** A relay in front of a server. */
  relay(targetPort: number): Promise<Relay>;
  /** A subscription with short waits; reads `devices` without a token unless told otherwise. */
  read(options: ReadOptions): Reading;
}

/** `test` of vitest with a {@link Stage}. */
export const test = base.extend<Stage>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest wants the pattern
  serve: async ({}, use) => {
    const servers: RawServer[] = [];
    await use(async (options) => {
      const server = await RawServer.start(options);
      servers.push(server);
      return server;
    });
    await takeDown(servers);
  },
  // biome-ignore lint/correctness/noEmptyPattern: vitest wants the pattern
  relay: async ({}, use) => {
    const relays: Relay[] = [];
    await use(async (targetPort) => {
      const relay = await Relay.start(targetPort);
      relays.push(relay);
      return relay;
    });
    await takeDown(relays);
  },
  // biome-ignore lint/correctness/noEmptyPattern: vitest wants the pattern
  read: async ({}, use) => {
    const readings: Reading[] = [];
    await use((options) => {
      const reading = new Reading(options);
      readings.push(reading);
      return reading;
    });
    await takeDown(readings);
  },
});

const TAKE_DOWN_LIMIT_MS = 10_000;

/** vitest sets no limit for this, so what does not stop would hold the whole run. */
async function takeDown(all: readonly { stop(): Promise<unknown> }[]): Promise<void> {
  let limit: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    const error = new Error('what a test put up does not stop');
    limit = setTimeout(reject, TAKE_DOWN_LIMIT_MS, error);
  });
  await Promise.race([Promise.all(all.map((one) => one.stop())), tooLong]);
  clearTimeout(limit);
}
