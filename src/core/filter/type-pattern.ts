import { OpmasError } from '../errors.js';
import { compileGlob, expandBraces, type GlobMatcher, splitAtCommas } from './glob.js';

/** Decides by an event's type; `undefined` is an event whose `type` is missing or no string. */
export type TypeMatcher = (type: string | undefined) => boolean;

/** A pattern as the user wrote it, and what it matches. */
export interface TypePattern {
  readonly text: string;
  readonly matches: GlobMatcher;
}

/** Verdicts that are remembered; servers send few types, but nothing keeps them from sending many. */
const MAX_REMEMBERED = 1024;
const MAX_REMEMBERED_LENGTH = 128;

/**
 * Compiles type patterns: dotted globs in which `*` stands for any run of characters (dots too), `?` for one and
 * `{a,b}` for either. Several may stand in one string, with commas between.
 *
 * @param option The option they were given to, for errors.
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
        hint: `To drop types, write --exclude-type '${text.slice(1)}'.`,
      });
    }
    const alternatives = expandBraces(text, option).map(compileGlob);
    return { text, matches: (type) => alternatives.some((alternative) => alternative(type)) };
  });
}

/** Keeps types that one of `included` matches (all, when there are none) and that none of `excluded` matches. */
export function createTypeMatcher(
  included: readonly TypePattern[],
  excluded: readonly TypePattern[],
): TypeMatcher {
  const decide = (type: string): boolean =>
    (included.length === 0 || included.some((pattern) => pattern.matches(type))) &&
    !excluded.some((pattern) => pattern.matches(type));
  const remembered = new Map<string, boolean>();
  return (type) => {
    // Without a type there is nothing that a pattern could match, so `*` keeps only events that have one.
    if (type === undefined) return included.length === 0;
    const known = remembered.get(type);
    if (known !== undefined) return known;
    const verdict = decide(type);
    if (type.length <= MAX_REMEMBERED_LENGTH) {
      if (remembered.size >= MAX_REMEMBERED) remembered.clear();
      remembered.set(type, verdict);
    }
    return verdict;
  };
}
