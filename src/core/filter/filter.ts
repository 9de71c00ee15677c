import type { FrameReader } from '../json/frame.js';
import { checkOptions, each, type OptionRules } from '../options.js';
import type { EventType } from '../protocol.js';
import type { LineKind } from '../recording/format.js';
import { isProblem } from '../severity.js';
import { ProblemCounts } from '../statistics/problems.js';
import type { NamedCount } from '../statistics/tally.js';
import { escapeUnsafe } from '../text.js';
import type { Expression } from './expression.js';
import type { ExpressionReport } from './expression-findings.js';
import type { Received } from './expression-scope.js';
import { compileSubjectPattern, subjectHints } from './subject-pattern.js';
import { compileTypePatterns, typeHints } from './type-pattern.js';

/** Types that a report names, and their longest names. */
const MAX_SEEN_TYPES = 20;
const MAX_SEEN_LENGTH = 128;

/** A pattern that is not in an array would keep everything. */
const LIST = [Array.isArray, 'must be an array of strings'] as const;
const FILTER_RULES: OptionRules<FilterOptions> = {
  ...each(LIST, 'types', 'excludeTypes', 'subjects', 'excludeSubjects'),
  where: [
    (where) => typeof where === 'string' || Array.isArray(where),
    'must be a string or an array of strings',
  ],
  problems: [(problems) => typeof problems === 'boolean', 'must be true or false'],
};

/** Options of a filter. Filters combine with AND; exclusions win. */
export interface FilterOptions {
  /** Event types to keep: dotted globs, `device.*`, `*.{error,alert}`, split at commas. Default: all. */
  types?: readonly (EventType | (string & {}))[] | undefined;
  /** Event types to drop. */
  excludeTypes?: readonly (EventType | (string & {}))[] | undefined;
  /** Subjects to keep, with NATS wildcards: `opmas.devices.*`, `opmas.>`. Default: all. */
  subjects?: readonly string[] | undefined;
  /** Subjects to drop. */
  excludeSubjects?: readonly string[] | undefined;
  /** CEL expressions over `event`, `data`, `subject`, `endpoint`, `severity` and `received_at`, all of which must hold; see {@link compileFilter}. */
  where?: string | readonly string[] | undefined;
  /** Keep problems and their ends only: events of severity `critical`, `error` and `recovered`. Default: all. */
  problems?: boolean | undefined;
}

/** The judgments of a filter so far, which explain why nothing matches. */
export interface FilterReport extends ExpressionReport {
  judged: number;
  /** Events that match all but `problems`: a filter that finds no problems is not a mistake. */
  matching: number;
  /** Types of the events that came before the first that matched; at most 20. */
  types: readonly string[];
  /** With `problems`: the number of matching errors and worse of each device, the largest first. */
  problems: readonly NamedCount[] | undefined;
  /** In a sequence of events: how many have come. */
  found?: number;
}

/** Compiled {@link FilterOptions}. */
export interface Filter {
  /** True if it keeps every event. */
  readonly passesAll: boolean;
  /** True if it keeps certain events only (`types`, `subjects`, `where`, `problems`), and so no line that is not an event. */
  readonly selects: boolean;
  /** True if `matches` reads more than type and subject. */
  readonly needsValue: boolean;
  /** Warnings about patterns that match nothing documented: one sentence each, safe to print. */
  readonly hints: readonly string[];
  /**
   * Returns whether to keep the event.
   *
   * @param reader Has just read the event: a JSON object. @param received When it was received, for `where`.
   */
  matches(reader: FrameReader, endpoint: string, received?: Received): boolean;
  /** Its judgments so far. */
  report(): FilterReport;
}

/**
 * Compiles a filter. An event whose `type` is missing or no string is kept only without `types`; likewise for
 * subjects.
 *
 * In `where`, a missing field makes the expression false, and so does a comparison of a text with a number. Numbers
 * are doubles, as in JSON. `matches()` takes a literal pattern in RE2's syntax and takes linear time. The CEL library is loaded only for `where`.
 *
 * @throws {OpmasError} `USAGE` for a bad pattern or expression.
 */
export async function compileFilter(options: FilterOptions = {}): Promise<Filter> {
  checkOptions('compileFilter', options, FILTER_RULES);
  const texts = options.where === undefined ? [] : [options.where].flat();
  if (texts.length === 0) return createFilter(options, []);
  const { compileExpression } = await import('./expression.js');
  return createFilter(options, await Promise.all(texts.map((text) => compileExpression(text))));
}

