import { FrameReader } from '../json/frame.js';
import type { ScanMemory } from '../json/scan-memory.js';
import { endpointOfType } from '../protocol.js';
import { BytePattern } from './byte-pattern.js';
import type { ConnectionState } from './connection-state.js';
import {
  ENDPOINT,
  endOfPlainText,
  eventLineShape,
  frameOf,
  RECEIVED_AT,
  TIMESTAMP_OFFSET,
} from './event-line.js';
import { type Line, parseLine } from './line.js';
import { parseTimestamp, TIMESTAMP_LENGTH } from './timestamp.js';
import { TimestampReader } from './timestamp-reader.js';

const CLOSING_BRACE = 0x7d;
const COMMA = 0x2c;
const QUOTE = 0x22;
const UPPER_Z = 0x5a;
/** With more endpoints than that, the rest takes a longer way. */
const MOST_SECOND_MEMBERS = 8;
/** How a line that we wrote begins, and what follows the time of an event line. */
const LINE_HEAD = new BytePattern(Buffer.from(RECEIVED_AT));
const LABEL_HEAD = new BytePattern(Buffer.from(ENDPOINT));

/** What a line of a recording tells of: an event, a frame that was none, or the connection. */
export type LineKind = Line['kind'];

/** How lines are to be looked at. */
export interface LineViewOptions {
  /**
   * Take event lines that we wrote by their ends, without looking at the JSON between: several times as fast. Nothing
   * can be asked of `frame` then. Default `false`.
   */
  skipJsonCheck?: boolean;
  /** Where most of the lines stand, if they stand in such memory. */
  memory?: ScanMemory | undefined;
}

/**
 * Looks at one line of a recording after another. One object is used again and again, so that nothing is allocated
 * per line; what it says holds until the next {@link read} and as long as the bytes stay as they are.
 */
export class LineView {
  /** The event: its type, subject and value. Only for lines of kind `event`. */
  readonly frame: FrameReader;
  kind: LineKind = 'event';
  /** The line is `bytes[start..end)`, without its line feed. */
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  /**
   * Label of the endpoint. In NDJSON of other origin it follows from the type's first word; `undefined` when that
   * is none of ours either.
   */
  endpoint: string | undefined;

  /**
   * Where the server's own members begin in an event line of the fixed shape, behind our comma: its frame is `{` and
   * all from there. 0 for other lines; {@link payload} has those.
   */
  members = 0;

  readonly #skipJsonCheck: boolean;
  readonly #timestamps = new TimestampReader();
  /** A line that has not the fixed shape of our event lines, in parts. */
  #line: Line | undefined;
  /** Second members that were met, from the quote that ends the time to the comma before the server's members. */
  readonly #secondMembers: { pattern: BytePattern; endpoint: string }[] = [];
  /** The same as `bytes`. */
  #view: DataView = new DataView(new ArrayBuffer(0));
  /** Where the timestamp stands that has not been read yet; -1 when {@link receivedAt} is known. */
  #timestampAt = -1;
  #receivedAt = Number.NaN;

  constructor({ skipJsonCheck = false, memory }: LineViewOptions = {}) {
    this.#skipJsonCheck = skipJsonCheck;
    this.frame = new FrameReader(memory);
  }

