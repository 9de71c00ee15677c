import { OpmasError } from '../../core/errors.js';
import type { MockServer, ServingOptions } from './serving-options.js';
import { type StoryOptions, StorySource } from './story-source.js';
import { StreamServer } from './stream-server.js';
import type { StreamSource } from './stream-source.js';

/** What {@link startMockServer} takes; all of it optional. */
export interface MockServerOptions extends ServingOptions, StoryOptions {}

const HIGHEST_RATE = 100_000;

/**
 * Serves generated events of all twelve types on the four endpoints, as an OPMAS Management API would.
 *
 * The story begins with the first client and goes on for all; at a set `count` the clients are closed with 1000 and
 * the server ends (`finished`).
 *
 * @throws {OpmasError} `USAGE` for bad options, `LOCAL` when the port cannot be had.
 */
export async function startMockServer(options: MockServerOptions = {}): Promise<MockServer> {
  const { rate = 2, count = Number.POSITIVE_INFINITY, seed = 0 } = options;
  if (!(rate > 0 && rate <= HIGHEST_RATE)) {
    throw new OpmasError('USAGE', `a rate is above 0 and at most ${HIGHEST_RATE} events a second`);
  }
  if (!(count === Number.POSITIVE_INFINITY || (Number.isInteger(count) && count > 0))) {
    throw new OpmasError('USAGE', 'a count is a whole number above 0');
  }
  if (!Number.isSafeInteger(seed)) throw new OpmasError('USAGE', 'a seed is a whole number');
  return await startServer(new StorySource(options), options);
}

/**
 * Starts a server for any source of events. It listens when this resolves.
 *
 * @throws {OpmasError} `USAGE` for bad options, `LOCAL` when the port cannot be had.
 */
export async function startServer(source: StreamSource, options: ServingOptions = {}): Promise<MockServer> {
  const server = new StreamServer(source, options);
  await server.start();
  return server;
}