/** Creates a filter from its options and its compiled expressions. */
export function createFilter(
  options: Omit<FilterOptions, 'where'>,
  expressions: readonly Expression[],
): Filter {
  const { types = [], excludeTypes = [], subjects = [], excludeSubjects = [], problems = false } = options;
  const includedTypes = compileTypePatterns(types, '`types`');
  const excludedTypes = compileTypePatterns(excludeTypes, '`excludeTypes`');
  const typeMatches = selector(
    includedTypes.map(({ matches }) => matches),
    excludedTypes.map(({ matches }) => matches),
  );
  const subjectMatches = selector(
    splitAtCommas(subjects).map((pattern) => compileSubjectPattern(pattern, '`subjects`')),
    splitAtCommas(excludeSubjects).map((pattern) => compileSubjectPattern(pattern, '`excludeSubjects`')),
  );
  const checksType = includedTypes.length + excludedTypes.length > 0;
  const checksSubject = subjects.length + excludeSubjects.length > 0;
  const hasExpression = expressions.length > 0;
  const found = problems ? new ProblemCounts() : undefined;
  const seenTypes = new Set<string>();
  let judged = 0;
  let matching = 0;

  return {
    passesAll: !checksType && !checksSubject && !hasExpression && !problems,
    selects: includedTypes.length > 0 || subjects.length > 0 || hasExpression || problems,
    needsValue: hasExpression || problems,
    hints: [
      ...typeHints(includedTypes, excludedTypes),
      ...subjectHints(splitAtCommas(subjects), splitAtCommas(excludeSubjects)),
      ...expressions.flatMap(({ hints }) => hints),
    ].map(escapeUnsafe),
    // Cheap checks come first; most events fail that of the type.
    matches(reader, endpoint, received) {
      judged++;
      const isMatch =
        (!checksType || typeMatches(reader.type)) &&
        (!checksSubject || subjectMatches(reader.subject)) &&
        (!hasExpression ||
          expressions.every((expression) => expression.matches(reader.value, endpoint, received)));
      if (isMatch) matching++;
      else if (matching === 0 && seenTypes.size < MAX_SEEN_TYPES)
        seenTypes.add((reader.type ?? '(none)').slice(0, MAX_SEEN_LENGTH));
      return isMatch && (found === undefined || keepsProblem(reader, found));
    },
    report: () => ({
      judged,
      matching,
      types: [...seenTypes],
      problems: found?.sorted(),
      unevaluated: expressions.reduce((sum, { report }) => sum + report.unevaluated, 0),
      reasons: expressions.flatMap(({ report }) => report.reasons),
      missing: expressions.flatMap(({ report }) => report.missing),
    }),
  };
}

/**
 * Decides whether a filter keeps a line. Live streams, files and replays share this rule:
 *
 * - an event is kept when it matches;
 * - an invalid line matches no pattern, so it is kept unless the filter selects events (by type, subject or
 *   expression); exclusions alone keep it;
 * - a lifecycle line is always kept. Consumers that want none leave it out themselves.
 *
 * @param frame Has just read the event; unused for other kinds.
 */
export function keepsLine(
  filter: Filter | undefined,
  kind: LineKind,
  frame: FrameReader,
  endpoint: string,
  received: Received,
): boolean {
  if (filter === undefined || filter.passesAll || kind === 'connection') return true;
  return kind === 'invalid' ? !filter.selects : filter.matches(frame, endpoint, received);
}

/** Returns whether an event is a problem, which is counted with its device, or the end of one. */
function keepsProblem(reader: FrameReader, found: ProblemCounts): boolean {
  const severity = found.addFrame(reader);
  return severity === 'recovered' || isProblem(severity);
}

function splitAtCommas(lists: readonly string[]): string[] {
  return lists.flatMap((list) => list.split(',').map((pattern) => pattern.trim()));
}

/** Keeps types or subjects that one of `included` matches (all if there are none) and that none of `excluded` matches. */
function selector(
  included: readonly ((text: string) => boolean)[],
  excluded: readonly ((text: string) => boolean)[],
): (text: string | undefined) => boolean {
  return (text) => {
    // No pattern matches a missing text, so `*` keeps only events that have one.
    if (text === undefined) return included.length === 0;
    for (const matches of excluded) if (matches(text)) return false;
    if (included.length === 0) return true;
    for (const matches of included) if (matches(text)) return true;
    return false;
  };
}
