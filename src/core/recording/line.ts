/**
 * The recording format: one NDJSON line for each thing that happened on a connection. The same lines go to a pipe,
 * to a file and, read back, to the clients of the mock server.
 *
 * A line that we wrote has a fixed shape: `received_at` first, and a second member that tells the kind:
 * `endpoint` an event, `invalid` a frame that is no JSON object, `connection` what happened to the connection.
 * An event line is the server's own text with those two members spliced in after its opening brace, so that taking
 * them off gives the very bytes that came. Lines that others rewrote (`jq`) are read by their members' names.
 */
import { removeMembers } from '../json/members.js';
import type { OpmasEvent } from '../protocol.js';
import { TIMESTAMP_LENGTH } from './timestamp.js';

/** Version of the recording format; written in each `connecting` line. */
export const FORMAT_VERSION = 1;

/** A run of whole lines in order: what passes from stage to stage. */
export interface LineBatch {
  /** The lines, UTF-8, each ended by one LF. */
  readonly bytes: Buffer;
  /** How many lines those are. */
  readonly count: number;
  /** Whether all of them are event lines, when whoever made the batch knows that. */
  readonly onlyEvents?: boolean;
  /** Gives the memory back for reuse. Optional: call it only when nobody will look at `bytes` again. */
  release?(): void;
}

/**
 * What happened to a connection (contract, section 6). Times are timestamps, waits are milliseconds. `continued` marks
 * lines at the start of a further file of one recording: they repeat what was so already, nothing has happened.
 */
export type ConnectionState =
  | {
      state: 'connecting';
      attempt: number;
      url: string;
      recorder: string;
      format: number;
      continued?: true;
    }
  | { state: 'refused'; status?: number; error?: string; retry_in_ms?: number }
  | { state: 'open'; gap_since?: string; continued?: true }
  | { state: 'closed'; code: number; reason: string; retry_in_ms?: number }
  | { state: 'dropped'; count: number; from: string; to: string };

interface LineOrigin {
  /** Timestamp as it stands in the line; `undefined` in NDJSON of other origin. */
  receivedAt: string | undefined;
  /** Endpoint's label as it stands in the line; `undefined` in NDJSON of other origin. */
  endpoint: string | undefined;
}

export interface EventLine extends LineOrigin {
  kind: 'event';
  /** The server's message, byte for byte: one JSON object. */
  frame: Buffer;
}

export interface InvalidLine extends LineOrigin {
  kind: 'invalid';
  reason: string;
  /** The frame's payload, byte for byte. */
  frame: Buffer;
  /** Whether it came as a binary frame. */
  binary: boolean;
}

export interface LifecycleLine extends LineOrigin {
  kind: 'connection';
  connection: ConnectionState;
}

export type Line = EventLine | InvalidLine | LifecycleLine;

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const QUOTE = 0x22;
const UPPER_Z = 0x5a;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/** How every line begins that we wrote; the timestamp follows. */
export const RECEIVED_AT = '{"received_at":"';
/** What follows the timestamp of an event line; the endpoint's label comes next. */
export const ENDPOINT = '","endpoint":"';
const RECEIVED_AT_BYTES = Buffer.from(RECEIVED_AT);
const ENDPOINT_BYTES = Buffer.from(ENDPOINT);

/**
 * The first bytes of an event line: `{"received_at":"…","endpoint":"devices"`, without a comma after it.
 * The timestamp stands at {@link TIMESTAMP_OFFSET}, so that a caller can overwrite it in place.
 */
export function eventHead(receivedAt: string, endpoint: string): Buffer {
  return Buffer.from(`${RECEIVED_AT}${receivedAt}","endpoint":${JSON.stringify(endpoint)}`);
}

/** Where the timestamp begins in the head of a line. */
export const TIMESTAMP_OFFSET = RECEIVED_AT.length;

/** How many bytes an event line may take at most. */
export function eventLineCapacity(head: Buffer, frameLength: number): number {
  return head.length + frameLength + 2;
}

/**
 * Writes one event line, LF included, into `target` at `at`.
 *
 * @param head From {@link eventHead}.
 * @param frame Holds the server's message: one JSON object, already checked.
 * @param hasLineBreaks Whether there are line breaks between its tokens; they become spaces.
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

/** The same for a frame that begins with white space or has no members. */
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

