const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** What a byte means inside a string. The order counts. */
export const IN_WORD = 0;
export const NEEDS_QUOTES = 1;
export const END = 2;
export const ESCAPE = 3;
const ODD = 4;
export const CLASSES = new Uint8Array(256).fill(IN_WORD, 0x21, 0x7f).fill(ODD, 0, 0x20).fill(ODD, 0x7f);
for (const character of ' =,') CLASSES[character.charCodeAt(0)] = NEEDS_QUOTES;
CLASSES[QUOTE] = END;
CLASSES[BACKSLASH] = ESCAPE;

/** The end of a JSON string's text without escapes, all of it printable ASCII; -1: it is something else. */
export function endOfText(bytes: Uint8Array, start: number): number {
  let at = start;
  while ((CLASSES[bytes[at] as number] as number) < END) at++;
  return bytes[at] === QUOTE ? at : -1;
}

/** Whether text that is shown has to stand in quotes. It is printable ASCII without any. */
export function needsQuotes(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (CLASSES[bytes[at] as number] === NEEDS_QUOTES) return true;
  return start === end;
}
