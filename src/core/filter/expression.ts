import type { ASTNode, Environment, ParseResult } from '@marcbachmann/cel-js';
import { RE2JS, RE2JSException } from 're2js';
import { OpmasError } from '../errors.js';
import { endpointLabel } from '../protocol.js';
import { checkTime, noBoolean, placedError, usageError } from './expression-error.js';
import { celTypeOf, ExpressionFindings, type ExpressionReport } from './expression-findings.js';
import {
  AT_NO_TIME,
  type EarlierEvents,
  EventShape,
  MAX_NESTING,
  MAX_STEPS,
  macroDepth,
  NAMES,
  NAMES_OF_EARLIER,
  type Received,
  Scope,
  severityHints,
  textsComparedWith,
  visit,
} from './expression-scope.js';

type Cel = typeof import('@marcbachmann/cel-js');

/** A compiled CEL expression over one event. */
export interface Expression {
  /**
   * Returns whether the event makes it true. A missing field, one of another type, and a result that is neither true nor
   * false make it false.
   *
   * @param received When the event was received; without it, `received_at` counts as a missing field.
   */
  matches(event: Record<string, unknown>, endpoint: string, received?: Received): boolean;
  /** Comparisons that cannot hold: one sentence each. */
  readonly hints: readonly string[];
  /** Why it was not true, for people. */
  readonly report: ExpressionReport;
}

const LIMITS = { maxAstNodes: 500, maxDepth: 50 };
const MAX_LENGTH = 10_000;
/** The library never forgets a shape; the few shapes up to this depth do no harm. */
const HARMLESS_NESTING = 4;
/** After so many deeper events the expression is compiled again, which forgets their shapes. */
const DEEP_EVENTS_BEFORE_RENEWAL = 1024;

/** Operators whose result is never a boolean. */
const ARITHMETIC: ReadonlySet<string> = new Set(['+', '-', '*', '/', '%', '-_']);

const EMPTY_DATA: Record<string, unknown> = Object.freeze({});

/**
 * Compiles a CEL expression over `event` (the message), `data` and `subject` (its members), `endpoint` (the label
 * of its connection), `severity` and `received_at`. Numbers are doubles as in JSON, and mix with whole numbers in every
 * operation.
 *
 * @param earlier Events that the expression may name as `first` and `previous`.
 * @throws {OpmasError} `USAGE`, with the place in the hint, if the expression cannot give true or false.
 */
export async function compileExpression(text: string, earlier?: EarlierEvents): Promise<Expression> {
  if (text.length > MAX_LENGTH) {
    throw new OpmasError('USAGE', `\`where\`: an expression may have ${MAX_LENGTH} characters at most`);
  }
  // Node before 22.12 can import the library, but not require it.
  const cel = await import('@marcbachmann/cel-js');
  const patterns = new Map<string, (text: string) => boolean>();
  const onMismatch: OnMismatch = (...found) => findings.unequalTypes(...found);
  const names = { ...NAMES, ...(earlier && NAMES_OF_EARLIER) };
  const compiled = () => compile(cel, text, names, patterns, onMismatch);
  let program = compiled();
  let deepEvents = 0;
  const findings = new ExpressionFindings(text, program.ast);
  const shape = new EventShape();
  const macros = macroDepth(program.ast);
  const scope = new Scope();
  const hints: string[] = [];
  visit(program.ast, (node) => hints.push(...severityHints(node)));

  return {
    report: findings,
    hints: [...new Set(hints)],
    matches(event, endpoint, received = AT_NO_TIME) {
      scope.first = earlier?.first;
      scope.previous = earlier?.previous;
      findings.look(event, scope);
      shape.look(event);
      const { nesting } = shape;
      if (nesting > MAX_NESTING) return false;
      if (macros > 1 && Math.max(shape.longest, earlier?.longest ?? 0) ** macros > MAX_STEPS) {
        findings.tooLong();
        return false;
      }
      if (nesting > HARMLESS_NESTING && ++deepEvents > DEEP_EVENTS_BEFORE_RENEWAL) {
        deepEvents = 0;
        program = compiled();
      }
      scope.event = shape.readable(event);
      scope.data = event.data === undefined ? EMPTY_DATA : shape.readable(event.data);
      scope.subject = typeof event.subject === 'string' ? event.subject : undefined;
      scope.endpoint = endpoint;
      scope.message = event;
      scope.received = received;
      return verdict(cel, program, scope, findings);
    },
  };
}

/** Told when values of different types are compared for equality. The types are in any order. */
type OnMismatch = (comparison: ASTNode, ...types: [string, string]) => void;

const UNLIKE_TYPES = [
  ['double', 'string'],
  ['int', 'string'],
  ['bool', 'string'],
  ['double', 'bool'],
  ['int', 'bool'],
  [NAMES.received_at, 'string'],
] as const;

