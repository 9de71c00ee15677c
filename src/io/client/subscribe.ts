import { OpmasError } from '../../core/errors.js';
import { describeEnd } from '../../core/failure/give-up.js';
import { type ContextSpan, checkContext, EventContext } from '../../core/recording/event-context.js';
import type { LineBatch } from '../../core/recording/format.js';
import { ConnectionHistory } from '../../core/statistics/connection-history.js';
import { elapsedMs, type Instant, instantOf, shared } from '../clock.js';
import type { TokenProvider } from '../token/token.js';
import { EndpointLoop } from './endpoint-loop.js';
import { LineQueue } from './line-queue.js';
import { LineWriter } from './line-writer.js';
import { StreamControl, type StreamEnd } from './stream-control.js';
import {
  checkSubscribeOptions,
  type ResolvedStreamOptions,
  resolveStreamOptions,
  type SubscribeOptions,
} from './stream-options.js';

/** Events after the last wanted one may never come. */
const LONGEST_WAIT_MS = 10_000;

/** The figures of a subscription so far. */
export interface StreamSummary {
  /** Matching events by endpoint. */
  events: Readonly<Record<string, number>>;
  /** By endpoint, the time of its last matching event as in the lines; absent before the first. */
  lastEventAt: Readonly<Record<string, string | undefined>>;
  /** Frames that were not a JSON object. */
  invalid: number;
  /** The number of these that the filter left out. */
  invalidSkipped: number;
  /** Why the first of them was invalid: `not JSON`, `NaN is not JSON`, … */
  invalidReason: string | undefined;
  /** The number of gaps, and their total length. */
  gaps: { count: number; totalMs: number };
  /**
   * The same, but the gaps of all endpoints merged: those that overlap or touch are one outage. When the stream has
   * ended, the whole time of an endpoint that never opened, and that after one was given up, count too.
   */
  outages: { count: number; totalMs: number };
  /** By endpoint, the share of the time since its first attempt in which it was open, 0 to 1. */
  coverage: Readonly<Record<string, number>>;
  /** Events that were lost because the lines were not read. */
  dropped: number;
  /**
   * With `before` or `after`: the events that were given as context, and the number of matching events whose context is
   * not whole, because it takes more memory than `maxBufferBytes`.
   */
  context: { events: number; cut: number } | undefined;
  durationMs: number;
}

/** The facts that tell whether the stream gave everything that was requested. */
export interface StreamOutcome {
  /** The cause that ended the stream; `undefined` while it runs. */
  endedBy: StreamEnd | undefined;
  /** The matching events that came, and the `count` that was asked for. */
  count: number;
  wanted: number | undefined;
  /** Endpoints that were never open, with the end of their last attempt if one failed. */
  neverOpen: readonly { endpoint: string; reason: string | undefined }[];
  /** Endpoints that were given up, and why. */
  givenUp: ReadonlyMap<string, OpmasError>;
}

/** Lines from several endpoints in one stream. Iterating over it a second time throws `USAGE`. */
export interface Subscription extends AsyncIterable<LineBatch> {
  /** The figures so far; final when the iteration has ended. */
  summary(): StreamSummary;
  /** The results so far, to compare with the request; final when the iteration has ended. */
  outcome(): StreamOutcome;
  /** The number of lines that have come and were not taken yet. */
  readonly waiting: number;
}

/**
 * Connects to each endpoint on a connection of its own, keeps it connected, and gives what arrives as lines of the
 * recording format, in the order of arrival. Nothing is connected before the iteration begins.
 *
 * A lost connection is retried, stands in the stream and is reported to `onLifecycle`. One endpoint that fails does
 * not disturb the others.
 *
 * @throws {OpmasError} `USAGE`, at once, for invalid options. From the iteration, when every endpoint has ended and at
 * least one was given up: `AUTH` when a token was rejected, else `NETWORK`; all lines have been delivered then.
 */
export function subscribe(options: SubscribeOptions): Subscription {
  checkSubscribeOptions(options);
  return new RunningSubscription(options);
}

class RunningSubscription implements Subscription {
  readonly #asked: SubscribeOptions;
  readonly #options: ResolvedStreamOptions;
  readonly #control: StreamControl;
  readonly #queue: LineQueue;
  readonly #context: EventContext | undefined;
  readonly #endpoints: EndpointLoop[] = [];
  readonly #history = new ConnectionHistory();
  readonly #startedAt: Instant;
  #endedAt: Instant | undefined;
  #isIterated = false;

  constructor(options: SubscribeOptions) {
    this.#asked = options;
    this.#options = resolveStreamOptions(options);
    const { clock, maxBufferBytes } = this.#options;
    const { after } = options;
    this.#control = new StreamControl(options, after && (() => this.#endAfterContext(after)));
    this.#startedAt = instantOf(clock);
    const onPause = (isPaused: boolean) => {
      for (const loop of this.#endpoints) loop.setPaused(isPaused);
    };
    this.#queue = new LineQueue(maxBufferBytes, onPause, clock);
    if (!checkContext(options)) return;
    this.#context = new EventContext(options, maxBufferBytes, (line, lifecycle) =>
      this.#queue.writeLine(line, lifecycle),
    );
  }

