import { isUtf8 } from 'node:buffer';
import { keepsLine } from '../../core/filter/keeps-line.js';
import { FrameReader } from '../../core/json/frame.js';
import type { ConnectionEvent } from '../../core/recording/connection-event.js';
import { eventHead, formatInvalidLine, formatLifecycleLine } from '../../core/recording/encoder.js';
import { type LineKind, TIMESTAMP_OFFSET } from '../../core/recording/format.js';
import { formatTimestamp } from '../../core/recording/timestamp.js';
import type { EndpointSink } from './endpoint-loop.js';
import type { LineQueue } from './line-queue.js';
import type { ResolvedStreamOptions } from './stream-options.js';

/** What a {@link LineWriter} tells. */
export interface WriterEvents {
  onKept(): void;
  onInvalid(): void;
  onDropped(): void;
  /** The first of a run of dropped events. */
  onDropping(): void;
  onLifecycle(connection: ConnectionEvent, receivedAt: string): void;
  /** The filter cannot judge an event; nothing more can be delivered. */
  onFault(error: unknown): void;
  /** Whether no further event is wanted. */
  isEnough(): boolean;
}

/** Turns what comes from one endpoint into lines on the queue. This is the hot path: nothing is allocated per event. */
export class LineWriter implements EndpointSink {
  events = 0;
  readonly #endpoint: string;
  readonly #options: ResolvedStreamOptions;
  readonly #queue: LineQueue;
  readonly #events: WriterEvents;
  readonly #reader = new FrameReader();
  readonly #head: Buffer;
  #headTime = -1;
  #dropped: { count: number; from: number; to: number } | undefined;

  constructor(endpoint: string, options: ResolvedStreamOptions, queue: LineQueue, events: WriterEvents) {
    this.#endpoint = endpoint;
    this.#options = options;
    this.#queue = queue;
    this.#events = events;
    this.#head = eventHead(formatTimestamp(0), endpoint);
  }

  onMessage(frame: Buffer, isBinary: boolean, stamp: number): boolean {
    if (this.#events.isEnough()) return true;
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
    if (!this.#keeps('event')) return;
    if (!this.#hasRoom(frame.length, stamp)) return;
    this.#setTime(stamp);
    this.#queue.writeEvent(this.#head, frame, this.#reader.hasLineBreaks);
    this.#events.onKept();
  }

  #keeps(kind: LineKind): boolean {
    try {
      return keepsLine(this.#options.filter, kind, this.#reader, this.#endpoint);
    } catch (error) {
      this.#events.onFault(error);
      return false;
    }
  }

  onLifecycle(connection: ConnectionEvent, receivedAt: string): void {
    this.#writeDropped(receivedAt);
    this.#writeLifecycle(connection, receivedAt);
  }

  #writeLifecycle(connection: ConnectionEvent, receivedAt: string): void {
    this.#events.onLifecycle(connection, receivedAt);
    if (!this.#options.lifecycle) return;
    const endpoint = this.#endpoint;
    this.#queue.writeLine(formatLifecycleLine(receivedAt, endpoint, connection), { endpoint, connection });
  }

  #writeInvalid(reason: string, frame: Buffer, isBinary: boolean, stamp: number): void {
    const isKept = this.#keeps('invalid');
    // What is dropped is counted as that and nothing else.
    if (isKept && !this.#hasRoom(frame.length, stamp)) return;
    this.#events.onInvalid();
    if (!isKept) return;
    this.#queue.writeLine(formatInvalidLine(formatTimestamp(stamp), this.#endpoint, reason, frame, isBinary));
  }

  /** The API's document does not promise an answer to its heartbeat; servers that give one say `pong`. */
  #isHeartbeatReply(): boolean {
    return this.#reader.typeIs('pong') && !Object.hasOwn(this.#reader.value, 'subject');
  }

  #hasRoom(bytes: number, stamp: number): boolean {
    if (this.#queue.accepts(bytes)) {
      if (this.#dropped !== undefined) this.#writeDropped(formatTimestamp(stamp));
      return true;
    }
    this.#events.onDropped();
    if (this.#dropped === undefined) {
      this.#dropped = { count: 0, from: stamp, to: stamp };
      this.#events.onDropping();
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
