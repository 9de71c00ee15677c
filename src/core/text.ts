/**
 * Characters that must not reach a terminal as they are: C0, DEL, C1, line and paragraph separators, bidi controls,
 * zero-width and other invisible characters, tag characters. Variation selectors stay, for emoji need them.
 */
const unsafe =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb]|\u034f|\ud82f[\udca0-\udca3]|\ud834[\udd73-\udd7a]|\udb40[\udc00-\udcff\uddf0-\udfff]|[\udb41-\udb43][\udc00-\udfff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/**
 * Makes foreign text safe to show. Characters that could move the cursor, or color, reorder or hide text, become JSON
 * escapes (`\u001b`). Line feeds too: the result is always one line.
 */
export function escapeUnsafe(text: string): string {
  return text.replace(unsafe, escapeSequence);
}

/** Does the same to JSON text, which keeps its value: white space between tokens becomes a space. */
export function escapeUnsafeJson(json: string): string {
  return json.replace(unsafe, (match) =>
    match === '\t' || match === '\n' || match === '\r' ? ' ' : escapeSequence(match),
  );
}

function escapeSequence(match: string): string {
  let escaped = '';
  for (let i = 0; i < match.length; i++) {
    escaped += `\\u${match.charCodeAt(i).toString(16).padStart(4, '0')}`;
  }
  return escaped;
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

/** Counts the letters to insert, delete or replace to turn one text into the other (Levenshtein distance). */
export function editDistance(left: string, right: string): number {
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
