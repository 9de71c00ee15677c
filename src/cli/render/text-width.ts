import stringWidth from 'string-width';

const printableAscii = /^[\x20-\x7e]*$/;

/** Whether every character takes one column and is harmless: most text, and the fast way through the renderer. */
export function isPrintableAscii(text: string): boolean {
  return printableAscii.test(text);
}

/** The columns that a text takes on a terminal. Control characters are not its business. */
export function widthOf(text: string): number {
  return isPrintableAscii(text) ? text.length : stringWidth(text);
}

/** What people take for one character: a letter with its marks, an emoji of several parts. */
const characters = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** The beginning of a text that fits into so many columns; a character is never cut in two. */
export function fitting(text: string, columns: number): string {
  if (columns <= 0) return '';
  // One code unit can be no column at all, so this only bounds the work.
  const head = text.length > columns * 8 ? text.slice(0, columns * 8) : text;
  if (isPrintableAscii(head)) return head.slice(0, columns);
  let width = 0;
  let end = 0;
  for (const { segment } of characters.segment(head)) {
    width += widthOf(segment);
    if (width > columns) break;
    end += segment.length;
  }
  return head.slice(0, end);
}
