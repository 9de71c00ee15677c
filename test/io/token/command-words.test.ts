import { describe, expect, it } from 'vitest';
import { splitCommand } from '../../../src/io/token/token-command.js';

describe('splitCommand', () => {
  it.each([
    ['pass show opmas/token', ['pass', 'show', 'opmas/token']],
    ['  two\t blanks \n', ['two', 'blanks']],
    [`echo 'a  b' "c d"`, ['echo', 'a  b', 'c d']],
    [`echo 'it'\\''s'`, ['echo', "it's"]],
    [`a"b"c'd'`, ['abcd']],
    [`x '' ""`, ['x', '', '']],
    [`say "a \\"b\\" \\\\ \\n"`, ['say', 'a "b" \\ \\n']],
    [`a\\ b`, ['a b']],
    [`ends\\`, ['ends\\']],
    [`'$HOME' $HOME * ; | & > #`, ['$HOME', '$HOME', '*', ';', '|', '&', '>', '#']],
  ])('splits %s', (text, words) => {
    expect(splitCommand(text)).toEqual(words);
  });

  it.each(['', '   ', `''`, `a 'b`, `a "b`])('refuses %j', (text) => {
    expect(() => splitCommand(text)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});
