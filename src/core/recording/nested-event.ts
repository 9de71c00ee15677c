/**
 * Events that are nested in their line, because their members are named as ours:
 * `{"received_at":"…","endpoint":"devices","event":{"endpoint":"10.0.0.1:443"}}`. In an object with two members of one
 * name most parsers would keep the server's. All other events are spliced into their line.
 */
import { CR, LF, SPACE } from '../json/json-tokens.js';
import { membersOf } from '../json/members.js';

const MEMBER = Buffer.from(',"event":');
const LINE_END = Buffer.from('}\n');
const OUR_NAMES: ReadonlySet<string> = new Set(['received_at', 'endpoint']);
/** Looks this many objects deep, which keeps the work linear; deeper messages are always nested. */
const MOST_LEVELS = 3;

/**
 * Returns whether an event has to be nested: flat, it would have two members of one name, or look like a nested one.
 *
 * @param event A JSON object that `JSON.parse` accepts.
 */
export function needsNesting(event: string): boolean {
  let object = event;
  for (let level = 0; level < MOST_LEVELS; level++) {
    let count = 0;
    let inner: string | undefined;
    for (const { name, valueStart, end } of membersOf(object, object.indexOf('{') + 1)) {
      if (OUR_NAMES.has(name)) return true;
      count++;
      inner = name === 'event' ? object.slice(valueStart, end) : undefined;
    }
    if (count !== 1 || inner === undefined || !isObject(inner)) return false;
    object = inner;
  }
  return true;
}

/** Formats the line of an event that needs nesting, LF included. @param head From `eventHead`. */
export function formatNestedLine(head: Buffer, frame: Buffer): Buffer {
  const line = Buffer.concat([head, MEMBER, frame, LINE_END]);
  for (let i = 0; i < line.length - 1; i++) if (line[i] === LF || line[i] === CR) line[i] = SPACE;
  return line;
}

/**
 * Finds the nested event of a line.
 *
 * @param from Offset of the first member that is not known to be ours.
 * @param others Names of members that may stand beside it.
 * @returns The event as it stands in the line, or `undefined` when the line has none.
 */
export function nestedEvent(
  line: string,
  from: number,
  others: ReadonlySet<string> = OUR_NAMES,
): string | undefined {
  let event: string | undefined;
  for (const { name, valueStart, end } of membersOf(line, from)) {
    if (others.has(name)) continue;
    if (name !== 'event' || event !== undefined) return undefined;
    event = line.slice(valueStart, end);
  }
  return event !== undefined && isObject(event) && needsNesting(event) ? event : undefined;
}

function isObject(value: string): boolean {
  return value.trimStart().startsWith('{');
}
