/**
 * `Symbol.asyncDispose`, also in the realm of a test runner (Jest, jsdom): before Node.js 24 only the main realm has it,
 * and compiled `await using` looks for this one where it is missing. Objects of Node.js cannot be disposed of there.
 */
export const asyncDispose: typeof Symbol.asyncDispose =
  (Symbol as { asyncDispose?: typeof Symbol.asyncDispose }).asyncDispose ??
  (Symbol.for('Symbol.asyncDispose') as typeof Symbol.asyncDispose);
