import type { ASTNode } from '@marcbachmann/cel-js';

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