  /**
   * Reads the line in `bytes[start..end)`, which is UTF-8.
   *
   * @returns Its kind, or `undefined` when it is no JSON object.
   */
  read(bytes: Buffer, start: number, end: number): LineKind | undefined {
    if (bytes !== this.bytes) this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.#line = undefined;
    if (!this.#readHead(bytes, start, end)) return this.#readUnusual(bytes, start, end);
    if (this.#skipJsonCheck && bytes[end - 1] === CLOSING_BRACE) {
      if (this.#isGlued(bytes, end) && parseLine(bytes, start, end) === undefined) return undefined;
    } else if (this.frame.readLine(bytes, end, this.members - 1) !== 'object') {
      return undefined;
    }
    this.kind = 'event';
    return 'event';
  }

  /** When it was received: microseconds since 1970; `NaN` in NDJSON of other origin that does not say so. */
  get receivedAt(): number {
    // Not everybody asks, and reading it costs as much as finding the line.
    if (this.#timestampAt >= 0) {
      this.#receivedAt = this.#timestamps.read(this.#view, this.#timestampAt);
      this.#timestampAt = -1;
    }
    return this.#receivedAt;
  }

  /** Whether the line begins as event lines of ours do that have members of the server's. */
  #readHead(bytes: Buffer, start: number, end: number): boolean {
    const second = start + TIMESTAMP_OFFSET + TIMESTAMP_LENGTH;
    if (second + LABEL_HEAD.length > end || !LINE_HEAD.standsAt(this.#view, start)) return false;
    if (!this.#readSecondMember(bytes, second, end)) return false;
    this.#timestampAt = start + TIMESTAMP_OFFSET;
    // Damage there is not seen by who looks at the JSON: that begins behind the endpoint.
    return this.#skipJsonCheck || !Number.isNaN(this.receivedAt);
  }

  /** Remembers the first few second members: recordings have as many as they have endpoints. */
  #readSecondMember(bytes: Buffer, second: number, end: number): boolean {
    for (const known of this.#secondMembers) {
      const { pattern, endpoint } = known;
      if (second + pattern.length > end || !pattern.standsAt(this.#view, second)) continue;
      this.endpoint = endpoint;
      this.members = second + pattern.length;
      return true;
    }
    const label = second + LABEL_HEAD.length;
    if (!LABEL_HEAD.standsAt(this.#view, second)) return false;
    const labelEnd = endOfPlainText(bytes, label, end);
    if (bytes[labelEnd] !== QUOTE || bytes[labelEnd + 1] !== COMMA) return false;
    this.endpoint = bytes.toString('utf8', label, labelEnd);
    this.members = labelEnd + 2;
    if (this.#secondMembers.length < MOST_SECOND_MEMBERS) {
      const pattern = new BytePattern(bytes.subarray(second, this.members));
      this.#secondMembers.push({ pattern, endpoint: this.endpoint });
    }
    return true;
  }

  /**
   * Whether the head of another line stands inside the line. A line that was torn and has the next one glued to it
   * begins and ends well, too. The last byte of a timestamp is looked for: searching for one byte that is rare costs
   * a fraction of searching for the whole head.
   */
  #isGlued(bytes: Buffer, end: number): boolean {
    let last = bytes.indexOf(UPPER_Z, this.members);
    while (last >= 0 && last < end) {
      // What stands before it in the line is longer than that.
      if (LINE_HEAD.standsAt(this.#view, last + 1 - TIMESTAMP_LENGTH - TIMESTAMP_OFFSET)) return true;
      last = bytes.indexOf(UPPER_Z, last + 1);
    }
    return false;
  }

  /** An event line without members of the server's, with white space before it, or with an odd time or label. */
  #readUnusual(bytes: Buffer, start: number, end: number): LineKind | undefined {
    this.members = 0;
    const shape = eventLineShape(bytes, start, end);
    if (shape === undefined) return this.#readOther(bytes, start, end);
    if (this.frame.readLine(bytes, end, shape.members) !== 'object') return undefined;
    this.#timestampAt = shape.timestamp;
    this.endpoint = bytes.toString('utf8', shape.endpoint, shape.endpointEnd);
    this.kind = 'event';
    if (shape.timestamp === start + TIMESTAMP_OFFSET) {
      this.members = bytes[shape.members] === COMMA ? shape.members + 1 : shape.members;
    }
    return 'event';
  }

  #readOther(bytes: Buffer, start: number, end: number): LineKind | undefined {
    const line = parseLine(bytes, start, end);
    if (line === undefined) return undefined;
    this.#line = line;
    this.kind = line.kind;
    this.#timestampAt = -1;
    this.#receivedAt =
      (line.receivedAt === undefined ? undefined : parseTimestamp(line.receivedAt)) ?? Number.NaN;
    this.endpoint = line.endpoint;
    if (line.kind === 'event') {
      this.frame.read(line.frame);
      this.endpoint ??= endpointOfType(this.frame.type ?? '');
    }
    return line.kind;
  }

  /** What happened to the connection; `undefined` for lines of another kind. */
  get connection(): ConnectionState | undefined {
    return this.#line?.kind === 'connection' ? this.#line.connection : undefined;
  }

  /** Whether the payload came as a binary frame. */
  get isBinary(): boolean {
    return this.#line?.kind === 'invalid' && this.#line.binary;
  }

  /** The payload that the server sent, byte for byte, as a copy; `undefined` for lifecycle lines. */
  payload(): Buffer | undefined {
    const line = this.#line;
    if (line !== undefined) return line.kind === 'connection' ? undefined : line.frame;
    const shape = eventLineShape(this.bytes, this.start, this.end);
    return shape && frameOf(this.bytes, this.start, this.end, shape);
  }
}
