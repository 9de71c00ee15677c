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
  /** Nothing was left out. */
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
  const start = text.indexOf(OPENING_BRACE, open) + 1;
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
  if (first !== OPENING_BRACE && first !== OPENING_BRACKET) return JSON.parse(text.slice(start, end));
  if (end - start <= LARGE) {
    progress.left -= end - start;
    if (progress.left >= 0) return JSON.parse(text.slice(start, end));
  } else if (first === OPENING_BRACE && level < MOST_LEVELS) {
    return largeObject(text, start, progress, level + 1);
  }
  progress.isWhole = false;
  return LEFT_OUT;
}
