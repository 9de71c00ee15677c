import type { OpmasError } from '../../core/errors.js';
import { type IdKind, IdSet } from '../../core/jetstream/message-ids.js';
import {
  type PublishedLine,
  PublishWindow,
  shortfallOf,
  type WindowEntry,
} from '../../core/jetstream/publish-window.js';
import { monotonicMs, shared, systemClock, unlessStopped, wallClockMs } from '../clock.js';
import { connectNats, type NatsLink, natsError } from './connect.js';
import { readIds } from './messages.js';
import { checkIdKind } from './published-line.js';
import { headerBytesOf, Session, type SessionOwner } from './session.js';
import { checkStream, type StreamFacts } from './stream.js';
import type { StreamTarget } from './target.js';

/** Lines in order, and what has become of them. */
export interface PublishSource {
  /** Takes the next line; `undefined` when {@link fill} has to bring more. */
  next(): PublishedLine | undefined;
  /** Waits for more lines. @returns `false` at the end. */
  fill(): Promise<boolean>;
  /** All lines up to this place are in the stream, or never will be. */
  onSettled?(place: unknown): void;
}

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

const RETRY_MS = 250;
const RETRY_MAX_MS = 10_000;
/** Clocks of two machines may differ by so much. */
const SLACK_MS = 60_000;
/** A failure that comes back sooner is not told again. */
const TELL_AGAIN_MS = 60_000;
const NEVER = { fromMs: Number.POSITIVE_INFINITY, toMs: Number.NEGATIVE_INFINITY };

/** Ends a session whose next line may have left the server's window. */
class LookBack extends Error {}

/**
 * Publishes lines to a stream, in order. The client of NATS loses what is published while it is not connected, so each
 * session is a new connection, and what was not acknowledged in the one before is sent again from the first such line.
 * The server folds lines with the same id within its window; for older ones, the ids in the stream are read first.
 */
export class Publisher implements SessionOwner {
  readonly window: PublishWindow;
  isConnected = false;
  /** The failure that keeps lines from being published now. */
  trouble: OpmasError | undefined;
  /** The failure that was told last, when, and whether it holds on. */
  #told = { what: '', atMs: 0, holdsOn: false };
  #hasEnded = false;
  /** The source has to be filled before it gives the next line. */
  #isDry = false;
  #progressMs = monotonicMs();
  #facts: StreamFacts | undefined;
  /** Ids in the stream, as far as they were read. */
  #known = new IdSet();
  /** The ids of lines received in this time have been read back. Milliseconds since 1970. */
  #lookedBack = NEVER;

  constructor(
    private readonly source: PublishSource,
    private readonly options: PublisherOptions,
  ) {
    this.window = new PublishWindow((place) => {
      this.#progressMs = monotonicMs();
      this.source.onSettled?.(place);
    });
  }

