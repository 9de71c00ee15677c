/**
 * Characters that must not reach a terminal as they are: control and format characters, line and paragraph separators,
 * lone surrogates, and all that is invisible. Variation selectors of emoji stay, and the joiner between two emoji.
 */
const unsafe =
  /(?!(?<=\p{Extended_Pictographic}[\ufe0f\u{1f3fb}-\u{1f3ff}]?)\u200d(?=\p{Extended_Pictographic}))[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}](?<![\ufe00-\ufe0f])/gu;
/** Text of which nothing is unsafe, as most is; this is found out faster. */
const plain = /^[\x20-\x7e]*$/;
/** A line feed, a tab and the codes of our colors, which messages of our own hold. */
const OWN_CODES = /(\u001b\[\d{1,2}m|[\n\t])/;

/**
 * Makes foreign text safe to show. Characters that could move the cursor, or color, reorder or hide text, become JSON
 * escapes (`\u001b`). Line feeds too, as `\n`: the result is always one line.
 */
export function escapeUnsafe(text: string): string {
  return plain.test(text) ? text : text.replace(unsafe, escapeSequence);
}

/** Does the same to text of our own, in which line feeds, tabs and the codes of colors stay. */
export function escapeUnsafeOutput(text: string): string {
  if (plain.test(text)) return text;
  return text
    .split(OWN_CODES)
    .map((part, i) => (i % 2 === 0 ? escapeUnsafe(part) : part))
    .join('');
}

/** Does the same to JSON text, which keeps its value: white space between tokens becomes a space. */
export function escapeUnsafeJson(json: string): string {
  return json.replace(unsafe, (match) =>
    match === '\t' || match === '\n' || match === '\r' ? ' ' : escapeSequence(match),
  );
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function escapeSequence(match: string): string {
  const short = SHORT_ESCAPES[match];
  if (short !== undefined) return short;
  let escaped = '';
  for (let i = 0; i < match.length; i++) {
    escaped += `\\u${match.charCodeAt(i).toString(16).padStart(4, '0')}`;
  }
  return escaped;
}

/** Removes blanks, a byte order mark and one pair of quotes around a value: `docker --env-file` keeps them. */
export function withoutQuotes(text: string): string {
  const [, , inside] = /^(["'])(.*)\1$/s.exec(text.trim()) ?? [];
  return (inside ?? text).trim();
}

/** Quotes a word for a shell where it needs it: in double quotes, which every shell knows, unless those change it. */
export function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return /["$`!]|\\$/.test(word) ? `'${word.replaceAll("'", `'\\''`)}'` : `"${word}"`;
}

/** Writes the first letter small, for the middle of a sentence. */
export function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** The pattern of a duration: `500ms`, `1.5s`, `2h30m`. */
export const DURATION = String.raw`(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+`;

/** Returns the milliseconds of a text that {@link DURATION} matches. */
export function millisecondsOf(duration: string): number {
  const parts = duration.matchAll(/([\d.]+)([a-z]+)/g);
  return [...parts].reduce((sum, [, count, unit]) => sum + Number(count) * UNIT_MS[unit!]!, 0);
}

const UNITS: readonly (readonly [name: string, seconds: number])[] = [
  ['year', 365.25 * 86_400],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
];

/** Formats a time relative to now: `in 42 minutes`, `3 days ago`, `now`. Both are milliseconds since 1970. */
export function relativeTime(time: number, now: number): string {
  const seconds = Math.round(Math.abs(time - now) / 1000);
  const [name, length] = UNITS.find(([, unit]) => seconds >= unit) ?? ['second', 1];
  const count = Math.floor(seconds / length);
  if (count === 0) return 'now';
  const amount = `${count} ${name}${count === 1 ? '' : 's'}`;
  return time > now ? `in ${amount}` : `${amount} ago`;
}

/** Returns the name with the fewest letters that differ from a word, up to that many; `undefined` if there is none. */
export function nearestOf(word: string, names: Iterable<string>, mostErrors: number): string | undefined {
  let nearest: string | undefined;
  let least = mostErrors + 1;
  for (const name of names) {
    const distance = editDistance(word.toLowerCase(), name.toLowerCase());
    if (distance < least) [nearest, least] = [name, distance];
  }
  return nearest;
}

/** Counts the letters to insert, delete or replace to turn one text into the other (Levenshtein distance). */
function editDistance(left: string, right: string): number {
  let above = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const replaced = above[column - 1]! + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, above[column]! + 1, current[column - 1]! + 1));
    }
    above = current;
  }
  return above[right.length]!;
}