/** The offset of the first byte from `start` on that is no white space. */
function skipWhiteSpace(frame: Buffer, start: number): number {
  let at = start;
  while (isWhiteSpace(frame[at])) at++;
  return at;
}

function flattenLineBreaks(target: Buffer, start: number, end: number): void {
  for (let i = start; i < end; i++) if (target[i] === LF || target[i] === CR) target[i] = SPACE;
}

function isWhiteSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === LF || byte === CR || byte === TAB;
}

/**
 * The line of a frame that is no JSON object, LF included. A long text with so many escapes that base64 is shorter is
 * kept as that; it is replayed as a binary frame then.
 */
export function formatInvalidLine(
  receivedAt: string,
  endpoint: string,
  reason: string,
  frame: Buffer,
  binary: boolean,
): Buffer {
  const asBytes = binary || (frame.length > LONG_TEXT && escapedLength(frame) > (4 / 3) * frame.length);
  const invalid = asBytes ? { reason, base64: frame.toString('base64') } : { reason, text: frame.toString() };
  return Buffer.from(`${JSON.stringify({ received_at: receivedAt, invalid, endpoint })}\n`);
}

/** Six times that is far below what a line may have. */
const LONG_TEXT = 1024 * 1024;

/** About how many bytes a text takes between the quotes of a JSON string. */
function escapedLength(text: Buffer): number {
  let length = text.length;
  for (const byte of text) {
    if (byte < SPACE) length += 5;
    else if (byte === QUOTE || byte === BACKSLASH) length++;
  }
  return length;
}

/** The line of something that happened to a connection, LF included. */
export function formatLifecycleLine(
  receivedAt: string,
  endpoint: string,
  connection: ConnectionState,
): Buffer {
  return Buffer.from(`${JSON.stringify({ received_at: receivedAt, connection, endpoint })}\n`);
}

/** Where the parts of an event line that we wrote stand; offsets into the bytes that were handed in. */
export interface EventLineShape {
  /** First byte of the timestamp, which is {@link TIMESTAMP_LENGTH} long. */
  timestamp: number;
  /** First byte of the endpoint's label, without its quotes. */
  endpoint: number;
  endpointEnd: number;
  /**
   * First byte after the spliced members: a comma when the frame has members, else what followed its brace.
   * The frame is `{` and all from `members` on, without that comma.
   */
  members: number;
}

/**
 * Finds the parts of an event line that has the fixed shape. This is the fast way to read what we wrote; it checks
 * the head, and leaves the JSON after it to others.
 *
 * @returns `undefined` for lines of any other kind or shape; {@link parseLine} reads those.
 */
export function eventLineShape(bytes: Buffer, start: number, end: number): EventLineShape | undefined {
  let brace = start;
  while (brace < end && isWhiteSpace(bytes[brace])) brace++;
  const timestamp = brace + TIMESTAMP_OFFSET;
  const second = timestamp + TIMESTAMP_LENGTH;
  const endpoint = second + ENDPOINT.length;
  if (endpoint >= end) return undefined;
  if (!hasBytesAt(bytes, second, ENDPOINT_BYTES) || !hasBytesAt(bytes, brace, RECEIVED_AT_BYTES))
    return undefined;
  if (bytes[second - 1] !== UPPER_Z) return undefined;
  // Text with an escape in it (a path with a quote) takes the slow way.
  if (endOfPlainText(bytes, timestamp, second) !== second) return undefined;
  const endpointEnd = endOfPlainText(bytes, endpoint, end);
  const members = endpointEnd + 1;
  if (bytes[endpointEnd] !== QUOTE || !membersFollow(bytes, members, end)) return undefined;
  return { timestamp, endpoint, endpointEnd, members };
}

/** Whether the spliced members are followed by others at once, or else by the end of the object. */
function membersFollow(bytes: Buffer, members: number, end: number): boolean {
  let at = members;
  if (at < end && bytes[at] === COMMA) return true;
  while (at < end && isWhiteSpace(bytes[at])) at++;
  return at < end && bytes[at] === CLOSING_BRACE;
}

/** Whether those bytes stand there. */
function hasBytesAt(bytes: Buffer, at: number, expected: Buffer): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false;
  return true;
}

