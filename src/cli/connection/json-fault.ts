/**
 * Finds the place where a text breaks the rules of JSON, for a text that was edited by hand.
 *
 * @returns Line and column from 1, in UTF-16 units; `undefined` when the text is JSON.
 */
export function findJsonFault(text: string): { line: number; column: number } | undefined {
  const fault = faultOf(text);
  if (fault === undefined) return undefined;
  // Another message quotes the text, which may hold the same words.
  const position = /^(?!Unexpected token).* at position (\d+)/.exec(fault)?.[1];
  const before = text.slice(0, position === undefined ? lengthUntilFault(text) : Number(position));
  const lines = before.split('\n');
  return { line: lines.length, column: lines.at(-1)!.length + 1 };
}

function faultOf(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** V8 does not give the place of an unexpected token; a text that ends before the token has another fault. */
function lengthUntilFault(text: string): number {
  let most = text.length;
  for (let least = 0; least < most; ) {
    const middle = (least + most) >> 1;
    if (faultOf(text.slice(0, middle + 1))?.startsWith('Unexpected token')) most = middle;
    else least = middle + 1;
  }
  return most;
}