  /** The error about settled lines that are not in the stream. */
  get shortfall(): OpmasError | undefined {
    return shortfallOf(this.window.counts, this.options.address.stream, this.#facts?.duplicateWindowMs ?? 0);
  }

  /** Publishes to the end of the source, or until the signal aborts. @throws {OpmasError} As `persists` decides. */
  async run(): Promise<void> {
    const { signal } = this.options;
    let failures = 0;
    while (!signal.aborted) {
      const { base } = this.window;
      try {
        await this.#runSession();
        return;
      } catch (error) {
        if (error instanceof LookBack) continue;
        const hasProgress = this.window.base > base;
        if (hasProgress) failures = 0;
        this.#onFailure(error as OpmasError, hasProgress);
      }
      await systemClock.sleep(Math.min(RETRY_MS * 2 ** failures++, RETRY_MAX_MS), signal);
    }
  }

  read(number: number): WindowEntry | undefined {
    while (number >= this.window.end) {
      // While the source is filled it has no line to take.
      const line = this.#hasEnded || this.#isDry ? undefined : this.source.next();
      this.#isDry = line === undefined;
      if (line === undefined) return undefined;
      this.window.push(line);
    }
    const entry = this.window.at(number);
    // A line is looked for in the stream when it is the first: until then, the others may be on their way.
    const waits = entry?.isSettled === false && number > this.window.base && this.#needsLookBack(entry);
    return waits ? undefined : entry;
  }

  /** @throws {LookBack} when the line may have left the server's window. */
  isKnown(entry: WindowEntry): boolean {
    if (this.#needsLookBack(entry)) throw new LookBack();
    if (this.#known.size === 0) return false;
    if (this.#known.has(entry.id)) return true;
    // The server knows what comes from here on.
    if (!this.#isOld(entry)) {
      this.#known = new IdSet();
      this.#lookedBack = NEVER;
    }
    return false;
  }

  onTooLarge(entry: WindowEntry): void {
    if (this.window.counts.tooLarge === 0) {
      const { length } = entry.bytes;
      this.options.onNotice(
        `a line of ${length} bytes is left out of the stream: with its id it is a message of ${length + headerBytesOf(entry)} bytes, and the stream takes ${this.#facts?.maxBytes}`,
      );
    }
    this.window.settle(entry, 'tooLarge');
  }

  readonly fill: () => Promise<boolean> = shared(async () => {
    // Messages that it has brought for a session that has ended since would be lost.
    if (this.#isDry) this.#hasEnded ||= !(await this.source.fill());
    this.#isDry = false;
    return !this.#hasEnded;
  });

  async #runSession(): Promise<void> {
    const { address, access, prefix, ids, createStream, signal, onNotice } = this.options;
    const connecting = connectNats(address, access);
    const link = await unlessStopped(connecting, signal);
    // A server that does not answer holds it up for seconds.
    if (link === undefined) return void connecting.then(({ nc }) => nc.close()).catch(() => undefined);
    try {
      const facts = await checkStream(link, address, prefix, createStream ? 'create' : 'publish');
      if (this.#facts === undefined) {
        await checkIdKind(link, { stream: address.stream, prefix, ids });
        for (const warning of facts.warnings) onNotice(warning);
      }
      this.#facts = facts;
      this.isConnected = true;
      this.options.onConnect?.(facts);
      await unlessStopped(this.#lookBack(link), signal);
      if (signal.aborted) return;
      // With a line to send, it is not clear yet that the stream takes it.
      if (this.read(this.window.base) === undefined) this.onStored();
      await new Session(this, link, facts).run(signal);
    } catch (error) {
      throw error instanceof LookBack ? error : natsError(error, link.host, link.access);
    } finally {
      this.isConnected = false;
      await link.nc.close().catch(() => undefined);
    }
  }

  onStored(): void {
    this.trouble = undefined;
    if (!this.#told.holdsOn) return;
    this.#told.holdsOn = false;
    this.options.onNotice(`publishing to ${this.options.address.text} goes on`);
  }

  /** @param hasProgress Lines were published until then, so the loss is reported only if the next attempt fails, too. */
  #onFailure(failure: OpmasError, hasProgress: boolean): void {
    const { persists, onNotice, signal, access } = this.options;
    if (signal.aborted) return;
    if (!persists(failure, monotonicMs() - this.#progressMs)) throw failure;
    this.trouble = failure;
    const { code, message } = failure;
    // A server words a refusal in several ways.
    const what = code === 'AUTH' ? code : message;
    const nowMs = monotonicMs();
    // A stream that is full has room for single lines from time to time.
    const isTold =
      this.#told.what === what && (this.#told.holdsOn || nowMs - this.#told.atMs < TELL_AGAIN_MS);
    if (hasProgress || isTold) return;
    const how = code === 'AUTH' && access.renew ? 'reading the file and trying again' : 'trying again';
    onNotice(`${message}; ${how}`);
    this.#told = { what, atMs: nowMs, holdsOn: true };
  }

  /** Returns whether the line may be in the stream for longer than the server's window. */
  #isOld({ firstSentMs, receivedAt }: WindowEntry): boolean {
    const { duplicateWindowMs = 0 } = this.#facts ?? {};
    const safeMs = Math.max(duplicateWindowMs - SLACK_MS, duplicateWindowMs / 2);
    return wallClockMs() - (firstSentMs || receivedMsOf(receivedAt)) > safeMs;
  }

  #needsLookBack(entry: WindowEntry): boolean {
    return this.#isOld(entry) && !this.#hasLookedBack(entry.firstSentMs || receivedMsOf(entry.receivedAt));
  }

  #hasLookedBack(atMs: number): boolean {
    return this.#lookedBack.fromMs <= atMs && atMs < this.#lookedBack.toMs;
  }

  /** Reads the ids in the stream since the first line was received, if the server may have forgotten them. */
  async #lookBack(link: NatsLink): Promise<void> {
    const { address, prefix, onNotice } = this.options;
    const first = this.read(this.window.base);
    if (first === undefined || !this.#needsLookBack(first)) return;
    const toMs = wallClockMs();
    const receivedMs = receivedMsOf(first.receivedAt);
    const sentMs = first.firstSentMs || receivedMs;
    const before = this.#lookedBack;
    // What was there before the last time is known. Where times go back once, they may do so with each line.
    const goesOn = this.#hasLookedBack(receivedMs);
    let fromMs = goesOn ? sentMs : Math.min(sentMs, receivedMs - SLACK_MS);
    if (!goesOn && before !== NEVER && receivedMs < before.fromMs) fromMs = Number.NEGATIVE_INFINITY;
    const sinceMs = fromMs - SLACK_MS;
    await readIds(link, this.#known, { stream: address.stream, prefix, sinceMs }, onNotice);
    this.#lookedBack = { fromMs: goesOn ? Math.min(before.fromMs, fromMs) : fromMs, toMs };
  }
}

/** A line without a time may be of any. */
function receivedMsOf(receivedAt: number): number {
  return Number.isNaN(receivedAt) ? 0 : receivedAt / 1000;
}