/** The offset of the first byte of `bytes[start..end)` that does not stand for itself in a JSON string. */
export function endOfPlainText(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const byte = bytes[at] as number;
    if (byte < SPACE || byte === QUOTE || byte === BACKSLASH) break;
    at++;
  }
  return at;
}

/** The server's message in an event line of the fixed shape, byte for byte; a copy. */
export function frameOf(bytes: Buffer, start: number, end: number, shape: EventLineShape): Buffer {
  const brace = shape.timestamp - TIMESTAMP_OFFSET;
  const rest = bytes[shape.members] === COMMA ? shape.members + 1 : shape.members;
  const frame = Buffer.allocUnsafe(brace - start + 1 + end - rest);
  bytes.copy(frame, 0, start, brace);
  frame[brace - start] = OPENING_BRACE;
  bytes.copy(frame, brace - start + 1, rest, end);
  return frame;
}

/**
 * Reads one line of any origin: ours, one that `jq` has rewritten, or an event of foreign NDJSON.
 *
 * @param start First byte of the line. @param end The byte after its last, without the LF.
 * @returns `undefined` when the line is no JSON object.
 */
export function parseLine(bytes: Buffer, start = 0, end = bytes.length): Line | undefined {
  const shape = eventLineShape(bytes, start, end);
  const text = bytes.toString('utf8', start, end);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  if (shape !== undefined) {
    return {
      kind: 'event',
      receivedAt: bytes.toString('latin1', shape.timestamp, shape.timestamp + TIMESTAMP_LENGTH),
      endpoint: bytes.toString('utf8', shape.endpoint, shape.endpointEnd),
      frame: frameOf(bytes, start, end, shape),
    };
  }
  return lineOfMembers(value as Record<string, unknown>, text);
}

/** The lines of a batch, one after another; what is no JSON object is left out. */
export function* linesOf({ bytes }: LineBatch): Generator<Line, void, undefined> {
  let start = 0;
  while (start < bytes.length) {
    const feed = bytes.indexOf(LF, start);
    const end = feed < 0 ? bytes.length : feed;
    const line = parseLine(bytes, start, end);
    if (line !== undefined) yield line;
    start = end + 1;
  }
}

/** The server's message in an event line, parsed. */
export function eventOf({ frame }: EventLine): OpmasEvent {
  return JSON.parse(frame.toString()) as OpmasEvent;
}

const OUR_HEAD = /^\s*\{"received_at":"([^"\\]{27})","endpoint":("(?:[^"\\]|\\.)*")/;

function lineOfMembers(members: Record<string, unknown>, text: string): Line {
  // We wrote it, and the label has an escape. The event's own members of these names come later and do not count.
  const head = OUR_HEAD.exec(text);
  if (head !== null) {
    const frame = Buffer.from(removeMembers(text, ['received_at', 'endpoint']));
    return { kind: 'event', receivedAt: head[1], endpoint: JSON.parse(head[2]!) as string, frame };
  }
  const origin: LineOrigin = {
    receivedAt: typeof members.received_at === 'string' ? members.received_at : undefined,
    endpoint: typeof members.endpoint === 'string' ? members.endpoint : undefined,
  };
  // Without `received_at` it is not ours, whatever its members are called.
  if (origin.receivedAt !== undefined) {
    const lifecycle = members.connection as ConnectionState | undefined;
    if (typeof lifecycle === 'object' && lifecycle !== null && typeof lifecycle.state === 'string') {
      return { kind: 'connection', ...origin, connection: lifecycle };
    }
    const invalid = members.invalid as { reason?: unknown; text?: unknown; base64?: unknown } | undefined;
    if (typeof invalid === 'object' && invalid !== null) {
      const binary = typeof invalid.base64 === 'string';
      const frame = binary
        ? Buffer.from(invalid.base64 as string, 'base64')
        : Buffer.from(String(invalid.text ?? ''));
      return { kind: 'invalid', ...origin, reason: String(invalid.reason ?? ''), frame, binary };
    }
  }
  const ours = origin.receivedAt === undefined ? [] : ['received_at', 'endpoint'];
  const frame = Buffer.from(ours.length === 0 ? text : removeMembers(text, ours));
  return { kind: 'event', ...origin, frame };
}
