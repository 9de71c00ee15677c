import { membersOf } from './members.js';

/** A larger value is not built as it is: its objects can take up to a hundred times its length. */
const LARGE = 64 * 1024;
/** Members of a large object, besides the wanted ones. */
const MOST_MEMBERS = 1000;
/** Large objects in large objects: `{"connection":{"reason":"…"}}`. */
const MOST_LEVELS = 3;
const OPENING_BRACE = '{';
const OPENING_BRACKET = '[';
/** Stands in the place of a value that is left out. */
const LEFT_OUT = '…';

/**
 * Parses a JSON object in memory that does not grow with its nesting and its number of members. Numbers, texts of any
 * length and small values are as `JSON.parse` has them. Of a large object, members beyond the first thousand are left
 * out; large arrays and values that are nested deeper become `…`.
 *
 * @param text A JSON object that `JSON.parse` accepts. @param wanted Names that are never left out.
 */
export function parseSparsely(text: string, wanted: ReadonlySet<string>): Record<string, unknown> {
  return (text.length <= LARGE ? JSON.parse(text) : largeObject(text, 0, wanted, 1)) as Record<
    string,
    unknown
  >;
}

function largeObject(text: string, open: number, wanted: ReadonlySet<string>, level: number): unknown {
  const members = new Map<string, unknown>();
  const start = text.indexOf(OPENING_BRACE, open) + 1;
  for (const { name, valueStart, end } of membersOf(text, start)) {
    if (members.size >= MOST_MEMBERS && !wanted.has(name)) continue;
    members.set(name, parseValue(text, valueStart, end, wanted, level));
  }
  return Object.fromEntries(members);
}

function parseValue(
  text: string,
  from: number,
  end: number,
  wanted: ReadonlySet<string>,
  level: number,
): unknown {
  if (end - from <= LARGE) return JSON.parse(text.slice(from, end));
  let start = from;
  while (text.charCodeAt(start) <= 0x20) start++;
  const first = text[start];
  if (first === OPENING_BRACKET) return LEFT_OUT;
  if (first !== OPENING_BRACE) return JSON.parse(text.slice(start, end));
  return level < MOST_LEVELS ? largeObject(text, start, wanted, level + 1) : LEFT_OUT;
}
