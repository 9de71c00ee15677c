import { OpmasError } from '../errors.js';

const DOT = 0x2e;
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
  if (tokens.every((token) => token !== '*' && token !== '>')) return (subject) => subject === pattern;
  return (subject) => tokensMatch(tokens, subject);
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

/** Walks along both. It splits and copies nothing, because it runs for every event. */
function tokensMatch(tokens: readonly string[], subject: string): boolean {
  let at = 0;
  const last = tokens.length - 1;
  for (let i = 0; i <= last; i++) {
    const token = tokens[i]!;
    if (token === '>') return at < subject.length;
    let end: number;
    if (token === '*') {
      end = subject.indexOf('.', at);
      if (end < 0) end = subject.length;
      if (end === at) return false;
    } else {
      if (!subject.startsWith(token, at)) return false;
      end = at + token.length;
    }
    if (i === last) return end === subject.length;
    if (subject.charCodeAt(end) !== DOT) return false;
    at = end + 1;
  }
  return false;
}

/** Names the patterns with a `*` or `>` that is no wildcard because it is only part of a token. */
export function subjectHints(included: readonly string[], excluded: readonly string[]): string[] {
  const hintsFor = (option: string, patterns: readonly string[]): string[] =>
    patterns
      .filter((pattern) => /[^.][*>]|[*>][^.]/.test(pattern))
      .map((pattern) => `${option} ${pattern}: * and > are wildcards only as whole tokens (opmas.devices.*)`);
  return [...hintsFor('`subjects`', included), ...hintsFor('`excludeSubjects`', excluded)];
}
