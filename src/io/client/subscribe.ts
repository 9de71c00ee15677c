import { OpmasError } from '../../core/errors.js';
import type { LineBatch } from '../../core/recording/format.js';
import { checkSubscribeOptions } from './check-options.js';
import { EndpointLoop } from './endpoint-loop.js';
import { LineQueue } from './line-queue.js';
import { LineWriter } from './line-writer.js';
import { type ResolvedStreamOptions, resolveStreamOptions, type SubscribeOptions } from './stream-options.js';

/** What a subscription has done so far. */
export interface StreamSummary {
  /** Kept events by endpoint. */
  events: Readonly<Record<string, number>>;
  /** Frames that were no JSON object. */
  invalid: number;
  /** How many gaps there were, and their total in milliseconds. */
  gaps: { count: number; totalMs: number };
  /** Events that were lost because nobody took the lines. */
  dropped: number;
  durationMs: number;
}

/** Lines from several endpoints in one stream. Iterate over it once. */
export interface Subscription extends AsyncIterable<LineBatch> {
  /** The figures so far; final when the iteration has ended. */
  summary(): StreamSummary;
  /** Lines that have come and were not taken yet. */
  readonly waiting: number;
}

/**
 * Connects to each endpoint on a connection of its own, keeps it connected, and gives what arrives as lines of the
 * recording format, in the order of arrival. Nothing is connected before the iteration begins.
 *
 * What can heal is in the stream or told to `onLifecycle`; one endpoint that fails does not disturb the others.
 *
 * @throws {OpmasError} `USAGE`, at once, for options that cannot be. From the iteration, when no endpoint is left and at least one was given up: `AUTH` when a
 * token was refused, else `NETWORK`; all lines have been delivered then.
 */
export function subscribe(options: SubscribeOptions): Subscription {
  checkSubscribeOptions(options);
  return new RunningSubscription(options);
}

class RunningSubscription implements Subscription {
  readonly #options: ResolvedStreamOptions;
  readonly #asked: SubscribeOptions;
  readonly #queue: LineQueue;
  readonly #loops: EndpointLoop[] = [];
  readonly #stopping = new AbortController();
  readonly #tallies = new Map<string, { events: number }>();
  readonly #errors = new Map<string, OpmasError>();
  readonly #startedAt: number;
  #endedAt: number | undefined;
  #invalid = 0;
  #dropped = 0;
  /** Kept events that are still wanted. */
  #wanted: number;
  #renewing: Promise<boolean> | undefined;
  /** The token that the last renewal has replaced. */
  #renewedFrom: string | undefined;
  /** What ends everything: a filter that cannot judge, or a bug of ours. */
  #fault: unknown;

  constructor(options: SubscribeOptions) {
    this.#asked = options;
    this.#options = resolveStreamOptions(options);
    const { clock, maxBufferBytes } = this.#options;
    this.#wanted = options.count ?? Number.POSITIVE_INFINITY;
    this.#startedAt = clock.monotonicMs();
    this.#queue = new LineQueue(maxBufferBytes, { onPause: (paused) => this.#pauseAll(paused) }, clock);
  }

  get waiting(): number {
    return this.#queue.lines;
  }

  summary(): StreamSummary {
    const gaps = this.#loops.map((loop) => loop.gaps);
    return {
      events: Object.fromEntries([...this.#tallies].map(([endpoint, tally]) => [endpoint, tally.events])),
      invalid: this.#invalid,
      gaps: {
        count: gaps.reduce((sum, { count }) => sum + count, 0),
        totalMs: gaps.reduce((sum, { totalMs }) => sum + totalMs, 0),
      },
      dropped: this.#dropped,
      durationMs: (this.#endedAt ?? this.#options.clock.monotonicMs()) - this.#startedAt,
    };
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<LineBatch, void, undefined> {
    const stop = () => this.#stopping.abort();
    const finished = this.#start(stop);
    try {
      yield* this.#queue;
    } finally {
      stop();
      await finished;
      this.#endedAt = this.#options.clock.monotonicMs();
    }
    if (this.#fault !== undefined) throw this.#fault;
    if (this.#errors.size > 0) throw mainError(this.#errors);
  }

  /** Resolves when every endpoint has ended; the queue has ended then too. */
  #start(stop: () => void): Promise<void> {
    const { signal, durationMs } = this.#asked;
    const { clock, endpoints } = this.#options;
    if (signal?.aborted) stop();
    signal?.addEventListener('abort', stop, { once: true });
    if (durationMs !== undefined) void clock.sleep(durationMs, this.#stopping.signal).then(stop);
    void this.#options.token.keepFresh?.(this.#stopping.signal);
    for (const endpoint of new Set(endpoints)) this.#loops.push(this.#loopFor(endpoint));
    return Promise.all(this.#loops.map((loop) => this.#run(loop))).then(() => {
      signal?.removeEventListener('abort', stop);
      // Whoever was given up on the way does not turn an end that was asked for into a failure.
      if (this.#stopping.signal.aborted) this.#errors.clear();
      this.#stopping.abort();
      this.#queue.end();
    });
  }

  async #run(loop: EndpointLoop): Promise<void> {
    try {
      await loop.run();
    } catch (error) {
      if (error instanceof OpmasError && error.code !== 'USAGE' && loop.hadToken) {
        this.#errors.set(loop.endpoint, error);
        this.#tell(() => this.#asked.onGiveUp?.(loop.endpoint, error));
      } else {
        // Without a token, or with a wrong proxy, no endpoint can be reached: nothing to say about each.
        this.#break(error);
      }
    }
  }

  /** Ends everything with an error, after what is queued. */
  #break(error: unknown): void {
    this.#fault ??= error;
    this.#stopping.abort();
  }

  /** Calls the caller back; what he throws must not get lost in the depths of a socket. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#break(error);
    }
  }

  #loopFor(endpoint: string): EndpointLoop {
    const tally = { events: 0 };
    this.#tallies.set(endpoint, tally);
    const writer = new LineWriter(endpoint, this.#options, this.#queue, {
      onKept: () => {
        tally.events++;
        if (--this.#wanted <= 0) this.#stopping.abort();
      },
      onInvalid: () => this.#invalid++,
      onDropped: () => this.#dropped++,
      onDropping: () => this.#tell(() => this.#asked.onDropping?.(endpoint)),
      onLifecycle: (connection, receivedAt) => {
        this.#tell(() => this.#asked.onLifecycle?.({ endpoint, receivedAt, connection }));
      },
      onFault: (error) => this.#break(error),
      isEnough: () => this.#wanted <= 0 || this.#fault !== undefined,
    });
    return new EndpointLoop(
      endpoint,
      this.#options,
      writer,
      (refused) => this.#renew(refused),
      this.#stopping.signal,
    );
  }

  /** One renewal for all endpoints that are refused with the same token, at once or one after another. */
  #renew(refused: string | undefined): Promise<boolean> {
    if (refused !== undefined && refused === this.#renewedFrom) return Promise.resolve(true);
    this.#renewing ??= this.#renewOnce(refused).finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #renewOnce(refused: string | undefined): Promise<boolean> {
    const isNew = (await this.#options.token.renew?.(refused)) ?? false;
    if (isNew) this.#renewedFrom = refused;
    return isNew;
  }

  #pauseAll(paused: boolean): void {
    for (const loop of this.#loops) loop.setPaused(paused);
  }
}

/** The error of a stream whose endpoints have all failed: a refused token is what to mend first. */
function mainError(errors: ReadonlyMap<string, OpmasError>): OpmasError {
  const all = [...errors.values()];
  return all.find(({ code }) => code === 'AUTH') ?? all[0]!;
}
