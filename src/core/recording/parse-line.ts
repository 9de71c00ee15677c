import { JsonFindings, scanJson } from '../json/json-scanner.js';
import { removeMembers } from '../json/members.js';
import { parseSparsely } from '../json/sparse-object.js';
import type { OpmasEvent } from '../protocol.js';
import { readConnectionEvent } from './connection-event.js';
import type { EventLine, InvalidLine, Line, LineBatch } from './format.js';

const LF = 0x0a;
const OPENING_BRACE = Buffer.from('{');

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
 * @returns `undefined` when the line is not a JSON object.
 */
export function parseLine(bytes: Buffer, start = 0, end = bytes.length): Line | undefined {
  if (scanJson(bytes, start, end, false, findings) !== 'object') return undefined;
  const text = bytes.toString('utf8', start, end);
  const value = parseSparsely(text, OUR_MEMBERS);
  // Members of the event's own with the same names come later and do not count.
  const head = EVENT_HEAD.exec(text);
  if (head === null) return lineOfMembers(value, text);
  const [whole, before = '', , label = ''] = head;
  // A copy, because a part of the text would keep the whole text alive.
  const receivedAt = Buffer.from(head[2] ?? '').toString();
  const members = bytes.subarray(start + Buffer.byteLength(whole), end);
  const frame = Buffer.concat([bytes.subarray(start, start + before.length), OPENING_BRACE, members]);
  return { kind: 'event', receivedAt, endpoint: JSON.parse(label) as string, frame };
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
function lineOfMembers(members: Record<string, unknown>, text: string): Line {
  const origin = {
    receivedAt: typeof members.received_at === 'string' ? members.received_at : undefined,
    endpoint: typeof members.endpoint === 'string' ? members.endpoint : undefined,
  };
  // A line without `received_at` is not ours, whatever its members are called.
  if (origin.receivedAt === undefined) return { kind: 'event', ...origin, frame: Buffer.from(text) };
  const connection = readConnectionEvent(members.connection);
  if (connection !== undefined) return { kind: 'connection', ...origin, connection };
  const { invalid } = members;
  if (isObject(invalid)) return { kind: 'invalid', ...origin, ...contentOf(invalid) };
  const frame = Buffer.from(removeMembers(text, ['received_at', 'endpoint']));
  return { kind: 'event', ...origin, frame };
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

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
