import { FrameReader } from '../json/frame.js';
import { BACKSLASH, CLOSING_BRACE, COMMA, QUOTE, SPACE } from '../json/json-tokens.js';
import { DATA_SPANS } from '../json/member-names.js';
import { endpointOfType } from '../protocol.js';
import { type ConnectionEvent, FORMAT_VERSION } from './connection-event.js';
import { ENDPOINT, type Line, type LineKind, RECEIVED_AT, TIMESTAMP_OFFSET } from './format.js';
import { parseLine } from './parse-line.js';
import { BytePattern, parseTimestamp, TIMESTAMP_LENGTH, TimestampReader } from './timestamp.js';

const UPPER_Z = 0x5a;
const OPENING_BRACE = Buffer.from('{');
/** Labels of more endpoints are read anew for each line. */
const MAX_LABELS = 8;
const MAX_KEPT_LABEL = 256;
const LINE_HEAD = new BytePattern(Buffer.from(RECEIVED_AT));
const LABEL_HEAD = new BytePattern(Buffer.from(ENDPOINT));
const EVENT_MEMBER = new BytePattern(Buffer.from('"event":'));

export interface LineViewOptions {
  /**
   * Check only the ends of event lines that we wrote, not the JSON between: several times as fast. `frame` is unusable
   * then. Default `false`.
   */
  skipJsonCheck?: boolean;
  /** Note the members of `data` that tell device and severity, so that `frame` has them without a parse. Default `false`. */
  noteData?: boolean;
}

/**
 * A view of one line of a recording in the bytes that hold it. One object views one line after another, so nothing is
 * allocated per line; its members are valid until the next {@link read} and as long as the bytes stay as they are.
 *
 * Event lines that we wrote are read as bytes; all others (rare, or of other origin) go through `parseLine`.
 */
export class LineView {
  /** Type, subject and value of the event. Only for lines of kind `event`. */
  readonly frame = new FrameReader();
  kind: LineKind = 'event';
  /** The line is `bytes[start..end)`, without its line feed. */
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  /** Label of the endpoint. Where the line has none it follows from the event's type; `undefined` if it does not. */
  endpoint: string | undefined;
  /**
   * Offset of the server's own members in an event line that begins as ours do: the frame is `{` and everything from
   * there. 0 for other lines; {@link payload} serves those.
   */
  members = 0;
  /** Version of the format in which the lines were written. Before version 2 no event was nested. */
  format = FORMAT_VERSION;

  readonly #skipJsonCheck: boolean;
  readonly #timestamps = new TimestampReader();
  /** A line that has not the usual head of our event lines, in parts. */
  #parsed: Line | undefined;
  /** Labels that were seen: their bytes, from the quote that ends the time to the comma after the label. */
  readonly #labels: { pattern: BytePattern; endpoint: string }[] = [];
  /** The same memory as `bytes`. */
  #data: DataView = new DataView(new ArrayBuffer(0));
  /** Offset of a timestamp that has not been read yet; -1 when {@link receivedAt} is known. */
  #timestampAt = -1;
  #receivedAt = Number.NaN;

  constructor({ skipJsonCheck = false, noteData = false }: LineViewOptions = {}) {
    this.#skipJsonCheck = skipJsonCheck;
    if (noteData) this.frame.dataSpans = new Int32Array(DATA_SPANS);
  }

