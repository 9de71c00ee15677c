import type { ASTNode } from '@marcbachmann/cel-js';
import { SEVERITIES, type Severity, severityOf } from '../severity.js';
import { nearestOf } from '../text.js';

/** The names that an expression may use, with their types. */
export const NAMES = {
  event: 'dyn',
  data: 'dyn',
  subject: 'string',
  endpoint: 'string',
  severity: 'string',
  received_at: 'google.protobuf.Timestamp',
} as const;

/** The time of an event, in microseconds since 1970, which is read only if it is asked for; `NaN` if it is not known. */
export interface Received {
  readonly receivedAt: number;
}

export const AT_NO_TIME: Received = { receivedAt: Number.NaN };

/** The names that an expression has besides when it is about an event after others. */
export const NAMES_OF_EARLIER = { first: 'dyn', previous: 'dyn' } as const;

/** The events that came before, as expressions see them: the message, with `endpoint`, `severity` and `received_at`. */
export class EarlierEvents {
  first: unknown;
  previous: unknown;
  /** Elements of the longest list or object in them. */
  longest = 0;

  add(event: Record<string, unknown>, endpoint: string, received: Received): void {
    const shape = new EventShape();
    shape.look(event);
    const { type, subject } = event;
    // One that is too deep for the library has no data.
    const isReadable = shape.nesting <= MAX_NESTING;
    const message = isReadable ? shape.readable(event) : { type, subject };
    if (isReadable) this.longest = Math.max(this.longest, shape.longest);
    const scope = new Scope();
    Object.assign(scope, { message: event, received });
    const ours = { endpoint, severity: scope.severity, received_at: scope.received_at };
    const isMap = message instanceof Map;
    this.previous = isMap
      ? new Map([...message, ...Object.entries(ours)])
      : { ...(message as object), ...ours };
    this.first ??= this.previous;
  }
}

/** The values of {@link NAMES}; one object serves all events. The library reads only what the expression names. */
export class Scope {
  event: unknown;
  data: unknown;
  subject: string | undefined;
  endpoint = '';
  message: Record<string, unknown> = {};
  received: Received = AT_NO_TIME;
  first: unknown;
  previous: unknown;

  get severity(): Severity {
    return severityOf(
      typeof this.message.type === 'string' ? this.message.type : undefined,
      this.message.data,
    );
  }

  /** CEL's times have no microseconds here. */
  get received_at(): Date | undefined {
    const { receivedAt } = this.received;
    return Number.isNaN(receivedAt) ? undefined : new Date(Math.floor(receivedAt / 1000));
  }
}

const ORDERS: ReadonlySet<string> = new Set(['<', '<=', '>', '>=']);

/** Finds the texts that a node compares with a name for equality: two in `endpoint in ["rules", "agents"]`. */
export function textsComparedWith(name: keyof typeof NAMES, { op, args }: ASTNode): { args: string }[] {
  if (op !== '==' && op !== '!=' && op !== 'in') return [];
  const [left, right] = args;
  if (![left, right].some((side) => side.op === 'id' && side.args === name)) return [];
  const sides = [left, right].flatMap((side) => (side.op === 'list' ? side.args : [side]));
  return sides.filter(({ op, args }) => op === 'value' && typeof args === 'string') as { args: string }[];
}

/** Names the severities that a node compares with and that do not exist: no event has them. Texts have no ranks, either. */
export function severityHints(node: ASTNode): string[] {
  if (
    ORDERS.has(node.op) &&
    (node.args as ASTNode[]).some(({ op, args }) => op === 'id' && args === 'severity')
  ) {
    return [
      '`where`: severity is a text, which < and > compare by letters; write severity in ["critical", "error"]',
    ];
  }
  return textsComparedWith('severity', node)
    .filter(({ args }) => !(SEVERITIES as readonly string[]).includes(args))
    .map(({ args }) => {
      const nearest = nearestOf(args.slice(0, 64).toLowerCase(), SEVERITIES, 3);
      const then = nearest === undefined ? `they are ${SEVERITIES.join(', ')}` : `did you mean ${nearest}?`;
      return `\`where\`: no event has the severity ${JSON.stringify(args.slice(0, 64))}; ${then}`;
    });
}

/** Deeper events make an expression false: the library recurses, and builds a type name as long as the nesting. */
export const MAX_NESTING = 64;
/** Macros in each other take so many steps at most: about half a second, in which no signal is handled. */
export const MAX_STEPS = 2_000_000;

const MACROS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'filter', 'map']);

/** Counts how deep macros stand in each other: 2 for `a.exists(x, b.exists(y, x == y))`. */
export function macroDepth(node: unknown): number {
  if (Array.isArray(node)) return Math.max(0, ...node.map(macroDepth));
  if (typeof node !== 'object' || node === null || !('op' in node)) return 0;
  const { op, args } = node as ASTNode;
  if (op !== 'rcall' || !MACROS.has(args[0])) return macroDepth(args);
  return Math.max(macroDepth(args[1]), 1 + macroDepth(args[2]));
}

/** Looks at the shape of events before the CEL library does. Its results hold until the next event. */
export class EventShape {
  /** Levels of objects and arrays, counted up to one more than {@link MAX_NESTING}. */
  nesting = 0;
  /** Elements of the longest list or object. */
  longest = 0;
  #namesConstructor = false;

  look(event: Record<string, unknown>): void {
    this.#namesConstructor = false;
    this.longest = 0;
    this.nesting = this.#nestingOf(event, MAX_NESTING);
  }

  /** Returns the event, or a part of it, in a form that the CEL library reads. */
  readable(value: unknown): unknown {
    return this.#namesConstructor ? withMaps(value) : value;
  }

  #nestingOf(value: unknown, limit: number): number {
    if (typeof value !== 'object' || value === null) return 0;
    if (limit === 0) return 1;
    if (value.constructor !== Object && !Array.isArray(value)) this.#namesConstructor = true;
    let deepest = 0;
    const members: unknown[] = Array.isArray(value) ? value : Object.values(value);
    if (members.length > this.longest) this.longest = members.length;
    for (const member of members) {
      if (typeof member === 'object') deepest = Math.max(deepest, this.#nestingOf(member, limit - 1));
    }
    return deepest + 1;
  }
}

/**
 * Replaces objects by maps. The library recognizes objects by their `constructor`, and cannot read one that has a
 * member of that name.
 */
function withMaps(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(withMaps);
  return new Map(Object.entries(value).map(([name, member]) => [name, withMaps(member)]));
}

export function visit(node: unknown, look: (node: ASTNode) => void): void {
  if (Array.isArray(node)) {
    for (const part of node) visit(part, look);
  } else if (typeof node === 'object' && node !== null && 'op' in node && 'args' in node) {
    look(node as ASTNode);
    visit((node as ASTNode).args, look);
  }
}
