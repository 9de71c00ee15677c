import { OpmasError } from '../errors.js';

/** One pattern without braces: `*` any run of characters, dots included; `?` one character; all else itself. */
export type GlobMatcher = (text: string) => boolean;

const MAX_PATTERN_LENGTH = 256;
const MAX_ALTERNATIVES = 64;
const STAR = 0x2a;
const QUESTION_MARK = 0x3f;

/** Splits a list at its commas, but not at those inside braces: `a,b.{c,d}` → `a`, `b.{c,d}`. */
export function splitAtCommas(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '{') depth++;
    else if (char === '}') depth = Math.max(0, depth - 1);
    else if (char === ',' && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

/**
 * Writes a pattern with braces as all the patterns that it stands for: `{a,b}.c` → `a.c`, `b.c`. Braces may nest.
 *
 * @param option The option it was given to, for the error.
 * @throws {OpmasError} `USAGE` for braces that do not pair, and for too long or too many patterns.
 */
export function expandBraces(pattern: string, option: string): string[] {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new OpmasError('USAGE', `${option}: a pattern may have ${MAX_PATTERN_LENGTH} characters at most`);
  }
  const finished: string[] = [];
  const pending = [pattern];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    // The last opening brace has no other inside it, so braces are resolved from the inside out.
    const open = next.lastIndexOf('{');
    const close = next.indexOf('}', open + 1);
    if (open < 0 !== close < 0) {
      throw new OpmasError('USAGE', `${option}: the braces of ${JSON.stringify(pattern)} do not pair`);
    }
    if (open < 0) {
      finished.push(next);
    } else {
      const before = next.slice(0, open);
      const after = next.slice(close + 1);
      const alternatives = next.slice(open + 1, close).split(',');
      for (const alternative of alternatives.reverse()) pending.push(before + alternative + after);
    }
    if (finished.length + pending.length > MAX_ALTERNATIVES) {
      throw new OpmasError('USAGE', `${option}: ${JSON.stringify(pattern)} has too many alternatives`, {
        hint: `${MAX_ALTERNATIVES} is the limit; give several patterns instead.`,
      });
    }
  }
  return finished;
}

/** Compiles one pattern without braces. The time it takes grows with text × pattern at most, whatever the stars. */
export function compileGlob(pattern: string): GlobMatcher {
  const glob = pattern.replace(/\*+/g, '*');
  if (!/[*?]/.test(glob)) return (text) => text === glob;
  return (text) => globMatches(glob, text);
}

/** Two pointers: on a mismatch only the last star takes one character more; earlier stars never need to. */
function globMatches(glob: string, text: string): boolean {
  let inGlob = 0;
  let inText = 0;
  let star = -1;
  let starTakes = 0;
  while (inText < text.length) {
    const wanted = glob.charCodeAt(inGlob);
    if (wanted === STAR) {
      star = inGlob++;
      starTakes = inText;
    } else if (wanted === QUESTION_MARK || wanted === text.charCodeAt(inText)) {
      inGlob++;
      inText++;
    } else if (star >= 0) {
      inGlob = star + 1;
      inText = ++starTakes;
    } else {
      return false;
    }
  }
  while (glob.charCodeAt(inGlob) === STAR) inGlob++;
  return inGlob === glob.length;
}
