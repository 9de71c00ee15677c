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
