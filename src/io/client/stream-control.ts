import { setMaxListeners } from 'node:events';
import type { OpmasError } from '../../core/errors.js';
import type { SubscribeOptions } from './stream-options.js';

/** The end of a stream: the caller's signal or end of the iteration, `count`, `durationMs`, or that of all endpoints. */
export type StreamEnd = 'stop' | 'count' | 'duration' | 'endpoints';

type Callbacks = Pick<SubscribeOptions, 'onLifecycle' | 'onKept' | 'onDropping' | 'onGiveUp'>;

/** Returns the error to fix first: without a token, nothing else can be judged. */
export function firstToMend(errors: Iterable<OpmasError>): OpmasError | undefined {
  const all = [...errors];
  return all.find(({ code }) => code === 'AUTH') ?? all[0];
}

/** The state that all endpoints of a subscription share: its counts, its reasons to stop, the caller's callbacks. */
export class StreamControl {
  invalid = 0;
  /** The number of these that the filter left out. */
  invalidSkipped = 0;
  /** Why the first of them was invalid. */
  invalidReason: string | undefined;
  dropped = 0;
  readonly #callbacks: Callbacks;
  readonly #stopping = new AbortController();
  /** Aborts when everything stops. */
  readonly stopping: AbortSignal = this.#stopping.signal;
  /** Why endpoints were given up. */
  readonly givenUp = new Map<string, OpmasError>();
  /** The cause that ended the stream; `undefined` while it runs. */
  endedBy: StreamEnd | undefined;
  readonly #onComplete: (() => void) | undefined;
  /** Matching events that are still wanted. */
  #wanted: number;
  /** The error that ended everything: a filter that cannot judge, or a bug of ours. */
  #error: unknown;

  /** @param onComplete Called when the last event that is wanted has come; without it, the stream stops then. */
  constructor(options: SubscribeOptions, onComplete?: () => void) {
    // Each endpoint listens; Node.js warns of more than ten.
    setMaxListeners(0, this.stopping);
    this.#callbacks = options;
    this.#onComplete = onComplete;
    this.#wanted = options.count ?? Number.POSITIVE_INFINITY;
  }

  /** No further event is wanted. */
  get isEnough(): boolean {
    return (this.#wanted <= 0 && !this.isComplete) || this.#error !== undefined;
  }

  /** All events that are wanted have come, but not all of the context after them. */
  get isComplete(): boolean {
    return this.#wanted <= 0 && this.#onComplete !== undefined && this.endedBy === undefined;
  }

  countEvent(): void {
    if (--this.#wanted > 0) return;
    if (this.#onComplete === undefined) this.stop('count');
    else this.#onComplete();
  }

  countInvalid(reason: string, isKept: boolean): void {
    this.invalid++;
    this.invalidReason ??= reason;
    if (!isKept) this.invalidSkipped++;
  }

  stop(by: StreamEnd): void {
    this.endedBy ??= by;
    this.#stopping.abort();
  }

  /** Ends everything with an error, after the lines that are queued. */
  fail(error: unknown): void {
    this.#error ??= error;
    this.stop('endpoints');
  }

  giveUp(endpoint: string, error: OpmasError): void {
    this.givenUp.set(endpoint, error);
    this.report('onGiveUp', endpoint, error);
  }

  /** Calls the caller back; an error that it throws must not get lost in the depths of a socket. */
  report<Name extends keyof Callbacks>(name: Name, ...facts: Parameters<NonNullable<Callbacks[Name]>>): void {
    const callback = this.#callbacks[name] as ((...facts: unknown[]) => void) | undefined;
    try {
      callback?.apply(this.#callbacks, facts);
    } catch (error) {
      this.fail(error);
    }
  }

  /**
   * @throws The error that ended everything; else, when every endpoint has ended by itself, the error of an endpoint
   *   that was given up. A stop that was asked for is no error: the outcome of the stream tells what failed before it.
   */
  throwIfFailed(): void {
    if (this.#error !== undefined) throw this.#error;
    const first = this.endedBy === 'endpoints' ? firstToMend(this.givenUp.values()) : undefined;
    if (first !== undefined) throw first;
  }
}
