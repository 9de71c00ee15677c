import { isObject } from './json/json-tokens.js';

/** The severities of events, the worst first. */
export const SEVERITIES = ['critical', 'error', 'warning', 'recovered', 'normal'] as const;

/** The severity of an event. */
export type Severity = (typeof SEVERITIES)[number];

type Words = ReadonlyMap<string, Severity>;

function wordsFor(table: Partial<Record<Severity, readonly string[]>>): Words {
  return new Map(
    SEVERITIES.flatMap((severity) =>
      (table[severity] ?? []).map((word): [string, Severity] => [word, severity]),
    ),
  );
}

/** Values of `severity` and `level`. The normal ones say that an event is less bad than its type suggests. */
const SEVERITY_WORDS = wordsFor({
  critical: ['critical', 'fatal', 'emergency'],
  error: ['error', 'high', 'major'],
  warning: ['warning', 'warn', 'medium', 'minor'],
  normal: ['low', 'info', 'informational', 'notice', 'debug', 'normal'],
});

/** Bad values of `status` and `state`. A good value after one of these is a recovery. */
const STATE_WORDS = wordsFor({
  critical: ['critical'],
  error: ['error', 'failed', 'down', 'offline', 'unreachable'],
  warning: ['degraded', 'warning', 'recovering'],
});
const RECOVERED: ReadonlySet<string> = new Set(['resolved', 'recovered']);
const GOOD: ReadonlySet<string> = new Set(['online', 'up', 'ok', 'healthy', 'normal']);
const LONGEST_WORD = 'informational'.length;

/**
 * Returns the severity of an event. `docs/tail.md` has the rule as a table: a recovery first; then what `severity` or
 * `level` says, then `status` or `state`, then `success`, then the type. Case does not matter.
 *
 * @param data The event's `data`, of any shape.
 */
export function severityOf(type: string | undefined, data: unknown): Severity {
  if (isObject(data)) {
    const status = wordOf(data.status);
    const state = wordOf(data.state);
    if (isRecovery(status, state, data)) return 'recovered';
    const said = worst(SEVERITY_WORDS, wordOf(data.severity), wordOf(data.level));
    if (said !== undefined) return said === 'normal' && isError(type) ? 'warning' : said;
    const found = worst(STATE_WORDS, status, state);
    if (found !== undefined) return found;
    if (data.success === false) return 'error';
  }
  if (isError(type)) return 'error';
  return type === 'system.alert' || type === 'rule.triggered' ? 'warning' : 'normal';
}

/** Returns whether an event of this severity is a problem: an error or worse. */
export function isProblem(severity: Severity): boolean {
  return severity === 'critical' || severity === 'error';
}

/** Returns whether a `status` or `state` says that all is well. */
export function saysWell(data: unknown): boolean {
  return isObject(data) && (GOOD.has(wordOf(data.status)) || GOOD.has(wordOf(data.state)));
}

function isError(type: string | undefined): boolean {
  return type?.endsWith('.error') === true;
}

function isRecovery(status: string, state: string, members: Record<string, unknown>): boolean {
  if (status === '' && state === '') return false;
  if (RECOVERED.has(status) || RECOVERED.has(state)) return true;
  if (!GOOD.has(status) && !GOOD.has(state)) return false;
  return STATE_WORDS.has(wordOf(members.previous_status)) || STATE_WORDS.has(wordOf(members.previous_state));
}

/** Returns a value as a word of the lists; '' for a value that cannot be one. */
function wordOf(value: unknown): string {
  return typeof value === 'string' && value.length <= LONGEST_WORD ? value.toLowerCase() : '';
}

/** Returns the severity of the worse one of two words; `undefined` if neither has one. */
function worst(words: Words, one: string, other: string): Severity | undefined {
  if (one === '' && other === '') return undefined;
  const first = words.get(one);
  const second = words.get(other);
  if (first === undefined || second === undefined) return first ?? second;
  return SEVERITIES.indexOf(first) <= SEVERITIES.indexOf(second) ? first : second;
}
