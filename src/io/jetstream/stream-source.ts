import { setImmediate as nextTurn } from 'node:timers/promises';
import { OpmasError } from '../../core/errors.js';
import { monotonicMs, systemClock } from '../clock.js';
import { connectNats, type NatsLink, natsError } from './connect.js';
import { openMessages } from './messages.js';
import { checkStream, jetStreamError } from './stream.js';
import { type StreamOptions, type StreamTarget, targetOf } from './target.js';

/** How a stream is read. */
export interface StreamReadOptions {
  nats?: StreamOptions | undefined;
  /** Begin with what was stored at this time, in milliseconds since 1970. Default: at the start of the stream. */
  sinceMs?: number | undefined;
  /**
   * Go on with new lines, until the signal aborts; an empty block says that all has been read. Default: end with the last
   * line that is there now.
   */
  follow?: boolean | undefined;
  signal?: AbortSignal | undefined;
  onRead?: ((bytes: number) => void) | undefined;
}

const BLOCK_BYTES = 64 * 1024;
const LF = Buffer.from('\n');
const RETRY_MS = 1000;
/** A lost connection is tried again for so long, unless new lines are waited for. */
const PATIENCE_MS = 60_000;
/** A message is stored after its line was received, but clocks of two machines differ. */
const SLACK_MS = 60_000;

/** Reads the lines of a stream of NATS as the bytes of a recording. */
export class StreamSource {
  readonly name: string;
  readonly identity: string;
  readonly #target: StreamTarget;
  readonly #options: StreamReadOptions;
  #link: NatsLink | undefined;
  /** Number of the message that was read last, and of the last one to read. */
  #read = 0;
  #last = 0;

  private constructor(text: string, options: StreamReadOptions) {
    this.name = text;
    this.identity = text;
    this.#target = targetOf(text, options.nats);
    this.#options = options;
  }

  /** @throws {OpmasError} `USAGE` when there is no such stream or it has other subjects; `AUTH`, `NETWORK`. */
  static async open(text: string, options: StreamReadOptions): Promise<StreamSource> {
    const source = new StreamSource(text, options);
    await source.#connect();
    return source;
  }

  /** Returns the line that was stored last; `undefined` in an empty stream. @throws {OpmasError} As {@link open}. */
  static async lastLine(text: string, nats: StreamOptions | undefined): Promise<Buffer | undefined> {
    const source = await StreamSource.open(text, { nats });
    const { address, prefix } = source.#target;
    try {
      const last = await source.#link!.jsm.streams.getMessage(address.stream, {
        last_by_subj: `${prefix}.>`,
      });
      return last === null ? undefined : Buffer.from(last.data);
    } catch (error) {
      throw jetStreamError(error, source.#link!);
    } finally {
      await source.close();
    }
  }

  /** Blocks of whole lines; a block stays as it is. */
  readonly blocks: AsyncGenerator<Buffer> = this.#blocks();

  readonly close = async (): Promise<void> => {
    await this.#link?.nc.close();
  };

  async #connect(): Promise<NatsLink> {
    const { address, access, prefix } = this.#target;
    const link = await connectNats(address, access);
    this.#link = link;
    try {
      const { lastSequence } = await checkStream(link, address, prefix, 'read');
      this.#last ||= lastSequence;
    } catch (error) {
      await link.nc.close();
      throw error;
    }
    return link;
  }

  async *#blocks(): AsyncGenerator<Buffer> {
    const { signal, follow } = this.#options;
    let progressMs = monotonicMs();
    while (!signal?.aborted && (follow || this.#read < this.#last)) {
      const before = this.#read;
      try {
        if (this.#link === undefined || this.#link.nc.isClosed()) await this.#connect();
        yield* this.#blocksOf(this.#link!);
        if (!this.#link!.nc.isClosed()) return;
        throw new OpmasError('NETWORK', `the connection to the NATS server ${this.#link!.host} was lost`);
      } catch (error) {
        const failure = natsError(error, this.#target.address.host, this.#target.access);
        if (this.#read > before) progressMs = monotonicMs();
        const isHopeless =
          failure.code !== 'NETWORK' || (!follow && monotonicMs() - progressMs > PATIENCE_MS);
        if (isHopeless) throw failure;
        await systemClock.sleep(RETRY_MS, signal);
      }
    }
  }

  async *#blocksOf(link: NatsLink): AsyncGenerator<Buffer> {
    const { signal, follow = false, onRead } = this.#options;
    const { address, prefix } = this.#target;
    const sinceMs = this.#options.sinceMs && this.#options.sinceMs - SLACK_MS;
    const range = { stream: address.stream, prefix, after: this.#read, sinceMs, follow };
    const opened = await openMessages(link, range);
    if (opened === undefined) return;
    signal?.addEventListener('abort', opened.end, { once: true });
    const pieces: Uint8Array[] = [];
    let length = 0;
    const take = () => {
      onRead?.(length);
      length = 0;
      return Buffer.concat(pieces.splice(0));
    };
    const iterator = opened.messages[Symbol.asyncIterator]();
    try {
      for (let next = iterator.next(); ; next = iterator.next()) {
        // While nothing comes the reader goes on with other sources, and asks again.
        while (follow && (await Promise.race([next, nextTurn('none')])) === 'none') yield take();
        const { done, value } = await next;
        if (done) break;
        pieces.push(value.data, LF);
        length += value.data.length + 1;
        this.#read = value.seq;
        const isLast = !follow && (value.seq >= this.#last || value.info.pending === 0);
        if (isLast || length >= BLOCK_BYTES) yield take();
        if (isLast) return;
      }
      // The connection has ended.
      if (length > 0) yield take();
    } finally {
      signal?.removeEventListener('abort', opened.end);
      opened.end();
    }
  }
}
