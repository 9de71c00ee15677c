/** The place where a text stops being JSON. Both numbers count from 1; the column counts UTF-16 units. */
export interface JsonFault {
  line: number;
  column: number;
}

const literal = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const space = /[ \t\n\r]*/y;

/** The tokens that may come next. */
type Wanted = 'value' | 'value or ]' | 'key' | 'key or }' | 'comma' | 'nothing';

/**
 * Finds the place where a text breaks the rules of JSON, for people who edited it by hand. `JSON.parse` does not always
 * tell the place.
 *
 * @returns `undefined` when the text is JSON.
 */
export function findJsonFault(text: string): JsonFault | undefined {
  const open: ('{' | '[')[] = [];
  let at = skip(space, text, 0);
  let wanted: Wanted = 'value';
  while (wanted !== 'nothing') {
    const character = text[at] ?? '';
    const closes = wanted === 'comma' || wanted.endsWith(character === '}' ? 'or }' : 'or ]');
    if ((character === '}' || character === ']') && closes && matches(open.at(-1), character)) {
      open.pop();
      at++;
      wanted = open.length === 0 ? 'nothing' : 'comma';
    } else if (wanted === 'comma') {
      if (character !== ',') return position(text, at);
      at++;
      wanted = open.at(-1) === '{' ? 'key' : 'value';
    } else if (wanted === 'key' || wanted === 'key or }') {
      const colon = skip(space, text, skip(string, text, at));
      if (character !== '"' || skip(string, text, at) === at) return position(text, at);
      if (text[colon] !== ':') return position(text, colon);
      at = colon + 1;
      wanted = 'value';
    } else if (character === '{' || character === '[') {
      open.push(character);
      at++;
      wanted = character === '{' ? 'key or }' : 'value or ]';
    } else {
      const end = skip(character === '"' ? string : literal, text, at);
      if (end === at) return position(text, at);
      at = end;
      wanted = open.length === 0 ? 'nothing' : 'comma';
    }
    at = skip(space, text, at);
  }
  return at < text.length ? position(text, at) : undefined;
}

function matches(opening: string | undefined, closing: string): boolean {
  return opening === (closing === '}' ? '{' : '[');
}

/** Returns the offset after a token that begins at an offset; the same offset when there is no such token. */
function skip(token: RegExp, text: string, at: number): number {
  token.lastIndex = at;
  return token.test(text) ? token.lastIndex : at;
}

function position(text: string, offset: number): JsonFault {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: before.at(-1)!.length + 1 };
}
