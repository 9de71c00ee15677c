import { setImmediate as nextTurn } from 'node:timers/promises';
import { OpmasError } from '../../core/errors.js';
import { monotonicMs, systemClock, unlessStopped } from '../clock.js';
import { type NatsLink, natsError } from './connect.js';
import { openMessages } from './messages.js';
import { openReadable } from './readable-stream.js';
import { RetryReport, retryDelayMs } from './retry-report.js';
import { type StreamReadOptions, type StreamTarget, targetOf } from './target.js';

// One module is loaded late, because bundlers cannot put two that share others into one file.
export { lastLineOf, startOf } from './readable-stream.js';

const BLOCK_BYTES = 64 * 1024;
const NOTHING = Buffer.alloc(0);
const LF = Buffer.from('\n');
/** A lost connection is tried again for so long, unless new lines are waited for. */
const PATIENCE_MS = 60_000;
/** A message is stored after its line was received, but clocks of two machines differ. */
const SLACK_MS = 60_000;

/** Reads the lines of a stream of NATS as the bytes of a recording. */
export class StreamSource {
  readonly identity: string;
  readonly #target: StreamTarget;
  #link: NatsLink | undefined;
  #sinceMs: number | undefined;
  /** The time at which the stream was made: it tells it from a later one of its name. */
  #created: string | undefined;
  /** Number of the message that was read last, and of the last one to read. */
  #read = 0;
  #last = 0;
  /** All lines were read once, so other sources do not wait for this one anymore. */
  #isCaughtUp = false;
  /** Messages could be read. */
  #hasBegun = false;
  /** Failures in a row. */
  #failures = 0;
  #isClosed = false;
  readonly #report = new RetryReport();

  private constructor(
    readonly name: string,
    private readonly options: StreamReadOptions,
  ) {
    const { nats, start = 1, sinceMs } = options;
    this.identity = name;
    this.#target = targetOf(name, nats);
    this.#read = start - 1;
    this.#sinceMs = sinceMs && sinceMs - SLACK_MS;
  }

  /** @throws {OpmasError} `USAGE` when there is no such stream or it has other subjects; `AUTH`, `NETWORK`. */
  static async open(text: string, options: StreamReadOptions): Promise<StreamSource> {
    const source = new StreamSource(text, options);
    // A stop does not wait for a server that says nothing.
    if (!options.signal?.aborted) await unlessStopped(source.#connect(), options.signal);
    return source;
  }

  /** Blocks of whole lines; a block stays as it is. */
  readonly blocks: AsyncGenerator<Buffer> = this.#blocks();

  readonly close = async (): Promise<void> => {
    this.#isClosed = true;
    await this.#link?.nc.close();
  };

  async #connect(): Promise<NatsLink> {
    const { link, lastSequence, created } = await openReadable(this.#target);
    this.#link = link;
    if (this.#isClosed) await link.nc.close();
    this.#last ||= lastSequence;
    this.#created ??= created;
    if (this.#created === created && lastSequence >= this.#read) return link;
    if (!this.options.follow) {
      await this.close();
      throw new OpmasError('DATA', `${this.name} was deleted and made again while it was read`);
    }
    this.#created = created;
    this.#read = 0;
    this.#sinceMs = undefined;
    this.#report.isOver();
    this.options.onChange?.(`${this.name} was made again: reading goes on from its start`);
    return link;
  }

  async *#blocks(): AsyncGenerator<Buffer> {
    const { signal, follow } = this.options;
    let progressMs = monotonicMs();
    while (!signal?.aborted && (follow || this.#read < this.#last)) {
      const before = this.#read;
      try {
        const link = this.#link ?? (yield* this.#meanwhile(unlessStopped(this.#connect(), signal)));
        if (link === undefined) return;
        yield* this.#blocksOf(link);
        if (!link.nc.isClosed()) {
          if (follow) continue;
          return;
        }
        throw new OpmasError('NETWORK', `the connection to the NATS server ${link.host} was lost`);
      } catch (error) {
        const failure = natsError(error, this.#link?.host ?? '', this.#target.access);
        if (this.#read !== before) progressMs = monotonicMs();
        const isPassing =
          failure.code === 'NETWORK'
            ? follow || monotonicMs() - progressMs <= PATIENCE_MS
            : follow && this.#hasBegun;
        if (!isPassing) throw failure;
        // Most losses of a connection are over at once.
        if (this.#failures > 0 && !signal?.aborted) this.#tell(failure);
      }
      await this.#link?.nc.close();
      this.#link = undefined;
      yield* this.#meanwhile(systemClock.sleep(retryDelayMs(this.#failures++), signal));
    }
  }

  /** Waits for something. Meanwhile the reader goes on with other sources, and asks again. */
  async *#meanwhile<T>(work: Promise<T>, take = () => NOTHING): AsyncGenerator<Buffer, T> {
    // It is awaited again only if the reader asks.
    work.catch(() => undefined);
    while (this.#isCaughtUp && (await Promise.race([work, nextTurn(NOTHING)])) === NOTHING) yield take();
    return work;
  }

  #tell(failure: OpmasError): void {
    const sentence = this.#report.sentenceFor(failure, this.#target.access.renew !== undefined);
    if (sentence !== undefined) this.options.onChange?.(sentence);
  }

  async *#blocksOf(link: NatsLink): AsyncGenerator<Buffer> {
    const { signal, follow = false, onRead, onChange } = this.options;
    const { address, prefix } = this.#target;
    const isCaughtUp = () => follow && this.#isCaughtUp;
    const from = { after: this.#read, sinceMs: this.#sinceMs };
    const range = { stream: address.stream, prefix, ...from, follow, isCaughtUp };
    const opened = yield* this.#meanwhile(unlessStopped(openMessages(link, range), signal));
    if (opened === undefined) return;
    if (opened.isEmpty) this.#isCaughtUp = true;
    this.#hasBegun = true;
    this.#failures = 0;
    if (this.#report.isOver()) onChange?.(`reading ${this.name} goes on`);
    signal?.addEventListener('abort', opened.end, { once: true });
    if (signal?.aborted) opened.end();
    const pieces: Uint8Array[] = [];
    let length = 0;
    let reached = this.#read;
    const take = () => {
      // Lines that an error keeps from being given are read again.
      this.#read = reached;
      onRead?.(length);
      length = 0;
      return Buffer.concat(pieces.splice(0));
    };
    const iterator = opened.messages[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = iterator.next();
        const { done, value } = follow ? yield* this.#meanwhile(next, take) : await next;
        if (done) break;
        pieces.push(value.data, LF);
        length += value.data.length + 1;
        reached = value.seq;
        if (value.info.pending === 0) this.#isCaughtUp = true;
        const isLast = !follow && (value.seq >= this.#last || value.info.pending === 0);
        if (isLast || length >= BLOCK_BYTES) yield take();
        if (isLast) return;
      }
      // The connection has ended, or what was left has been deleted.
      this.#isCaughtUp ||= !link.nc.isClosed();
      if (length > 0) yield take();
    } finally {
      signal?.removeEventListener('abort', opened.end);
      opened.end();
    }
  }
}
