import stringWidth from 'string-width';

/** Printable ASCII, European and Cyrillic letters, and the `…` of what was cut; nothing that combines. */
const narrow = /^[\x20-\x7e\xa1-\xac\xae-\u024f\u0400-\u0482\u048a-\u04ff…]*$/;

/** Whether it is known without measuring, which takes long, that each code unit is a character of one column. */
function isNarrow(text: string): boolean {
  return narrow.test(text);
}

/** The columns that a text takes on a terminal. Control characters are not its business. */
export function widthOf(text: string): number {
  return isNarrow(text) ? text.length : stringWidth(text);
}

/** What people take for one character: a letter with its marks, an emoji of several parts. */
const characters = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** The beginning of a text that fits into so many columns; a character is never cut in two. */
export function fitting(text: string, columns: number): string {
  if (columns <= 0) return '';
  // One code unit can be no column at all, so this only bounds the work.
  const head = text.length > columns * 8 ? text.slice(0, columns * 8) : text;
  if (isNarrow(head)) return head.slice(0, columns);
  let width = 0;
  let end = 0;
  for (const { segment } of characters.segment(head)) {
    width += widthOf(segment);
    if (width > columns) break;
    end += segment.length;
  }
  return head.slice(0, end);
}
