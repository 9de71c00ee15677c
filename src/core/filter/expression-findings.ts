import type { ASTNode, EvaluationError } from '@marcbachmann/cel-js';
import { lowerFirst } from '../text.js';
import { excerpt } from './expression-error.js';
import { NAMES, type Scope } from './expression-scope.js';

/** Why events did not match though their fields are there, and fields that no event had. */
export interface ExpressionReport {
  /** Events that could not be evaluated. */
  unevaluated: number;
  /** The reasons, the most frequent first: `data.cpu is a string, compared with a number`. */
  reasons: readonly string[];
  /** Fields of the expression that no event had: `data.cpuu`. */
  missing: readonly string[];
}

/** Reasons that are told apart; what a server sends must not take more memory. */
const MAX_REASONS = 8;

/** Messages of the library about a missing field, or a null, which counts as one. */
const MISSING_CODES: ReadonlySet<string> = new Set([
  'no_such_key',
  'unknown_variable',
  'index_out_of_bounds',
]);
const COMPARISONS: ReadonlySet<string> = new Set(['<', '<=', '>', '>=', '==', '!=']);

/** Collects the reasons why an expression was not true for events. */
export class ExpressionFindings implements ExpressionReport {
  unevaluated = 0;
  /** The event that is being evaluated. */
  #event: Record<string, unknown> = {};
  #mismatch: string | undefined;
  readonly #reasons = new Map<string, number>();
  /** Fields that no event has had yet, and that the earlier events lack. */
  #unseen: (readonly string[])[];

  constructor(
    private readonly text: string,
    private readonly ast: ASTNode,
  ) {
    this.#unseen = fieldPaths(ast);
  }

