import { OpmasError } from './errors.js';

const blank = /\s/;

/**
 * Splits a command line into words like a shell, without expansions: `'…'` is literal, `"…"` is literal except for
 * `\"` and `\\`, and a backslash outside quotes makes the next character literal.
 *
 * @throws {OpmasError} `USAGE` for an unclosed quote and for a command line without a word.
 */
export function splitCommand(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (quote !== '') {
      if (character === quote) quote = '';
      else if (quote === '"' && character === '\\' && /["\\]/.test(text[i + 1] ?? '')) word += text[++i]!;
      else word += character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= '';
    } else if (character === '\\' && i + 1 < text.length) {
      word = (word ?? '') + text[++i]!;
    } else if (blank.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? '') + character;
    }
  }
  if (quote !== '') throw new OpmasError('USAGE', `the token command has a ${quote} that is not closed`);
  if (word !== undefined) words.push(word);
  if (words.length === 0 || words[0] === '') throw new OpmasError('USAGE', 'the token command is empty');
  return words;
}
