import { OpmasError } from '../errors.js';
import type { FrameReader } from '../json/frame.js';
import { escapeUnsafe } from '../printable.js';
import type { EventType } from '../protocol.js';
import type { Expression } from './expression.js';
import { createSubjectMatcher, subjectHints } from './subject-pattern.js';
import { typeHints } from './type-hints.js';
import { compileTypePatterns, createTypeMatcher } from './type-pattern.js';

const OPTION_NAMES: readonly string[] = [
  'types',
  'excludeTypes',
  'subjects',
  'excludeSubjects',
  'where',
] satisfies (keyof FilterOptions)[];

/** Which events to keep. All that is given has to hold; exclusions win. */
export interface FilterOptions {
  /** Event types to keep: dotted globs, `device.*`, `*.{error,alert}`. Commas split. All, when absent or empty. */
  types?: readonly (EventType | (string & {}))[] | undefined;
  /** Event types to drop. */
  excludeTypes?: readonly (EventType | (string & {}))[] | undefined;
  /** Subjects to keep, with NATS wildcards: `opmas.devices.*`, `opmas.>`. All, when absent or empty. */
  subjects?: readonly string[] | undefined;
  /** Subjects to drop. */
  excludeSubjects?: readonly string[] | undefined;
  /** A CEL expression over `event`, `data`, `subject` and `endpoint`; see {@link compileFilter}. */
  where?: string | undefined;
}

/** Compiled {@link FilterOptions}. */
export interface Filter {
  /** Whether it keeps everything, so that nobody needs to ask. */
  readonly passesAll: boolean;
  /** Whether it asks for certain events, so that a line that is no event is not among them. */
  readonly selects: boolean;
  /** Whether `matches` looks at more than type and subject. */
  readonly needsValue: boolean;
  /** What is worth a warning: patterns that match nothing documented. One sentence each, safe to print. */
  readonly hints: readonly string[];
  /**
   * Whether to keep the event.
   *
   * @param reader Has just read the event: a JSON object.
   * @throws {OpmasError} `USAGE` when `where` gives something other than true or false for this event.
   */
  matches(reader: FrameReader, endpoint: string): boolean;
}

/**
 * Compiles a filter. An event without a `type` (or with one that is no string) is kept only when no types are asked
 * for, and the same goes for subjects.
 *
 * In `where`, a field that is missing and a comparison of things that cannot be compared (a text with a number) make
 * the expression false. Numbers are doubles, as in JSON. `matches()` takes a literal pattern in RE2's syntax and
 * takes linear time. The CEL library is loaded only when `where` is given.
 *
 * @throws {OpmasError} `USAGE` for a bad pattern or expression.
 */
export async function compileFilter(options: FilterOptions = {}): Promise<Filter> {
  checkOptions(options);
  const { types = [], excludeTypes = [], subjects = [], excludeSubjects = [], where } = options;
  const includedTypes = compileTypePatterns(types, '--type');
  const excludedTypes = compileTypePatterns(excludeTypes, '--exclude-type');
  const typeMatches = createTypeMatcher(includedTypes, excludedTypes);
  const subjectMatches = createSubjectMatcher(subjects, excludeSubjects);
  const checksType = includedTypes.length + excludedTypes.length > 0;
  const checksSubject = subjects.length + excludeSubjects.length > 0;
  const expression = where === undefined ? undefined : await loadExpression(where);

  return {
    passesAll: !checksType && !checksSubject && expression === undefined,
    selects: includedTypes.length > 0 || subjects.length > 0 || expression !== undefined,
    needsValue: expression !== undefined,
    hints: [...typeHints(includedTypes, excludedTypes), ...subjectHints(subjects, excludeSubjects)].map(
      escapeUnsafe,
    ),
    // The cheap questions come first; the type is the one that most events fail.
    matches: (reader, endpoint) =>
      (!checksType || typeMatches(reader.type)) &&
      (!checksSubject || subjectMatches(reader.subject)) &&
      (expression === undefined || expression.matches(reader.value, endpoint)),
  };
}

/** A program without types may misspell an option, and would get everything. */
function checkOptions(options: FilterOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (!OPTION_NAMES.includes(name)) {
      throw new OpmasError('USAGE', `a filter has no option ${JSON.stringify(name)}`, {
        hint: `Options are ${OPTION_NAMES.join(', ')}.`,
      });
    }
    const isRight = name === 'where' ? typeof value === 'string' : Array.isArray(value);
    if (value === undefined || isRight) continue;
    throw new OpmasError('USAGE', `${name} has to be ${name === 'where' ? 'a text' : 'an array of texts'}`);
  }
}

async function loadExpression(text: string): Promise<Expression> {
  const { compileExpression } = await import('./expression.js');
  return compileExpression(text);
}
