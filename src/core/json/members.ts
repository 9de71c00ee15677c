import { BACKSLASH, CLOSING_BRACE, COMMA, QUOTE } from './json-tokens.js';

const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;

/** A member of a JSON object, and its place in the text. */
interface MemberSpan {
  name: string;
  start: number;
  /** Offset after the colon. */
  valueStart: number;
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

/** Gives the members of the JSON object whose opening brace stands before `from`. */
export function* membersOf(text: string, from: number): Generator<MemberSpan> {
  let at = from;
  while (at < text.length) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return;
    const nameEnd = endOfString(text, quote);
    const valueStart = text.indexOf(':', nameEnd) + 1;
    const end = endOfValue(text, valueStart);
    yield { name: JSON.parse(text.slice(quote, nameEnd)) as string, start: quote, valueStart, end };
    if (text[end] !== ',') return;
    at = end + 1;
  }
}

/** Returns the offset after the closing quote of the string that begins at `quote`. */
export function endOfString(text: string, quote: number): number {
  let at = quote + 1;
  for (let code = text.charCodeAt(at); code !== QUOTE; code = text.charCodeAt(at)) {
    at += code === BACKSLASH ? 2 : 1;
  }
  return at + 1;
}

/** Returns the offset of the comma or brace after the value that begins at `from`. */
function endOfValue(text: string, from: number): number {
  let depth = 0;
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      continue;
    }
    if (code === OPENING_BRACE || code === OPENING_BRACKET) depth++;
    else if (depth === 0 && (code === COMMA || code === CLOSING_BRACE)) return at;
    else if (code === CLOSING_BRACE || code === CLOSING_BRACKET) depth--;
    at++;
  }
}

/** A larger value is not built as it is: its objects can take up to a hundred times its length. */
const LARGE = 64 * 1024;
/** Members of a large object, besides the wanted ones. */
const MOST_MEMBERS = 1000;
/** Large objects in large objects: `{"connection":{"reason":"…"}}`. */
const MOST_LEVELS = 3;
/** Stands in the place of a value that is left out. */
const LEFT_OUT = '…';

/** Characters of small objects and arrays that are built. Those after them are left out. */
const MOST_BUILT = 4 * 1024 * 1024;

/** The progress of one text. */
interface Progress {
  readonly wanted: ReadonlySet<string>;
  /** Characters of objects and arrays that may still be built. */
  left: number;
  isWhole: boolean;
}

/** The result of {@link parseSparsely}. */
export interface SparseObject {
  value: Record<string, unknown>;
  /** True when all members are here. */
  isWhole: boolean;
}

/**
 * Parses a JSON object in memory and time that do not grow with its nesting and its number of members. Numbers, texts
 * of any length and small values are as `JSON.parse` has them. Of a large object, members beyond the first thousand
 * are left out; large arrays, values that are nested deeper and those after the first 4 MiB become `…`.
 *
 * @param text A JSON object that `JSON.parse` accepts. @param wanted Names that are never left out.
 */
export function parseSparsely(text: string, wanted: ReadonlySet<string>): SparseObject {
  const progress = { wanted, left: MOST_BUILT, isWhole: true };
  const value = text.length <= LARGE ? JSON.parse(text) : largeObject(text, 0, progress, 1);
  return { value: value as Record<string, unknown>, isWhole: progress.isWhole };
}

function largeObject(text: string, open: number, progress: Progress, level: number): unknown {
  const members = new Map<string, unknown>();
  const start = text.indexOf('{', open) + 1;
  for (const { name, valueStart, end } of membersOf(text, start)) {
    if (members.size < MOST_MEMBERS || progress.wanted.has(name))
      members.set(name, parseValue(text, valueStart, end, progress, level));
    else progress.isWhole = false;
  }
  return Object.fromEntries(members);
}

function parseValue(text: string, from: number, end: number, progress: Progress, level: number): unknown {
  let start = from;
  while (text.charCodeAt(start) <= 0x20) start++;
  const first = text[start];
  if (first !== '{' && first !== '[') return JSON.parse(text.slice(start, end));
  if (end - start <= LARGE) {
    progress.left -= end - start;
    if (progress.left >= 0) return JSON.parse(text.slice(start, end));
  } else if (first === '{' && level < MOST_LEVELS) {
    return largeObject(text, start, progress, level + 1);
  }
  progress.isWhole = false;
  return LEFT_OUT;
}