  get waiting(): number {
    return this.#queue.lines;
  }

  summary(): StreamSummary {
    const { invalid, invalidSkipped, invalidReason, dropped } = this.#control;
    const { sums, coverage } = this.#history;
    const byEndpoint = <Figure>(figureOf: (loop: EndpointLoop) => Figure) =>
      Object.fromEntries(this.#endpoints.map((loop) => [loop.endpoint, figureOf(loop)]));
    const durationMs = elapsedMs(this.#startedAt, this.#endedAt ?? instantOf(this.#options.clock));
    return {
      events: byEndpoint(({ writer }) => writer.matching),
      lastEventAt: byEndpoint(({ writer }) => writer.lastEventAt),
      ...{ invalid, invalidSkipped, invalidReason, ...sums, dropped, durationMs },
      coverage: byEndpoint(
        ({ endpoint, log }) => coverage[endpoint] ?? this.#history.shareOf(endpoint, log.nowMicros),
      ),
      context: this.#context && { events: this.#context.events, cut: this.#context.cut },
    };
  }

  outcome(): StreamOutcome {
    const { endedBy, givenUp } = this.#control;
    const neverOpen = this.#endpoints
      .filter(({ everOpen }) => !everOpen)
      .map(({ endpoint, lastFailure }) => ({
        endpoint,
        reason: lastFailure && describeEnd(lastFailure.event),
      }));
    const count = this.#endpoints.reduce((sum, { writer }) => sum + writer.matching, 0);
    return { endedBy, count, wanted: this.#asked.count, neverOpen, givenUp };
  }

  [Symbol.asyncIterator](): AsyncGenerator<LineBatch, void, undefined> {
    if (this.#isIterated) {
      throw new OpmasError('USAGE', 'a subscription can be iterated over only once', {
        hint: 'Call subscribe again for another stream.',
      });
    }
    this.#isIterated = true;
    return this.#iterate();
  }

  async *#iterate(): AsyncGenerator<LineBatch, void, undefined> {
    const finished = this.#start();
    try {
      yield* this.#queue;
    } finally {
      this.#control.stop('stop');
      await finished;
      this.#endedAt = instantOf(this.#options.clock);
    }
    this.#control.throwIfFailed();
  }

  /** Resolves when every endpoint has ended; the queue has ended then, too. */
  async #start(): Promise<void> {
    const { signal, durationMs } = this.#asked;
    const { clock, endpoints, token } = this.#options;
    const control = this.#control;
    const { stopping } = control;
    const stop = () => control.stop('stop');
    if (signal?.aborted) stop();
    signal?.addEventListener('abort', stop, { once: true });
    if (durationMs !== undefined) void clock.sleep(durationMs, stopping).then(() => control.stop('duration'));
    void token.keepFresh?.(stopping);
    const renew = renewOnce(token, stopping);
    const context = {
      options: this.#options,
      renew,
      waits: { sleepers: new Set<() => void>(), drawn: { chance: 0, failures: -1, atMs: 0 } },
      history: this.#history,
      wasOpenBeside: (beside: string) =>
        this.#endpoints.some(
          ({ endpoint, log }) => endpoint !== beside && this.#history.shareOf(endpoint, log.nowMicros) > 0,
        ),
      control,
    };
    for (const endpoint of new Set(endpoints)) {
      const writer = new LineWriter(endpoint, this.#options, this.#queue, control, this.#context);
      this.#endpoints.push(new EndpointLoop(endpoint, writer, context));
    }
    await Promise.all(this.#endpoints.map((loop) => this.#run(loop)));
    const ends = new Map(this.#endpoints.map(({ endpoint, log }) => [endpoint, log.finish()]));
    this.#history.finish((endpoint) => ends.get(endpoint) ?? Number.NaN);
    signal?.removeEventListener('abort', stop);
    control.stop('endpoints');
    this.#context?.end();
    this.#queue.end();
  }

  /** Ends the stream when the context after the last event that is wanted is whole. */
  #endAfterContext(after: ContextSpan): void {
    const { clock } = this.#options;
    const waitMs = 'ms' in after ? after.ms : LONGEST_WAIT_MS;
    void clock.sleep(waitMs, this.#control.stopping).then(() => this.#control.stop('count'));
  }

  async #run(loop: EndpointLoop): Promise<void> {
    try {
      await loop.run();
    } catch (error) {
      if (error instanceof OpmasError && error.code !== 'USAGE' && loop.hadToken) {
        this.#control.giveUp(loop.endpoint, error);
      } else {
        // Without a token, or with a wrong proxy, no endpoint can be reached: nothing to report about each.
        this.#control.fail(error);
      }
    }
  }
}

/** Makes a renewal that endpoints share which are refused with the same token, at once or one after another. */
function renewOnce(
  provider: TokenProvider,
  stopping: AbortSignal,
): (rejected: string | undefined) => Promise<boolean> {
  /** The token that the last renewal has replaced. */
  let replaced: string | undefined;
  const renew = shared(async (rejected: string | undefined) => {
    const isNew = (await provider.renew?.(rejected, stopping)) ?? false;
    if (isNew) replaced = rejected;
    return isNew;
  });
  return async (rejected) => (rejected !== undefined && rejected === replaced) || renew(rejected);
}