  get reasons(): string[] {
    return [...this.#reasons].sort(([, a], [, b]) => b - a).map(([reason]) => reason);
  }

  get missing(): string[] {
    return [...new Set(this.#unseen.map(labelOf))];
  }

  /** Takes note of the fields that an event has. */
  look(event: Record<string, unknown>, { first, previous }: Pick<Scope, 'first' | 'previous'>): void {
    this.#event = event;
    this.#mismatch = undefined;
    if (this.#unseen.length === 0) return;
    const messages = { event, first, previous };
    this.#unseen = this.#unseen.filter((path) => isMissing(messages, path));
  }

  /** Takes note of an error of the library. */
  failed(error: EvaluationError): void {
    if (error.summary.endsWith(': received_at')) this.#count('the line has no received_at');
    if (MISSING_CODES.has(error.code) || /\bnull\b/.test(error.summary)) return;
    this.#count(reasonOf(error, this.#wrongOperand(error), this.text));
  }

  /** Takes note of a value that a function cannot take, such as a time zone that does not exist. */
  invalid(message: string): void {
    this.#count(excerpt(lowerFirst(message)));
  }

  /** The library names the left operand of `&&` and `||` even if the right one is wrong. */
  #wrongOperand({ code, node }: EvaluationError): ASTNode | undefined {
    if (node === undefined || code !== 'invalid_logical_operand') return node;
    return isBooleanField(node, this.#event) ? (siblingOf(node, this.ast) ?? node) : node;
  }

  /** Takes note of two values that are unequal because their types differ. The library swaps some of them. */
  unequalTypes(comparison: ASTNode, one: string, other: string): void {
    if (this.#mismatch !== undefined) return;
    const { args, start, end } = comparison as ASTNode & { args: [ASTNode, ASTNode] };
    const literal = args.find(({ op }) => op === 'value');
    const types = literal !== undefined && celTypeOf(literal.args) === one ? [other, one] : [one, other];
    const [type, rest] = types.map(withArticle);
    const subject = args.find((side) => side !== literal) ?? comparison;
    this.#mismatch =
      literal === undefined
        ? `${excerpt(this.text.slice(start, end))} compares ${type} with ${rest}`
        : `${excerpt(this.text.slice(subject.start, subject.end))} is ${type}, compared with ${rest}`;
  }

  /** Takes note that the event does not match. */
  noMatch(): void {
    if (this.#mismatch !== undefined) this.#count(this.#mismatch);
  }

  /** Takes note of a result that is neither true nor false. @param what `number`, `string`, … */
  notBoolean(what: string): void {
    const { length } = this.text;
    const subject = length <= 60 ? this.text.trim() : 'the result';
    this.#count(`${subject} is ${withArticle(what)}, not true or false`);
  }

  /** Takes note of an event that would take too long. */
  tooLong(): void {
    this.#count('the lists of the event are too long for a macro inside a macro');
  }

  #count(reason: string): void {
    this.unevaluated++;
    const known = this.#reasons.get(reason);
    if (known !== undefined || this.#reasons.size < MAX_REASONS) this.#reasons.set(reason, (known ?? 0) + 1);
  }
}

/** Returns the fields that an expression reads, except those in `has` and those it may do without (`.?`). */
function fieldPaths(node: unknown): string[][] {
  if (Array.isArray(node)) return node.flatMap(fieldPaths);
  if (typeof node !== 'object' || node === null || !('op' in node)) return [];
  const { op, args } = node as ASTNode;
  if (op === 'call' && args[0] === 'has') return [];
  const path = pathOf(node as ASTNode);
  if (path === undefined) return fieldPaths(args);
  // A message is never missing, nor is `data` alone: without it the library gets an empty object.
  return path.length === 1 || (path.length === 2 && path[1] === 'data') ? [] : [path];
}

/** Returns whether the node is a field that the event has with a boolean in it. */
function isBooleanField(node: ASTNode, event: Record<string, unknown>): boolean {
  const path = pathOf(node);
  if (path === undefined) return false;
  let value: unknown = { event };
  for (const name of path) value = (value as Record<string, unknown> | undefined)?.[name];
  return typeof value === 'boolean';
}

/** `data.radio.channel` → `['event', 'data', 'radio', 'channel']`; `undefined` for anything but a path from a message. */
function pathOf(node: ASTNode): string[] | undefined {
  if (node.op === 'id') {
    if (node.args === 'data') return ['event', 'data'];
    return ['event', 'first', 'previous'].includes(node.args) ? [node.args] : undefined;
  }
  if (node.op !== '.' && node.op !== '[]') return undefined;
  const [, index] = node.args;
  const name: unknown = typeof index === 'string' ? index : index.op === 'value' && index.args;
  const parent = pathOf(node.args[0]);
  return parent === undefined || typeof name !== 'string' ? undefined : [...parent, name];
}

/** Returns whether the messages lack that field, or an object on the way to it. */
function isMissing(messages: unknown, path: readonly string[]): boolean {
  let value = messages;
  for (const name of path) {
    // The library decides what a name means for lists and strings.
    if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Map)
      return false;
    if (!Object.hasOwn(value, name)) return true;
    value = value[name as keyof typeof value];
  }
  return false;
}

function labelOf(path: readonly string[]): string {
  const [root, name = ''] = path;
  if (root === 'event' && name === 'data') return path.slice(1).join('.');
  const isName = root === 'event' && path.length === 2 && Object.hasOwn(NAMES, name);
  return `${path.join('.')}${isName ? ` (it is ${name} alone)` : ''}`;
}

/** Finds the right operand of the operator whose left one is given. */
function siblingOf(left: ASTNode, node: unknown): ASTNode | undefined {
  const args = Array.isArray(node) ? node : (node as { args?: unknown } | undefined)?.args;
  if (!Array.isArray(args)) return undefined;
  if (args[0] === left) return args[1] as ASTNode | undefined;
  for (const part of args) {
    const found = typeof part === 'object' && part !== null ? siblingOf(left, part) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function reasonOf(
  { code, summary, range }: EvaluationError,
  node: ASTNode | undefined,
  text: string,
): string {
  // The range of a field is its name only; that of its node is the whole path.
  const { start, end } = (node ?? range ?? { start: 0, end: text.length }) as { start: number; end: number };
  const place = excerpt(text.slice(start, end));
  const binary = /^no such overload: (\S+) (\S+) (\S+)$/.exec(summary);
  if (code === 'no_such_overload' && binary !== null) {
    const [, left = '', operator = '', right = ''] = binary;
    return mismatch(node, text, [left, right], operator) ?? summary;
  }
  const unary = /^no such overload: [!-](\S+)$/.exec(summary);
  if (unary !== null) return `${place.slice(1).trim()} is ${withArticle(unary[1]!)}`;
  const got = /got '([^']*)'$/.exec(summary)?.[1];
  if (got !== undefined) return `${place} is ${withArticle(got)}, not true or false`;
  const range_ = /^Expression of type '([^']*)'/.exec(summary)?.[1];
  if (range_ !== undefined) return `${place} is ${withArticle(range_)}, not a list or an object`;
  return `${place}: ${lowerFirst(summary)}`;
}

/** Names the side that is a field first: `data.cpu is a string, compared with a number`. */
function mismatch(
  node: unknown,
  text: string,
  types: readonly [string, string],
  operator: string,
): string | undefined {
  const { args } = (node ?? {}) as { args?: unknown };
  if (!Array.isArray(args) || args.length !== 2) return undefined;
  const [first, second] = (args[0] as ASTNode).op === 'value' ? [1, 0] : [0, 1];
  const { start, end } = args[first] as { start: number; end: number };
  const verb = COMPARISONS.has(operator) ? 'compared with' : `used with ${operator} and`;
  const [type, other] = [types[first]!, types[second]!].map(withArticle);
  return `${excerpt(text.slice(start, end))} is ${type}, ${verb} ${other}`;
}

/** Names the type of a value. */
export function celTypeOf(value: unknown): string {
  if (typeof value === 'bigint' || typeof value === 'number') return 'number';
  if (typeof value === 'string') return 'text';
  if (typeof value === 'boolean') return 'bool';
  if (value instanceof Date) return NAMES.received_at;
  return Array.isArray(value) ? 'list' : 'map';
}

/** Turns a type of CEL into plain words. */
function withArticle(type: string): string {
  const name = type.replace(/^dyn<(.*)>$/, '$1');
  if (/^(double|int|uint|number)$/.test(name)) return 'a number';
  if (/^(string|text)$/.test(name)) return 'a string';
  if (name === 'bool') return 'a boolean';
  if (name === NAMES.received_at) return 'a time';
  if (name.startsWith('list')) return 'a list';
  return name.startsWith('map') ? 'an object' : excerpt(name);
}
