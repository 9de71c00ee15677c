import type { OpmasEvent } from '../protocol.js';
import { readConnectionEvent } from './connection-event.js';
import type { EventLine, InvalidLine, Line, LineBatch } from './format.js';

const LF = 0x0a;
const OPENING_BRACE = Buffer.from('{');

/** The members that we put in front of an event, and the comma before the event's own members. */
const EVENT_HEAD =
  /^([ \t\r\n]*)\{"received_at":"([^"\\]{27})","endpoint":("(?:[^"\\]|\\.)*")(?:,|(?=[ \t\r\n]*\}))/;

/**
 * Parses one line of any origin: ours, one that `jq` has rewritten, or an event of foreign NDJSON. A `LineView` reads
 * most lines several times as fast.
 *
 * @param start Offset of the line. @param end Offset after its last byte, without the LF.
 * @returns `undefined` when the line is not a JSON object.
 */
export function parseLine(bytes: Buffer, start = 0, end = bytes.length): Line | undefined {
  const text = bytes.toString('utf8', start, end);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value) || Array.isArray(value)) return undefined;
  // Members of the event's own with the same names come later and do not count.
  const head = EVENT_HEAD.exec(text);
  if (head === null) return lineOfMembers(value, text);
  const [whole, before = '', receivedAt, label = ''] = head;
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

/** A member of a JSON object, and its place in the text. */
interface MemberSpan {
  name: string;
  start: number;
  end: number;
}

/**
 * Removes the first member of each name from the text of a JSON object. Everything else stays as it is: the spelling of
 * numbers, the order of members, later members of the same name.
 *
 * @param text A JSON object that `JSON.parse` accepts. @param names Members of the object itself, not of nested ones.
 */
export function removeMembers(text: string, names: readonly string[]): string {
  const wanted = new Set(names);
  const open = text.indexOf('{');
  const kept: string[] = [];
  for (const member of membersOf(text, open + 1)) {
    if (wanted.delete(member.name)) continue;
    kept.push(text.slice(member.start, member.end));
  }
  return `${text.slice(0, open)}{${kept.join(',')}}${text.slice(text.lastIndexOf('}') + 1)}`;
}

function* membersOf(text: string, from: number): Generator<MemberSpan> {
  let at = from;
  while (at < text.length) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return;
    const nameEnd = endOfString(text, quote);
    const end = endOfValue(text, text.indexOf(':', nameEnd) + 1);
    yield { name: JSON.parse(text.slice(quote, nameEnd)) as string, start: quote, end };
    if (text[end] !== ',') return;
    at = end + 1;
  }
}

/** Returns the offset after the closing quote of the string that begins at `quote`. */
function endOfString(text: string, quote: number): number {
  let at = quote + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

/** Returns the offset of the comma or brace after the value that begins at `from`. */
function endOfValue(text: string, from: number): number {
  let depth = 0;
  let at = from;
  for (;;) {
    const char = text[at];
    if (char === '"') {
      at = endOfString(text, at);
      continue;
    }
    if (char === '{' || char === '[') depth++;
    else if (depth === 0 && (char === ',' || char === '}')) return at;
    else if (char === '}' || char === ']') depth--;
    at++;
  }
}
