import { OpmasError } from '../../core/errors.js';
import { type StoryOptions, StorySource } from './story-source.js';
import { type MockServer, type ServingOptions, startServer } from './stream-server.js';

export interface MockServerOptions extends ServingOptions, StoryOptions {}

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
  if (!(rate > 0 && rate <= 1_000_000))
    throw new OpmasError('USAGE', 'rate must be above 0, at most 1000000');
  if (!(count === Number.POSITIVE_INFINITY || (Number.isInteger(count) && count > 0))) {
    throw new OpmasError('USAGE', 'count must be a whole number above 0');
  }
  if (!Number.isSafeInteger(seed)) throw new OpmasError('USAGE', 'seed must be a whole number');
  return await startServer(new StorySource(options), options);
}
