const printableAscii = /^[\x20-\x7e]*$/;

/** Whether every character takes one column and is harmless: most text, and the fast way through the renderer. */
export function isPrintableAscii(text: string): boolean {
  return printableAscii.test(text);
}

/** First and last of each run of characters that take two columns. Generous: a line cut early does no harm. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x231a, 0x231b],
  [0x2329, 0x232a],
  [0x23e9, 0x23f3],
  [0x25fd, 0x25fe],
  [0x2600, 0x27bf],
  [0x2b1b, 0x2b1c],
  [0x2b50, 0x2b55],
  [0x2e80, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x1afef],
  [0x1aff0, 0x1b2ff],
  [0x1d300, 0x1d37f],
  [0x1f000, 0x1faff],
  [0x20000, 0x3fffd],
];

/** Characters that stand above or below the one before. */
const combining = /^[\p{Mn}\p{Me}]$/u;

/** The columns that a code point takes on a terminal: 0, 1 or 2. Control characters are not its business. */
export function widthOfCodePoint(codePoint: number): number {
  if (codePoint < 0x300) return 1;
  for (const [first, last] of WIDE) {
    if (codePoint < first) break;
    if (codePoint <= last) return 2;
  }
  return combining.test(String.fromCodePoint(codePoint)) ? 0 : 1;
}

/** The columns that a text takes on a terminal, never fewer than there are. */
export function widthOf(text: string): number {
  if (isPrintableAscii(text)) return text.length;
  let width = 0;
  for (const char of text) {
    const codePoint = char.codePointAt(0)!;
    // This selector turns the character before into an emoji, which is wide.
    width += codePoint === 0xfe0f ? 1 : widthOfCodePoint(codePoint);
  }
  return width;
}

/** The beginning of a text that fits into so many columns; a character is never cut in two. */
export function fitting(text: string, columns: number): string {
  if (columns <= 0) return '';
  // One code unit can be no column at all, so this only bounds the work.
  const head = text.length > columns * 8 ? text.slice(0, columns * 8) : text;
  if (isPrintableAscii(head)) return head.slice(0, columns);
  let width = 0;
  let end = 0;
  for (const char of head) {
    width += widthOf(char);
    if (width > columns) break;
    end += char.length;
  }
  return head.slice(0, end);
}
