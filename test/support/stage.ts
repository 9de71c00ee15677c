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
    await Promise.all(servers.map((server) => server.stop()));
  },
  // biome-ignore lint/correctness/noEmptyPattern: vitest wants the pattern
  relay: async ({}, use) => {
    const relays: Relay[] = [];
    await use(async (targetPort) => {
      const relay = await Relay.start(targetPort);
      relays.push(relay);
      return relay;
    });
    await Promise.all(relays.map((relay) => relay.stop()));
  },
  // biome-ignore lint/correctness/noEmptyPattern: vitest wants the pattern
  read: async ({}, use) => {
    const readings: Reading[] = [];
    await use((options) => {
      const reading = new Reading(options);
      readings.push(reading);
      return reading;
    });
    await Promise.all(readings.map((reading) => reading.stop()));
  },
});
