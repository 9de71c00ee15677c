/** Writes the lines of the recording format, as `format.ts` describes them. */
import { BACKSLASH, CLOSING_BRACE, COMMA, CR, LF, QUOTE, SPACE, TAB } from '../json/json-tokens.js';
import type { ConnectionEvent } from './connection-event.js';
import {
  ENDPOINT,
  type LifecycleContent,
  type LifecycleEntry,
  type LineBatch,
  RECEIVED_AT,
} from './format.js';

const OPENING_BRACE = 0x7b;

/**
 * Returns the first bytes of an event line: `{"received_at":"…","endpoint":"devices"`, without a comma after it.
 * The timestamp stands at `TIMESTAMP_OFFSET`, so a caller can overwrite it in place.
 */
export function eventHead(receivedAt: string, endpoint: string): Buffer {
  // The quote is part of the label.
  return Buffer.from(`${RECEIVED_AT}${receivedAt}${ENDPOINT.slice(0, -1)}${JSON.stringify(endpoint)}`);
}

/** Returns the length that an event line can have at most, in bytes. */
export function eventLineCapacity(head: Buffer, frameLength: number): number {
  return head.length + frameLength + 2;
}

/**
 * Writes one event line, LF included, into `target` at `at`. Runs for each event, so it is written for speed.
 *
 * @param head From {@link eventHead}.
 * @param frame The server's message: one JSON object, already checked.
 * @param hasLineBreaks `true` when there are line breaks between its tokens; they become spaces.
 * @returns The offset after the line. `target` must have room for {@link eventLineCapacity} bytes.
 */
export function writeEventLine(
  target: Buffer,
  at: number,
  head: Buffer,
  frame: Buffer,
  hasLineBreaks: boolean,
): number {
  if (frame[0] !== OPENING_BRACE || frame[skipWhiteSpace(frame, 1)] === CLOSING_BRACE) {
    return writeUnusualEventLine(target, at, head, frame);
  }
  // Whole arrays are copied fastest; the frame's brace gives way to the comma after the head.
  target.set(head, at);
  const rest = at + head.length;
  target.set(frame, rest);
  target[rest] = COMMA;
  const end = rest + frame.length;
  if (hasLineBreaks) flattenLineBreaks(target, rest, end);
  target[end] = LF;
  return end + 1;
}

/** Does the same for a frame that begins with white space or has no members. */
function writeUnusualEventLine(target: Buffer, at: number, head: Buffer, frame: Buffer): number {
  const brace = skipWhiteSpace(frame, 0);
  // White space before the brace stays before it, so that nothing of the frame is lost.
  let end = at + frame.copy(target, at, 0, brace);
  end += head.copy(target, end);
  if (frame[skipWhiteSpace(frame, brace + 1)] !== CLOSING_BRACE) target[end++] = COMMA;
  end += frame.copy(target, end, brace + 1);
  flattenLineBreaks(target, at, end);
  target[end++] = LF;
  return end;
}

/** Returns the offset of the first byte from `start` on that is not white space. */
function skipWhiteSpace(frame: Buffer, start: number): number {
  let at = start;
  while (frame[at] === SPACE || frame[at] === LF || frame[at] === CR || frame[at] === TAB) at++;
  return at;
}

function flattenLineBreaks(target: Buffer, start: number, end: number): void {
  for (let i = start; i < end; i++) if (target[i] === LF || target[i] === CR) target[i] = SPACE;
}

/**
 * Formats the line of a frame that is not a JSON object, LF included. A long text with so many escapes that base64 is
 * shorter is kept as base64 and marked: `"opcode":"text"` (RFC 6455 section 5.2).
 */
export function formatInvalidLine(
  receivedAt: string,
  endpoint: string,
  reason: string,
  frame: Buffer,
  binary: boolean,
): Buffer {
  const isShorterAsBytes =
    !binary && frame.length > LONG_TEXT && escapedLength(frame) > (4 / 3) * frame.length;
  const invalid =
    binary || isShorterAsBytes
      ? { reason, base64: frame.toString('base64'), ...(isShorterAsBytes && { opcode: 'text' }) }
      : { reason, text: frame.toString() };
  return Buffer.from(`${JSON.stringify({ received_at: receivedAt, invalid, endpoint })}\n`);
}

/** Six times this length is far below the limit for a line. */
const LONG_TEXT = 1024 * 1024;

