import { Readable } from 'node:stream';
import { type StoryStep, tellStory } from '../../core/mock/story.js';
import type { OptionRules } from '../../core/options.js';
import { type Clock, systemClock } from '../clock.js';
import {
  checkServing,
  type MockServer,
  SERVING_RULES,
  type ServingOptions,
} from '../server/serving-options.js';
import { StreamServer } from '../server/stream-server.js';
import { planOf } from './replay-plan.js';
import { ReplaySource } from './replay-source.js';

/** Options of the generated events. */
export interface StoryOptions {
  /** The same seed gives the same events with the same times, at any rate. Default: a new story that begins now. */
  seed?: number | undefined;
  /** Events a second on each endpoint. Default 2. */
  rate?: number | undefined;
  /** Ends after so many events on each endpoint. Default: never. */
  count?: number | undefined;
  clock?: Clock | undefined;
}

/** Options of {@link startMockServer}. */
export interface MockServerOptions extends ServingOptions, StoryOptions {}

const HIGHEST_RATE = 100_000;
const MOCK_RULES: OptionRules<MockServerOptions> = {
  ...SERVING_RULES,
  rate: [
    (rate) => rate > 0 && rate <= HIGHEST_RATE,
    `a rate is above 0 and at most ${HIGHEST_RATE} events a second`,
  ],
  count: [
    (count) => count === Number.POSITIVE_INFINITY || (Number.isInteger(count) && count > 0),
    'a count is a whole number above 0',
  ],
  clock: true,
};

/** Delay of the first event, so that clients that connect together all see the beginning. */
const FIRST_EVENT_AFTER_MS = 250;
/** After a longer delay, events are skipped: the machine was suspended, or cannot reach the rate. */
const LONGEST_LAG_MS = 1000;
/** A block has the events of this time: a long one would keep the first clients waiting, a short one costs more. */
const BLOCK_MS = 20;
const MOST_STEPS_IN_A_BLOCK = 64;

/**
 * Serves generated events of all twelve types on the four endpoints, as an OPMAS Management API would.
 *
 * The story begins with the first client; late clients join mid-stream. After `count` events on each endpoint the
 * server closes its clients with 1000 and ends (`finished`).
 *
 * @throws {OpmasError} `USAGE` for bad options, `LOCAL` if it cannot listen on the port.
 */
export async function startMockServer(options: MockServerOptions = {}): Promise<MockServer> {
  checkServing('startMockServer', options, MOCK_RULES);
  const server = new StreamServer(await storySource(options), options);
  await server.start();
  return server;
}

/** Makes the source of a story: a recording that is written while it is replayed. */
export async function storySource(options: MockServerOptions): Promise<ReplaySource> {
  const { seed, rate = 2, count = Number.POSITIVE_INFINITY, clock = systemClock } = options;
  const nowMicros = clock.nowMicros();
  const story =
    seed === undefined ? tellStory(nowMicros % 2 ** 32, nowMicros / 1000, 1000 / rate) : tellStory(seed);
  const sources = { paths: ['-'], names: new Map(), removeCopies: async () => undefined };
  const plan = await planOf(sources, {
    ...options,
    stdin: Readable.from(linesOf(story, count, rate), { objectMode: false, highWaterMark: 1 }),
    clock: 'shared',
    // A step has an event for each of the four endpoints.
    rate: 4 * rate,
    exitWhenDone: true,
  });
  const source = new ReplaySource({
    ...plan,
    clock,
    leadMs: FIRST_EVENT_AFTER_MS,
    longestLagMs: LONGEST_LAG_MS,
  });
  await source.prepare();
  return source;
}

/** Writes the lines of a recording of the story, block by block. */
function* linesOf(story: Iterator<StoryStep, never>, count: number, rate: number): Generator<Buffer> {
  const steps = Math.min(MOST_STEPS_IN_A_BLOCK, Math.ceil((rate * BLOCK_MS) / 1000));
  for (let told = 0; told < count; ) {
    let lines = '';
    for (const end = Math.min(count, told + steps); told < end; told++) {
      for (const { endpoint, ...event } of story.next().value) {
        const head = `{"received_at":"${event.data.timestamp}Z","endpoint":"${endpoint}",`;
        lines += `${head}${JSON.stringify(event).slice(1)}\n`;
      }
    }
    yield Buffer.from(lines);
  }
}
