import { scanJson } from '../json/json-scanner.js';
import { isObject, JsonFindings, LF } from '../json/json-tokens.js';
import { parseSparsely, removeMembers } from '../json/members.js';
import { isEndpointName, type OpmasEvent } from '../protocol.js';
import { FORMAT_VERSION, isKnownState, readConnectionEvent } from './connection-event.js';
import type { EventLine, InvalidLine, Line, LineBatch } from './format.js';
import { nestedEvent } from './nested-event.js';
import { timestampOf } from './timestamp.js';

const OPENING_BRACE = Buffer.from('{');
const FIRST_FORMAT_WITH_NESTED = 2;
/** Names that may stand beside an event that is nested in a line of ours. */
const NO_NAMES: ReadonlySet<string> = new Set();

/** Names of the members of our lines. */
const OUR_MEMBERS: ReadonlySet<string> = new Set([
  'received_at',
  'endpoint',
  'connection',
  'invalid',
  'event',
]);
const findings = new JsonFindings();

/**
 * The members that we put in front of an event, and the comma before the event's own members. A longer label is read
 * by its name: a regular expression of any length takes memory for each character.
 */
const EVENT_HEAD =
  /^([ \t\r\n]*)\{"received_at":"([^"\\]{27})","endpoint":("(?:[^"\\]|\\.){0,4096}")(?:,|(?=[ \t\r\n]*\}))/;

/**
 * Parses one line of any origin: ours, one that `jq` has rewritten, or an event of foreign NDJSON. A `LineView` reads
 * most lines several times as fast.
 *
 * @param start Offset of the line. @param end Offset after its last byte, without the LF.
 * @param format Version of the format in which the line was written: before version 2 no event was nested.
 * @returns `undefined` when the line is not a JSON object.
 */
export function parseLine(
  bytes: Buffer,
  start = 0,
  end = bytes.length,
  format = FORMAT_VERSION,
): Line | undefined {
  if (scanJson(bytes, start, end, false, findings) !== 'object') return undefined;
  const text = bytes.toString('utf8', start, end);
  const { value } = parseSparsely(text, OUR_MEMBERS);
  const mayBeNested = format >= FIRST_FORMAT_WITH_NESTED && Object.hasOwn(value, 'event');
  // In version 1 members of the event's own with the same names come later and do not count.
  const head = EVENT_HEAD.exec(text);
  if (head === null) return lineOfMembers(value, text, mayBeNested);
  const [whole, before = '', , label = ''] = head;
  // A copy, because a part of the text would keep the whole text alive.
  const receivedAt = Buffer.from(head[2] ?? '').toString();
  const endpoint = JSON.parse(label) as string;
  const nested = mayBeNested ? nestedEvent(text, whole.length, NO_NAMES) : undefined;
  if (nested !== undefined) return { kind: 'event', receivedAt, endpoint, frame: Buffer.from(nested) };
  const members = bytes.subarray(start + Buffer.byteLength(whole), end);
  const frame = Buffer.concat([bytes.subarray(start, start + before.length), OPENING_BRACE, members]);
  return { kind: 'event', receivedAt, endpoint, frame };
}

/** Parses the lines of a batch one after another; lines that are not JSON objects are left out. */
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

/** Parses the server's message in an event line. */
export function eventOf({ frame }: EventLine): OpmasEvent {
  return JSON.parse(frame.toString()) as OpmasEvent;
}

/** Reads a line by the names of its members. */
function lineOfMembers(members: Record<string, unknown>, text: string, mayBeNested: boolean): Line {
  const receivedAt = timestampOf(members.received_at);
  const isTimed = receivedAt !== undefined;
  const endpoint = labelOf(members.endpoint, isTimed);
  const origin = { receivedAt, endpoint };
  const nested = mayBeNested ? nestedEvent(text, text.indexOf('{') + 1) : undefined;
  if (nested !== undefined) return { kind: 'event', ...origin, frame: Buffer.from(nested.trim()) };
  const connection = readConnectionEvent(members.connection);
  const { invalid } = members;
  // A line without a time is ours only if it has nothing else, for any event may have members of these names.
  if (connection !== undefined && (isTimed || (isKnownState(connection) && isUntimed(members, endpoint)))) {
    return { kind: 'connection', ...origin, connection };
  }
  if (isObject(invalid) && (isTimed || ('reason' in invalid && isUntimed(members, endpoint)))) {
    return { kind: 'invalid', ...origin, ...contentOf(invalid) };
  }
  const ours = [...(isTimed ? ['received_at'] : []), ...(endpoint !== undefined ? ['endpoint'] : [])];
  const frame = Buffer.from(ours.length > 0 ? removeMembers(text, ours) : text);
  return { kind: 'event', ...origin, frame };
}

/**
 * Reads a label of ours. Beside a time any text is one. In a line without a time only an endpoint or a path is: other
 * texts are the event's own.
 */
function labelOf(value: unknown, isTimed: boolean): string | undefined {
  if (typeof value !== 'string') return undefined;
  return isTimed || isEndpointName(value) || value.startsWith('/') ? value : undefined;
}

/** Returns whether a line is one of ours, of which only the time was taken off. */
function isUntimed(members: Record<string, unknown>, endpoint: string | undefined): boolean {
  return endpoint !== undefined && Object.keys(members).length === 2;
}

/** Reads what `formatInvalidLine` wrote. */
function contentOf(invalid: Record<string, unknown>): Pick<InvalidLine, 'reason' | 'frame' | 'binary'> {
  const { base64, opcode, text } = invalid;
  const reason = typeof invalid.reason === 'string' ? invalid.reason : '';
  if (typeof base64 !== 'string') {
    return { reason, frame: Buffer.from(typeof text === 'string' ? text : ''), binary: false };
  }
  return { reason, frame: Buffer.from(base64, 'base64'), binary: opcode !== 'text' };
}
