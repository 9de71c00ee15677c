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
import { type ConnectionState, readConnectionState } from './connection-state.js';
import { eventLineShape, frameOf } from './event-line.js';
import { TIMESTAMP_LENGTH } from './timestamp.js';

/** A run of whole lines in order: what passes from stage to stage. */
export interface LineBatch {
  /** The lines, UTF-8, each ended by one LF. */
  readonly bytes: Buffer;
  /** How many lines those are. */
  readonly count: number;
  /** Whether all of them are event lines, when whoever made the batch knows that. */
  readonly onlyEvents?: boolean;
  /** Gives the memory back for reuse. Optional, once: call it only when nobody will look at `bytes` again. */
  release?(): void;
}

interface LineOrigin {
  /** Timestamp as it stands in the line; `undefined` in NDJSON of other origin. */
  receivedAt: string | undefined;
  /** Endpoint's label as it stands in the line; `undefined` in NDJSON of other origin. */
  endpoint: string | undefined;
}

/** A line that holds an event of the server. */
export interface EventLine extends LineOrigin {
  kind: 'event';
  /** The server's message, byte for byte: one JSON object. */
  frame: Buffer;
}

/** A line that holds a frame which is no JSON object. */
export interface InvalidLine extends LineOrigin {
  kind: 'invalid';
  reason: string;
  /** The frame's payload, byte for byte. */
  frame: Buffer;
  /** Whether it came as a binary frame. */
  binary: boolean;
}

/** A line that tells what happened to a connection. */
export interface LifecycleLine extends LineOrigin {
  kind: 'connection';
  connection: ConnectionState;
}

/** One line of a recording; `kind` tells which. */
export type Line = EventLine | InvalidLine | LifecycleLine;

const LF = 0x0a;
const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * The line of a frame that is no JSON object, LF included. A long text with so many escapes that base64 is shorter is
 * kept as that, and marked: `"opcode":"text"` (RFC 6455 section 5.2).
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
  if (origin.receivedAt === undefined) return { kind: 'event', ...origin, frame: Buffer.from(text) };
  const connection = readConnectionState(members.connection);
  if (connection !== undefined) return { kind: 'connection', ...origin, connection };
  const { invalid } = members;
  if (isObject(invalid)) return { kind: 'invalid', ...origin, ...contentOf(invalid) };
  const frame = Buffer.from(removeMembers(text, ['received_at', 'endpoint']));
  return { kind: 'event', ...origin, frame };
}

/** Reads what {@link formatInvalidLine} wrote. */
function contentOf(invalid: Record<string, unknown>): Pick<InvalidLine, 'reason' | 'frame' | 'binary'> {
  const { base64, opcode, text } = invalid;
  const reason = typeof invalid.reason === 'string' ? invalid.reason : '';
  if (typeof base64 !== 'string') {
    return { reason, frame: Buffer.from(typeof text === 'string' ? text : ''), binary: false };
  }
  return { reason, frame: Buffer.from(base64, 'base64'), binary: opcode !== 'text' };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
