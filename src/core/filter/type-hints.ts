import { editDistance } from '../edit-distance.js';
import { EVENT_TYPES } from '../protocol.js';
import type { TypePattern } from './type-pattern.js';

/** What a mistyped pattern may have meant, in this order: a documented type, a family, a kind. */
const SUGGESTIONS: readonly string[] = [
  ...EVENT_TYPES,
  'device.*',
  'agent.*',
  'rule.*',
  'system.*',
  '*.error',
  '*.status_update',
];

const MAX_LENGTH = 64;

/**
 * Says which patterns match none of the documented types, with the nearest name. Not an error: servers send new types.
 *
 * @returns One sentence for each such pattern, `--type device.eror matches no documented type; did you mean
 * device.error?`; and one when the patterns together keep no documented type.
 */
export function typeHints(included: readonly TypePattern[], excluded: readonly TypePattern[]): string[] {
  const hints = [...hintsFor('--type', included), ...hintsFor('--exclude-type', excluded)];
  const matchesAny = (patterns: readonly TypePattern[], type: string): boolean =>
    patterns.some((pattern) => pattern.matches(type));
  const wanted = EVENT_TYPES.filter((type) => included.length === 0 || matchesAny(included, type));
  if (wanted.length > 0 && wanted.every((type) => matchesAny(excluded, type))) {
    hints.push('--exclude-type drops every documented type that is asked for');
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

/** The documented name that is nearest to what was written; `undefined` when none is near. */
export function nearestName(text: string): string | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const written = text.toLowerCase();
  const family = SUGGESTIONS.find((name) => name === `${written}.*` || name === `${written.slice(0, -1)}.*`);
  if (family !== undefined) return family;
  const longer = written.includes('.') ? SUGGESTIONS.find((name) => name.startsWith(written)) : undefined;
  if (longer !== undefined) return longer;
  let nearest: string | undefined;
  // A third of the letters wrong is a typo; more is another word.
  let leastDistance = Math.max(2, Math.floor(written.length / 3)) + 1;
  for (const name of SUGGESTIONS) {
    const distance = editDistance(written, name);
    if (distance < leastDistance) {
      nearest = name;
      leastDistance = distance;
    }
  }
  return nearest;
}
