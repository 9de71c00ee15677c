import stringWidth from 'string-width';

/** Printable ASCII, European and Cyrillic letters, and `…`: one column each, and none combines with its neighbor. */
const narrow = /^[\x20-\x7e\xa1-\xac\xae-\u024f\u0400-\u0482\u048a-\u04ff…]*$/;

/** Counts the columns that a text takes on a terminal. The text must hold no control characters. */
export function widthOf(text: string): number {
  // To measure takes long, so common text is not measured.
  return narrow.test(text) ? text.length : stringWidth(text);
}

/** Splits text into characters as people see them: a letter with its marks, an emoji of several parts. */
const characters = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

const WIDEST_TERMINAL = 10_000;

/** Returns the longest beginning of a text that fits into so many columns, and never cuts a character in two. */
export function fitting(text: string, columns: number): string {
  if (columns <= 0) return '';
  // Some characters take no column, so this can cut too much. It bounds the work on a text of megabytes.
  const head = text.length > columns * 8 ? headOf(text, columns * 8) : text;
  // Nobody sees the end of a line that is wider than any terminal.
  if (columns > WIDEST_TERMINAL || narrow.test(head)) return headOf(head, columns);
  let width = 0;
  let end = 0;
  for (const { segment } of characters.segment(head)) {
    width += widthOf(segment);
    if (width > columns) break;
    end += segment.length;
  }
  return head.slice(0, end);
}

/** Returns the beginning of a text, and never cuts a surrogate pair in two. */
export function headOf(text: string, length: number): string {
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length);
}
