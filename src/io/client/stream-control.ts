import type { OpmasError } from '../../core/errors.js';
import type { LifecycleEvent, SubscribeOptions } from './stream-options.js';

/** The state that all endpoints of a subscription share: its counts, its reasons to stop, the caller's callbacks. */
export class StreamControl {
  invalid = 0;
  dropped = 0;
  readonly #callbacks: Pick<SubscribeOptions, 'onLifecycle' | 'onDropping' | 'onGiveUp'>;
  readonly #stopping = new AbortController();
  readonly #givenUp = new Map<string, OpmasError>();
  /** Matching events that are still wanted. */
  #wanted: number;
  /** The error that ended everything: a filter that cannot judge, or a bug of ours. */
  #error: unknown;

  constructor(options: SubscribeOptions) {
    this.#callbacks = options;
    this.#wanted = options.count ?? Number.POSITIVE_INFINITY;
  }

  /** Aborts when everything stops. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** No further event is wanted. */
  get isEnough(): boolean {
    return this.#wanted <= 0 || this.#error !== undefined;
  }

  countEvent(): void {
    if (--this.#wanted <= 0) this.stop();
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** Ends everything with an error, after the lines that are queued. */
  fail(error: unknown): void {
    this.#error ??= error;
    this.stop();
  }

  giveUp(endpoint: string, error: OpmasError): void {
    this.#givenUp.set(endpoint, error);
    this.#call(() => this.#callbacks.onGiveUp?.(endpoint, error));
  }

  reportLifecycle(event: LifecycleEvent): void {
    this.#call(() => this.#callbacks.onLifecycle?.(event));
  }

  reportDropping(endpoint: string): void {
    this.#call(() => this.#callbacks.onDropping?.(endpoint));
  }

  /** Calls the caller back; an error that it throws must not get lost in the depths of a socket. */
  #call(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Takes note that every endpoint has ended. An endpoint that was given up does not spoil an end that was asked for. */
  finish(): void {
    if (this.stopping.aborted) this.#givenUp.clear();
    this.stop();
  }

  /** @throws The error that ended everything; else, of the endpoints' errors, the one to mend first. */
  throwIfFailed(): void {
    if (this.#error !== undefined) throw this.#error;
    const errors = [...this.#givenUp.values()];
    const first = errors.find(({ code }) => code === 'AUTH') ?? errors[0];
    if (first !== undefined) throw first;
  }
}