function verdict(cel: Cel, program: ParseResult, scope: Scope, findings: ExpressionFindings): boolean {
  let result: unknown;
  const { stackTraceLimit } = Error;
  // A missing field is an error inside the library; its stack trace would cost more than everything else.
  Error.stackTraceLimit = 0;
  try {
    result = program(scope);
  } catch (error) {
    // The event lacks a field, or has it in another type or too deep.
    if (error instanceof cel.EvaluationError) findings.failed(error);
    else if (error instanceof RangeError) findings.invalid(error.message);
    return false;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  if (result === false) findings.noMatch();
  if (typeof result === 'boolean') return result;
  // A null in the event counts as a missing field.
  if (result !== null) findings.notBoolean(celTypeOf(result));
  return false;
}

function compile(
  cel: Cel,
  text: string,
  names: Readonly<Record<string, string>>,
  patterns: Map<string, (text: string) => boolean>,
  onMismatch: OnMismatch,
): ParseResult {
  const environment = createEnvironment(cel, names, patterns, onMismatch);
  let program: ParseResult;
  try {
    program = environment.parse(text);
  } catch (error) {
    throw usageError(error, text, names);
  }
  let mentionsType = false;
  visit(program.ast, (node) => {
    if (node.op === 'id' && node.args === 'type') mentionsType = true;
    roundLiteral(node);
    checkTime(node, text, cel.evaluate);
    for (const word of textsComparedWith('endpoint', node)) word.args = endpointLabel(word.args) ?? word.args;
    replaceMatches(node, patterns, text);
  });
  const checked = program.check();
  if (!checked.valid) {
    const hint = mentionsType ? 'The type of the event is event.type.' : undefined;
    throw usageError(checked.error, text, names, hint);
  }
  if (checked.type === 'dyn' && ARITHMETIC.has(program.ast.op)) throw noBoolean('a number or text', text);
  if (checked.type !== 'bool' && checked.type !== 'dyn') throw noBoolean(`of type ${checked.type}`, text);
  return program;
}

function createEnvironment(
  cel: Cel,
  names: Readonly<Record<string, string>>,
  patterns: Map<string, (text: string) => boolean>,
  onMismatch: OnMismatch,
): Environment {
  const environment = new cel.Environment({
    limits: LIMITS,
    enableOptionalTypes: true,
    homogeneousAggregateLiterals: false,
  }).registerFunction(`string.${SAFE_MATCHES}(string): bool`, (value: string, pattern: string) =>
    patterns.get(pattern)!(value),
  );
  for (const [name, type] of Object.entries(names)) environment.registerVariable(name, type);
  // JSON has one type of number. CEL has two that do not mix, and a literal like 1 is of the other type.
  const arithmetic: Record<string, (left: number, right: number) => number> = {
    '+': (left, right) => left + right,
    '-': (left, right) => left - right,
    '*': (left, right) => left * right,
    '/': (left, right) => left / right,
    '%': (left, right) => left % right,
  };
  for (const [operator, compute] of Object.entries(arithmetic)) {
    const mixed = (left: bigint | number, right: bigint | number): number =>
      compute(Number(left), Number(right));
    environment.registerOperator(`double ${operator} int: double`, mixed);
    environment.registerOperator(`int ${operator} double: double`, mixed);
  }
  environment.registerOperator('double % double: double', arithmetic['%']!);
  // Values of different types are unequal, which the library does not tell. It passes the comparison, which its types omit.
  for (const [left, right] of UNLIKE_TYPES) {
    const compare = (one: unknown, other: unknown, comparison?: ASTNode): boolean => {
      if (comparison !== undefined) onMismatch(comparison, celTypeOf(one), celTypeOf(other));
      return false;
    };
    environment.registerOperator(`dyn<${left}> == ${right}: bool`, compare);
  }
  return environment.registerOperator('double == int', (left, right) => Number(left) === Number(right));
}

/** Turns literals beyond 2^53 into doubles, so that they equal the same digits in JSON. */
function roundLiteral(node: ASTNode): void {
  if (node.op !== 'value' || typeof node.args !== 'bigint') return;
  if (node.args > Number.MAX_SAFE_INTEGER || node.args < Number.MIN_SAFE_INTEGER) {
    (node as { args: unknown }).args = Number(node.args);
  }
}

const SAFE_MATCHES = 'matchesCompiled';

/**
 * Replaces the library's `matches`, which makes a RegExp for each event and from any text; some patterns keep a RegExp
 * busy forever. CEL specifies RE2's expressions, whose time grows with the text only.
 */
function replaceMatches(node: ASTNode, patterns: Map<string, (text: string) => boolean>, text: string): void {
  if (node.op !== 'rcall' || node.args[0] !== 'matches') return;
  const [pattern, ...others] = node.args[2];
  if (pattern === undefined || others.length > 0) return;
  if (pattern.op !== 'value' || typeof pattern.args !== 'string') {
    throw placedError('matches() takes a pattern in quotes', text, pattern.start);
  }
  if (!patterns.has(pattern.args)) {
    try {
      const compiled = RE2JS.compile(pattern.args);
      patterns.set(pattern.args, (candidate) => compiled.matcher(candidate).find());
    } catch (error) {
      if (!(error instanceof RE2JSException)) throw error;
      throw placedError(`the pattern of matches() is not understood: ${error.message}`, text, pattern.start);
    }
  }
  (node.args as unknown[])[0] = SAFE_MATCHES;
}
