import { OpmasError } from '../errors.js';

const MAX_PATTERN_LENGTH = 1024;

/**
 * Compiles a subject pattern by NATS's rules: tokens are separated by dots; the token `*` stands for exactly one
 * token; the token `>` stands for one or more and must be the last. A star or `>` that is only part of a token
 * (`ap-*`) stands for itself, as it does in NATS.
 *
 * @param option The option that it was given to, for the error.
 * @throws {OpmasError} `USAGE` for an empty token, white space, or `>` before the end.
 */
export function compileSubjectPattern(pattern: string, option: string): (subject: string) => boolean {
  const tokens = pattern.split('.');
  const problem = problemOf(pattern, tokens);
  if (problem !== undefined) {
    throw new OpmasError('USAGE', `${option}: ${JSON.stringify(pattern)} ${problem}`, {
      hint: "Tokens are separated by dots; * is one token, > is the rest: 'opmas.devices.*', 'opmas.>'.",
    });
  }
  const expression = new RegExp(`^${tokens.map(expressionFor).join('\\.')}$`, 's');
  return (subject) => expression.test(subject);
}

function problemOf(pattern: string, tokens: readonly string[]): string | undefined {
  if (pattern.length > MAX_PATTERN_LENGTH) return `is longer than ${MAX_PATTERN_LENGTH} characters`;
  if (pattern === '') return 'is empty';
  if (tokens.includes('')) return 'has an empty token';
  if (/\s/.test(pattern)) return 'has white space in it';
  if (tokens.indexOf('>') >= 0 && tokens.indexOf('>') < tokens.length - 1)
    return 'has a > that is not its end';
  return undefined;
}

/** A token holds no dot, so there is one way to match and the time grows with the subject only. */
function expressionFor(token: string): string {
  if (token === '>') return '.+';
  return token === '*' ? '[^.]+' : token.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** Names the patterns with a `*` or `>` that is no wildcard because it is only part of a token. */
export function subjectHints(included: readonly string[], excluded: readonly string[]): string[] {
  const hintsFor = (option: string, patterns: readonly string[]): string[] =>
    patterns
      .filter((pattern) => /[^.][*>]|[*>][^.]/.test(pattern))
      .map((pattern) => `${option} ${pattern}: * and > are wildcards only as whole tokens (opmas.devices.*)`);
  return [...hintsFor('`subjects`', included), ...hintsFor('`excludeSubjects`', excluded)];
}
