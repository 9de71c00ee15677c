const QUOTE = 0x22;
const COMMA = 0x2c;
const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

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
function endOfString(text: string, quote: number): number {
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
