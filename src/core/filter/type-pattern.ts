import { OpmasError } from '../errors.js';
import { EVENT_TYPES } from '../protocol.js';
import { nearestOf } from '../text.js';

/** A pattern as the user wrote it, and its matcher. */
export interface TypePattern {
  readonly text: string;
  readonly matches: (type: string) => boolean;
}

const MAX_PATTERN_LENGTH = 256;
const MAX_ALTERNATIVES = 64;
const STAR = 0x2a;
const QUESTION_MARK = 0x3f;

/**
 * Compiles type patterns: dotted globs in which `*` stands for any run of characters (dots too), `?` for one and
 * `{a,b}` for either. One string may hold several, separated by commas.
 *
 * @param option The option that they were given to, for errors.
 * @throws {OpmasError} `USAGE` for an empty pattern, unpaired braces, or a leading `!`.
 */
export function compileTypePatterns(lists: readonly string[], option: string): TypePattern[] {
  return lists.flatMap(splitAtCommas).map((part) => {
    const text = part.trim();
    if (text === '') {
      throw new OpmasError('USAGE', `${option}: a pattern is empty`, {
        hint: "Write an event type or a glob: device.error, 'device.*', '*.error'.",
      });
    }
    if (text.startsWith('!')) {
      throw new OpmasError('USAGE', `${option}: ${JSON.stringify(text)} begins with an exclamation mark`, {
        hint: `To drop types, give '${text.slice(1)}' to \`excludeTypes\`.`,
      });
    }
    const alternatives = expandBraces(text, option).map(compileGlob);
    return { text, matches: (type) => alternatives.some((alternative) => alternative(type)) };
  });
}

/** Splits a list at its commas, except those inside braces: `a,b.{c,d}` → `a`, `b.{c,d}`. */
function splitAtCommas(text: string): string[] {
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
 * Expands a pattern with braces: `{a,b}.c` → `a.c`, `b.c`. Braces may nest.
 *
 * @throws {OpmasError} `USAGE` for braces that do not pair, for long patterns and for too many alternatives.
 */
function expandBraces(pattern: string, option: string): string[] {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new OpmasError('USAGE', `${option}: a pattern may have ${MAX_PATTERN_LENGTH} characters at most`);
  }
  const finished: string[] = [];
  const pending = [pattern];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    // The last opening brace has no other brace inside, so braces are resolved from the inside out.
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

/** Compiles one pattern without braces. Matching takes at most text × pattern steps, whatever the stars. */
function compileGlob(pattern: string): (text: string) => boolean {
  const glob = pattern.replace(/\*+/g, '*');
  if (!/[*?]/.test(glob)) return (text) => text === glob;
  return (text) => globMatches(glob, text);
}

/** Walks along both. On a mismatch only the last star takes one character more; earlier stars never need to. */
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

/** Names that a mistyped pattern may have meant, in this order: a family, a documented type, a kind. */
const SUGGESTIONS: readonly string[] = [
  'device.*',
  'agent.*',
  'rule.*',
  'system.*',
  ...EVENT_TYPES,
  '*.error',
  '*.status_update',
];

/** Longer patterns get no suggestion. */
const MAX_SUGGESTED_LENGTH = 64;

/**
 * Names the patterns that match no documented type, with the nearest name. This is no error: servers send new types.
 *
 * @returns A sentence for each such pattern (`--type device.eror matches no documented type; did you mean
 * device.error?`), and one if the patterns together keep no documented type.
 */
export function typeHints(included: readonly TypePattern[], excluded: readonly TypePattern[]): string[] {
  const hints = [...hintsFor('`types`', included), ...hintsFor('`excludeTypes`', excluded)];
  const matchesAny = (patterns: readonly TypePattern[], type: string): boolean =>
    patterns.some((pattern) => pattern.matches(type));
  const wanted = EVENT_TYPES.filter((type) => included.length === 0 || matchesAny(included, type));
  if (wanted.length > 0 && wanted.every((type) => matchesAny(excluded, type))) {
    hints.push('`excludeTypes` drops every documented type that `types` keeps');
  }
  return hints;
}

function hintsFor(option: string, patterns: readonly TypePattern[]): string[] {
  return patterns
    .filter((pattern) => !EVENT_TYPES.some(pattern.matches))
    .map(({ text }) => {
      const nearest = nearestName(text);
      const question = nearest === undefined ? '' : `; did you mean ${nearest}?`;
      return `${option} ${text} matches no documented type${question}`;
    });
}

/** Returns the documented name nearest to a pattern; `undefined` if none is near. */
export function nearestName(text: string): string | undefined {
  if (text.length > MAX_SUGGESTED_LENGTH) return undefined;
  const written = text.toLowerCase();
  const longer = written.includes('.') ? SUGGESTIONS.find((name) => name.startsWith(written)) : undefined;
  if (longer !== undefined) return longer;
  // With a third of the letters wrong it is a typo; with more it is another word.
  return nearestOf(written, SUGGESTIONS, Math.max(2, Math.floor(written.length / 3)));
}
