import { describe, expect, it } from 'vitest';
import { findJsonFault } from '../../../src/cli/connection/json-fault.js';

describe('findJsonFault', () => {
  it.each([
    ['', 1, 1],
    ['{', 1, 2],
    ['{"a":1,}', 1, 8],
    ['{"a" 1}', 1, 6],
    ['{a:1}', 1, 2],
    ['[1 2]', 1, 4],
    ['[1,]', 1, 4],
    ['{"a":1}]', 1, 8],
    ['{"a":[1}', 1, 8],
    ['{\n  "url": "x",\n  // comment\n}', 3, 3],
    ['{\n  "url": "x\n"}', 2, 12],
    ['01', 1, 2],
    ['{"a":tru, " at position 3"', 1, 9],
    ['{"a":tru}', 1, 9],
    ['nul', 1, 4],
    ['"\\x"', 1, 3],
    ['{"a": "x",\n "b": \'y\'}', 2, 7],
  ])('finds the fault in %j', (text, line, column) => {
    expect(findJsonFault(text)).toEqual({ line, column });
  });

  it('finds none in JSON', () => {
    expect(findJsonFault('{"a": [1, null]}')).toBeUndefined();
  });
});
