import type { OpmasError } from '../../core/errors.js';
import type { IdKind } from '../../core/jetstream/message-ids.js';
import { monotonicMs, systemClock, unlessStopped } from '../clock.js';
import { connectNats, natsError } from './connect.js';
import { checkIdKind, KnownIds } from './known-ids.js';
import { type PublishSource, PublishWindow, shortfallOf } from './publish-window.js';
import { RetryReport, retryDelayMs } from './retry-report.js';
import { Session } from './session.js';
import { checkStream, type StreamFacts } from './stream.js';
import type { StreamTarget } from './target.js';

/** Options of a {@link Publisher}. */
export interface PublisherOptions extends StreamTarget {
  /** The rule by which the lines have their ids. */
  ids: IdKind;
  /** Make the stream where there is none. */
  createStream?: boolean | undefined;
  /**
   * Decides after a failure whether to try again.
   *
   * @param idleMs Time since a line was settled, or since the start.
   */
  persists(error: OpmasError, idleMs: number): boolean;
  /** Called when the server and the stream were found right. */
  onConnect?(facts: StreamFacts): void;
  /** Called with a sentence about a failure that is tried again, and about other things to know. */
  onNotice(message: string): void;
  signal: AbortSignal;
}

/**
 * Publishes lines to a stream, in order. The client of NATS loses what is published while it is not connected, so each
 * session is a new connection, and what was not acknowledged in the one before is sent again from the first such line.
 * The server folds lines with the same id within its window; for older ones, the ids in the stream are read first.
 */
export class Publisher {
  readonly window: PublishWindow;
  isConnected = false;
  /** The failure that keeps lines from being published now. */
  trouble: OpmasError | undefined;
  readonly #report = new RetryReport();
  readonly #ids: KnownIds;
  #hasBegun = false;

  constructor(
    source: PublishSource,
    private readonly options: PublisherOptions,
  ) {
    const { address, prefix, onNotice } = options;
    this.window = new PublishWindow(source);
    this.#ids = new KnownIds(address.stream, prefix, onNotice);
  }

  /** The error about settled lines that are not in the stream. */
  get shortfall(): OpmasError | undefined {
    return shortfallOf(this.window.counts, this.options.address.stream, this.#ids.duplicateWindowMs);
  }

  /** Publishes to the end of the source, or until a stop. @throws {OpmasError} As `persists` decides, or the source. */
  async run(): Promise<void> {
    const { signal } = this.options;
    let failures = 0;
    while (!signal.aborted) {
      const { base } = this.window;
      try {
        await this.#runSession();
        return;
      } catch (error) {
        if (this.window.failure !== undefined) throw this.window.failure;
        const hasProgress = this.window.base > base;
        if (hasProgress) failures = 0;
        this.#onFailure(error as OpmasError, hasProgress);
      }
      await systemClock.sleep(retryDelayMs(failures++), signal);
    }
  }

  async #runSession(): Promise<void> {
    const { address, access, prefix, ids, createStream, signal, onNotice } = this.options;
    const connecting = connectNats(address, access);
    const link = await unlessStopped(connecting, signal);
    // A server that does not answer holds it up for seconds.
    if (link === undefined) return void connecting.then(({ nc }) => nc.close()).catch(() => undefined);
    try {
      const facts = await checkStream(link, address, prefix, createStream ? 'create' : 'publish');
      this.#ids.duplicateWindowMs = facts.duplicateWindowMs;
      if (!this.#hasBegun) {
        await checkIdKind(link, { stream: address.stream, prefix, ids });
        for (const warning of facts.warnings) onNotice(warning);
      }
      this.#hasBegun = true;
      this.isConnected = true;
      this.options.onConnect?.(facts);
      const events = { onStored: () => this.#onStored(), onNotice };
      await new Session(link, facts, this.window, this.#ids, events).run(signal);
    } catch (error) {
      throw natsError(error, link.host, link.access);
    } finally {
      this.isConnected = false;
      await link.nc.close().catch(() => undefined);
    }
  }

  #onStored(): void {
    this.trouble = undefined;
    if (this.#report.isOver()) this.options.onNotice(`publishing to ${this.options.address.text} goes on`);
  }

  /** @param hasProgress Lines were published until then, so the loss is reported only if the next attempt fails, too. */
  #onFailure(failure: OpmasError, hasProgress: boolean): void {
    const { persists, onNotice, signal, access } = this.options;
    if (signal.aborted) return;
    if (!persists(failure, monotonicMs() - this.window.settledMs)) throw failure;
    this.trouble = failure;
    const sentence = hasProgress ? undefined : this.#report.sentenceFor(failure, access.renew !== undefined);
    if (sentence !== undefined) onNotice(sentence);
  }
}
