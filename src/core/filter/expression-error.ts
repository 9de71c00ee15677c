import type { ASTNode, EvaluationError, evaluate } from '@marcbachmann/cel-js';
import { OpmasError } from '../errors.js';
import { escapeUnsafe, lowerFirst, nearestOf } from '../text.js';

const FIELDS_HINT = 'Write event.NAME for a field of the message, data.NAME for a field of its data.';

const TIME_HINT =
  'Write a time as timestamp("2026-11-22T21:50:00Z"), and a length of time as duration("5m").';

const TEXT_HINT =
  'Text needs quotes that the shell does not take away: `where` "event.type == \'device.error\'".';

/** The error for a result that is neither true nor false. */
export function noBoolean(what: string, text: string): OpmasError {
  return new OpmasError('USAGE', `\`where\`: the result is ${what}, not true or false`, {
    hint: `Compare it with something: ${excerpt(text)} == …`,
  });
}

/** Turns an error of the library into ours, with its place in the hint. @param names Those that the expression may use. */
export function usageError(
  error: unknown,
  text: string,
  names: Readonly<Record<string, string>>,
  hint?: string,
): OpmasError {
  const { summary, message, code, range } = error as Partial<EvaluationError>;
  const what = summary ?? message ?? 'cannot be read';
  const advice = hint ?? adviceFor(code, what, text, Object.keys(names), range?.start);
  return placedError(inOurWords(what), text, range?.start, advice);
}

/** Replaces words of the library that say nothing to its users. */
function inOurWords(what: string): string {
  const limit = /\b(max\w+) \((\d+)\)/.exec(what);
  if (limit !== null) {
    const [, name = '', most] = limit;
    return name === 'maxDepth'
      ? `the expression is nested more than ${most} levels deep`
      : `the expression is too long: it has more than ${most} parts`;
  }
  const name = /no matching overload for '(?:.*\.)?([A-Za-z_]\w*)\(/i.exec(what)?.[1];
  if (name === undefined)
    return lowerFirst(what.replaceAll(/google\.protobuf\.(\w)/g, (_, first) => first.toLowerCase()));
  return CEL_FUNCTIONS.has(name)
    ? `${name}() does not take these arguments`
    : `there is no function ${name}()`;
}

const CEL_FUNCTIONS: ReadonlySet<string> = new Set([
  ...['contains', 'startsWith', 'endsWith', 'matches', 'size', 'has', 'all', 'exists', 'exists_one'],
  ...['filter', 'map', 'int', 'uint', 'double', 'string', 'bytes', 'bool', 'timestamp', 'duration', 'type'],
]);

function adviceFor(
  code: string | undefined,
  what: string,
  text: string,
  names: readonly string[],
  start: number | undefined,
): string | undefined {
  // PowerShell 5 takes double quotes away that stand inside single ones, and sh those inside double ones.
  const lostQuotes = !/["']/.test(text) && /[=(,[]\s*[a-z]/i.test(text);
  if (what.includes('google.protobuf.')) return TIME_HINT;
  const nearest = nearestOf(/^Unknown variable: (\w{1,20})$/.exec(what)?.[1] ?? '', names, 2);
  if (nearest !== undefined) return `Did you mean ${nearest}?`;
  const namesHint = `The names are ${names.join(', ')}. ${FIELDS_HINT}`;
  if (code === 'unknown_variable') return lostQuotes ? `${namesHint}\n${TEXT_HINT}` : namesHint;
  const before = start === undefined ? '' : text.slice(0, start + 1).trimEnd();
  if (code === 'unexpected_character' && before.endsWith('=')) return 'Compare with ==.';
  if (/\b(and|or|not)\b/.test(text)) return 'Write && for and, || for or, ! for not.';
  return code === 'unexpected_character' && lostQuotes ? TEXT_HINT : undefined;
}

/** @throws {OpmasError} `USAGE` for a time or a length of time that is written in a wrong way. */
export function checkTime({ op, args, start, end }: ASTNode, text: string, read: typeof evaluate): void {
  if (op !== 'call' || !/^(timestamp|duration)$/.test(args[0]) || args[1][0]?.op !== 'value') return;
  try {
    read(text.slice(start, end));
  } catch {
    throw placedError(`${args[0]}() cannot read this`, text, start, TIME_HINT);
  }
}

/** The error for a problem at a place of the expression. */
export function placedError(what: string, text: string, start?: number, advice?: string): OpmasError {
  const place = start === undefined ? '' : ` at column ${start + 1}`;
  const lines = [...(start === undefined ? [] : pictureOf(text, start)), ...(advice ? [advice] : [])];
  const hint = lines.length === 0 ? undefined : lines.join('\n');
  return new OpmasError('USAGE', `\`where\`: ${escapeUnsafe(what)}${place}`, { hint });
}

/** Two lines: the expression around a place, and a caret below it. */
function pictureOf(text: string, start: number): string[] {
  const from = Math.max(0, start - 60);
  const before = `${from > 0 ? '…' : ''}${escapeUnsafe(text.slice(from, start))}`;
  const after = `${escapeUnsafe(text.slice(start, start + 20))}${start + 20 < text.length ? '…' : ''}`;
  return [before + after, `${' '.repeat(before.length)}^`];
}

/** Cuts a part of an expression to a length that fits into a message. */
export function excerpt(text: string): string {
  return escapeUnsafe(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
