import { isUtf8 } from 'node:buffer';
import { keepsLine } from '../../core/filter/filter.js';
import { FrameReader } from '../../core/json/frame.js';
import { numberThatJsonLacks } from '../../core/json/json-scanner.js';
import type { ConnectionEvent } from '../../core/recording/connection-event.js';
import { eventHead, formatInvalidLine, formatLifecycleLine } from '../../core/recording/encoder.js';
import type { EventContext } from '../../core/recording/event-context.js';
import { type LineKind, TIMESTAMP_OFFSET } from '../../core/recording/format.js';
import { formatNestedLine, needsNesting } from '../../core/recording/nested-event.js';
import { formatTimestamp, parseTimestamp } from '../../core/recording/timestamp.js';
import type { LineQueue } from './line-queue.js';
import type { StreamControl } from './stream-control.js';
import type { ResolvedStreamOptions } from './stream-options.js';

/** Turns messages from one endpoint into lines on the queue. This is the hot path: nothing is allocated per event. */
export class LineWriter {
  /** All events that came, matching or not; heartbeat replies and frames that are no events do not count. */
  events = 0;
  /** Events that the filter keeps. */
  matching = 0;
  /** Time of receipt of the current message, for the filter. */
  receivedAt = 0;
  readonly #reader = new FrameReader();
  readonly #head: Buffer;
  #headTime = -1;
  #matchedAt = -1;
  #dropped: { count: number; from: number; to: number } | undefined;

  /** @param context Takes the events around matching ones; all endpoints share it. */
  constructor(
    private readonly endpoint: string,
    private readonly options: ResolvedStreamOptions,
    private readonly queue: LineQueue,
    private readonly control: StreamControl,
    private readonly context?: EventContext,
  ) {
    this.#head = eventHead(formatTimestamp(0), endpoint);
  }

  /** Time of the last matching event; `undefined` before the first. */
  get lastEventAt(): string | undefined {
    return this.#matchedAt < 0 ? undefined : formatTimestamp(this.#matchedAt);
  }

  /** @param stamp Microseconds since 1970. @returns `false` when it is text and not UTF-8. */
  onMessage(frame: Buffer, isBinary: boolean, stamp: number): boolean {
    if (this.control.isEnough) return true;
    this.receivedAt = stamp;
    const verdict = isBinary ? 'binary frame' : this.#reader.read(frame);
    // The reader has seen every byte of an object, so only few need a second look.
    if (!isBinary && (verdict !== 'object' || this.#reader.hasNonAscii) && !isUtf8(frame)) return false;
    if (verdict === 'object') this.#writeEvent(frame, stamp);
    else this.#writeInvalid(verdict, frame, isBinary, stamp);
    return true;
  }

  #writeEvent(frame: Buffer, stamp: number): void {
    if (this.#isHeartbeatReply()) return;
    this.events++;
    const isMatch = this.#keeps('event');
    const target = this.context === undefined ? isMatch && this.queue : this.#targetOf(isMatch, stamp);
    if (target === false || (target === this.queue && !this.#hasRoom(frame.length, stamp))) return;
    this.#setTime(stamp);
    if (this.#reader.hasOurNames && needsNesting(frame.toString())) {
      target.writeLine(formatNestedLine(this.#head, frame));
    } else {
      target.writeEvent(this.#head, frame, this.#reader.hasLineBreaks);
    }
    if (isMatch) {
      this.matching++;
      this.#matchedAt = stamp;
      this.control.countEvent();
    } else if (target === this.queue) {
      this.context!.events++;
    }
  }

  /** Returns the taker of a line of an event or an invalid frame: the queue, or the context, which may need it later. */
  #targetOf(isMatch: boolean, stamp: number): LineQueue | EventContext | false {
    const context = this.context;
    if (isMatch && context !== undefined) {
      const accepts = (bytes: number) => this.queue.accepts(bytes);
      for (const batch of context.match(stamp, accepts)) this.queue.writeBatch(batch);
    }
    const place = isMatch ? 'give' : context?.place(stamp);
    if (place === 'give') return this.queue;
    if (this.control.isComplete) this.control.stop('count');
    return place === 'hold' && context !== undefined && context;
  }

  #keeps(kind: LineKind): boolean {
    // Each event after the last wanted one is its context, even if it matches.
    if (this.control.isComplete) return false;
    try {
      return keepsLine(this.options.filter, kind, this.#reader, this.endpoint, this);
    } catch (error) {
      this.control.fail(error);
      return false;
    }
  }

  onConnectionEvent(connection: ConnectionEvent, receivedAt: string, silentMs?: number): void {
    this.#writeDropped(receivedAt);
    this.#writeLifecycle(connection, receivedAt, silentMs);
  }

  #writeLifecycle(connection: ConnectionEvent, receivedAt: string, silentMs?: number): void {
    const endpoint = this.endpoint;
    const silence = silentMs === undefined ? {} : { silentMs };
    this.control.report('onLifecycle', { endpoint, receivedAt, connection, ...silence });
    if (!this.options.lifecycle) return;
    const line = formatLifecycleLine(receivedAt, endpoint, connection);
    const lifecycle = { endpoint, connection };
    const context = this.context;
    if (context?.waits(parseTimestamp(receivedAt) ?? Number.NaN))
      context.hold(line, 0, line.length - 1, lifecycle);
    else this.queue.writeLine(line, lifecycle);
  }

  #writeInvalid(reason: string, frame: Buffer, isBinary: boolean, stamp: number): void {
    const isKept = this.#keeps('invalid');
    const target = this.context === undefined ? isKept && this.queue : this.#targetOf(isKept, stamp);
    // A dropped line is counted as dropped and nothing else.
    if (target === this.queue && !this.#hasRoom(frame.length, stamp)) return;
    const why = reason === 'not JSON' ? (numberThatJsonLacks(frame) ?? reason) : reason;
    this.control.countInvalid(why, isKept);
    if (target === false) return;
    target.writeLine(formatInvalidLine(formatTimestamp(stamp), this.endpoint, why, frame, isBinary));
    if (!isKept && target === this.queue) this.context!.events++;
  }

  /** The API's document does not promise an answer to its heartbeat; servers that give one say `pong`. */
  #isHeartbeatReply(): boolean {
    return this.#reader.typeIs('pong') && !Object.hasOwn(this.#reader.value, 'subject');
  }

  #hasRoom(bytes: number, stamp: number): boolean {
    if (this.queue.accepts(bytes)) {
      if (this.#dropped !== undefined) this.#writeDropped(formatTimestamp(stamp));
      return true;
    }
    this.control.dropped++;
    if (this.#dropped === undefined) {
      this.#dropped = { count: 0, from: stamp, to: stamp };
      this.control.report('onDropping', this.endpoint);
    }
    this.#dropped.count++;
    this.#dropped.to = stamp;
    return false;
  }

  #writeDropped(receivedAt: string): void {
    const dropped = this.#dropped;
    if (dropped === undefined) return;
    this.#dropped = undefined;
    const { count, from, to } = dropped;
    this.#writeLifecycle(
      { state: 'dropped', count, from: formatTimestamp(from), to: formatTimestamp(to) },
      receivedAt,
    );
  }

  /** Writes the time into the head in place. Messages that came at once share one. */
  #setTime(stamp: number): void {
    if (stamp === this.#headTime) return;
    this.#headTime = stamp;
    this.#head.write(formatTimestamp(stamp), TIMESTAMP_OFFSET, 'latin1');
  }
}