/** Estimates the length of a text between the quotes of a JSON string, in bytes. */
function escapedLength(text: Buffer): number {
  let length = text.length;
  for (const byte of text) {
    if (byte < SPACE) length += 5;
    else if (byte === QUOTE || byte === BACKSLASH) length++;
  }
  return length;
}

/** Formats the line of something that happened to a connection, LF included. */
export function formatLifecycleLine(
  receivedAt: string,
  endpoint: string,
  connection: ConnectionEvent,
): Buffer {
  return Buffer.from(`${JSON.stringify({ received_at: receivedAt, connection, endpoint })}\n`);
}

/**
 * Keeps the connections of a recording in mind while it is written, so that a further file can begin with them: each
 * file then tells by itself which server it came from and which endpoints were connected.
 */
export class OpenConnections {
  /** By endpoint: its attempt, and that it is open or was given up. */
  readonly #states = new Map<string, readonly ConnectionEvent[]>();

  /** Takes note of a lifecycle line that was written. */
  observe({ endpoint, connection }: LifecycleEntry): void {
    const { state } = connection;
    const attempt = state === 'connecting' ? connection : this.#states.get(endpoint)?.[0];
    if (attempt === undefined || state === 'dropped') return;
    const isLasting = state === 'open' || state === 'given_up';
    this.#states.set(endpoint, isLasting ? [attempt, connection] : [attempt]);
  }

  /** Formats the lines that a further file begins with. */
  continuation(receivedAt: string): Buffer {
    const lines: Buffer[] = [];
    for (const [endpoint, states] of this.#states) {
      for (const state of states) {
        const continued = { ...state, continued: true, gap_since: undefined };
        lines.push(formatLifecycleLine(receivedAt, endpoint, continued as object as ConnectionEvent));
      }
    }
    return Buffer.concat(lines);
  }
}

/** Number of blocks that are kept for reuse. */
const MOST_SPARE = 8;

/** Gathers lines in blocks of memory, each of which becomes a batch. Batches that are released give theirs back. */
export class BatchBuilder {
  /** Number of lines that are in no batch yet. */
  count = 0;
  /** Blocks that were given back. */
  readonly #spare: Buffer[] = [];
  #block: Buffer;
  #used = 0;
  #lifecycle: LifecycleEntry[] | undefined;

  /**
   * @param blockBytes A longer line gets a block of its own.
   * @param onFull Called with a batch before a line is added for which it has no room.
   */
  constructor(
    private readonly blockBytes: number,
    private readonly onFull: (batch: LineBatch) => void,
  ) {
    this.#block = Buffer.allocUnsafeSlow(blockBytes);
  }

  /** Adds an event line; the arguments are those of `writeEventLine`. @returns Its length. */
  addEvent(head: Buffer, frame: Buffer, hasLineBreaks: boolean): number {
    this.#reserve(eventLineCapacity(head, frame.length));
    return this.#commit(writeEventLine(this.#block, this.#used, head, frame, hasLineBreaks));
  }

  /** Adds the line `bytes[start..end)`, and an LF. @param lifecycle The content of a lifecycle line. @returns Its length. */
  addLine(bytes: Buffer, start: number, end: number, lifecycle?: LifecycleContent): number {
    this.#reserve(end - start + 1);
    const from = this.#used;
    const to = from + bytes.copy(this.#block, from, start, end);
    this.#block[to] = LF;
    if (lifecycle !== undefined) {
      this.#lifecycle ??= [];
      this.#lifecycle.push({ ...lifecycle, start: from, end: to + 1 });
    }
    return this.#commit(to + 1);
  }

  /** Returns the lines as a batch, and begins another one. */
  take(): LineBatch {
    // A block is reused once per batch: two batches must never share one.
    let block: Buffer | undefined = this.#block;
    const batch: LineBatch = {
      bytes: block.subarray(0, this.#used),
      count: this.count,
      lifecycle: this.#lifecycle,
      release: () => {
        if (block?.length === this.blockBytes && this.#spare.length < MOST_SPARE) this.#spare.push(block);
        block = undefined;
      },
    };
    this.#block = this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.blockBytes);
    this.#used = 0;
    this.count = 0;
    this.#lifecycle = undefined;
    return batch;
  }

  #reserve(bytes: number): void {
    if (this.count > 0 && this.#used + bytes > this.#block.length) this.onFull(this.take());
    if (bytes > this.#block.length) this.#block = Buffer.allocUnsafeSlow(bytes);
  }

  #commit(end: number): number {
    const length = end - this.#used;
    this.#used = end;
    this.count++;
    return length;
  }
}