  /**
   * Moves the view to the line `bytes[start..end)`, which is UTF-8.
   *
   * @returns The kind of the line, or `undefined` when it is not a JSON object.
   */
  read(bytes: Buffer, start: number, end: number): LineKind | undefined {
    if (bytes !== this.bytes) this.#data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.#parsed = undefined;
    if (!this.#readHead(bytes, start, end)) return this.#parse(bytes, start, end);
    if (this.#skipJsonCheck && bytes[end - 1] === CLOSING_BRACE) {
      if (this.#isGlued(bytes, end) && parseLine(bytes, start, end) === undefined) return undefined;
    } else if (this.frame.readLine(bytes, end, this.members - 1) !== 'object') {
      return undefined;
    }
    this.kind = 'event';
    return 'event';
  }

  /** Time of receipt in microseconds since 1970; `NaN` where the line does not say. */
  get receivedAt(): number {
    // Reading the time costs as much as finding the line, and not every consumer needs it.
    if (this.#timestampAt >= 0) {
      this.#receivedAt = this.#timestamps.read(this.#data, this.#timestampAt);
      this.#timestampAt = -1;
    }
    return this.#receivedAt;
  }

  /** The text in the place of the time, where {@link receivedAt} cannot be read from it. */
  get unreadableTime(): string | undefined {
    if (!Number.isNaN(this.receivedAt) || this.#parsed !== undefined) return this.#parsed?.receivedAt;
    const at = this.start + TIMESTAMP_OFFSET;
    return this.bytes.toString('utf8', at, at + TIMESTAMP_LENGTH);
  }

  /** Content of a lifecycle line; `undefined` for lines of another kind. */
  get connection(): ConnectionEvent | undefined {
    return this.#parsed?.kind === 'connection' ? this.#parsed.connection : undefined;
  }

  /** `true` when the payload came as a binary frame. */
  get isBinary(): boolean {
    return this.#parsed?.kind === 'invalid' && this.#parsed.binary;
  }

  /** Returns a copy of the payload that the server sent, byte for byte; `undefined` for lifecycle lines. */
  payload(): Buffer | undefined {
    const line = this.#parsed;
    if (line !== undefined) return line.kind === 'connection' ? undefined : line.frame;
    return Buffer.concat([OPENING_BRACE, this.bytes.subarray(this.members, this.end)]);
  }

  /** Returns the payload as text; empty for lifecycle lines. */
  text(): string {
    const line = this.#parsed;
    if (line !== undefined) return line.kind === 'connection' ? '' : line.frame.toString();
    return `{${this.bytes.toString('utf8', this.members, this.end)}`;
  }

  /** Reads the head of an event line that we wrote, if the line has one and members of the server's after it. */
  #readHead(bytes: Buffer, start: number, end: number): boolean {
    this.members = 0;
    const label = start + TIMESTAMP_OFFSET + TIMESTAMP_LENGTH;
    if (label + LABEL_HEAD.length > end || !LINE_HEAD.standsAt(this.#data, start)) return false;
    if (!this.#readLabel(bytes, label, end)) return false;
    if (this.#mayBeNested(end)) {
      this.members = 0;
      return false;
    }
    this.#timestampAt = start + TIMESTAMP_OFFSET;
    // The JSON check begins behind the endpoint, so it does not see a damaged time.
    if (this.#skipJsonCheck || !Number.isNaN(this.receivedAt)) return true;
    this.members = 0;
    return false;
  }

  #mayBeNested(end: number): boolean {
    return this.members + EVENT_MEMBER.length < end && EVENT_MEMBER.standsAt(this.#data, this.members);
  }

  /** Remembers the first few labels: a recording has as many as it has endpoints. */
  #readLabel(bytes: Buffer, at: number, end: number): boolean {
    for (const { pattern, endpoint } of this.#labels) {
      if (at + pattern.length > end || !pattern.standsAt(this.#data, at)) continue;
      this.endpoint = endpoint;
      this.members = at + pattern.length;
      return true;
    }
    const label = at + LABEL_HEAD.length;
    if (!LABEL_HEAD.standsAt(this.#data, at)) return false;
    const labelEnd = endOfPlainText(bytes, label, end);
    if (bytes[labelEnd] !== QUOTE || bytes[labelEnd + 1] !== COMMA || labelEnd + 1 >= end) return false;
    this.endpoint = bytes.toString('utf8', label, labelEnd);
    this.members = labelEnd + 2;
    if (this.#labels.length < MAX_LABELS && labelEnd - label <= MAX_KEPT_LABEL) {
      const pattern = new BytePattern(bytes.subarray(at, this.members));
      this.#labels.push({ pattern, endpoint: this.endpoint });
    }
    return true;
  }

  /**
   * Finds the head of another line inside the line. A line that was torn and has the next one glued to it begins and
   * ends well, too. The search is for the last byte of a timestamp: one rare byte costs a fraction of the whole head.
   */
  #isGlued(bytes: Buffer, end: number): boolean {
    let last = bytes.indexOf(UPPER_Z, this.members);
    while (last >= 0 && last < end) {
      // The line's own head is longer than the bytes in front of `last`, so this stays inside the line.
      if (LINE_HEAD.standsAt(this.#data, last + 1 - TIMESTAMP_LENGTH - TIMESTAMP_OFFSET)) return true;
      last = bytes.indexOf(UPPER_Z, last + 1);
    }
    return false;
  }

  #parse(bytes: Buffer, start: number, end: number): LineKind | undefined {
    const line = parseLine(bytes, start, end, this.format);
    if (line === undefined) return undefined;
    this.#parsed = line;
    this.kind = line.kind;
    this.#timestampAt = -1;
    this.#receivedAt = parseTimestamp(line.receivedAt ?? '') ?? Number.NaN;
    this.endpoint = line.endpoint;
    if (line.kind === 'event') {
      this.frame.read(line.frame);
      this.endpoint ??= endpointOfType(this.frame.type ?? '');
    }
    return line.kind;
  }
}

/** Returns the offset of the first byte of `bytes[start..end)` that does not stand for itself in a JSON string. */
function endOfPlainText(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const byte = bytes[at] as number;
    if (byte < SPACE || byte === QUOTE || byte === BACKSLASH) break;
    at++;
  }
  return at;
}

/** Returns the time of the first of these lines, in microseconds; `undefined` when it has none. */
export function firstTime(lines: Buffer = Buffer.alloc(0)): number | undefined {
  const line = new LineView();
  const isLine = line.read(lines, 0, lines.indexOf(0x0a)) !== undefined;
  return isLine && !Number.isNaN(line.receivedAt) ? line.receivedAt : undefined;
}
