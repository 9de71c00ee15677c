/**
 * Event lines as we write them, byte by byte: the server's message with two members spliced in after its opening
 * brace, and the fast way to find those again. On the way of every event, so written for speed.
 */
import { TIMESTAMP_LENGTH } from './timestamp.js';

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
