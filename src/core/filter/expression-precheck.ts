import type { ASTNode } from '@marcbachmann/cel-js';

/** Returns true if an event cannot make an expression true because it lacks a field. */
export type Precheck = (event: Record<string, unknown>) => boolean;

/** Functions that need their receiver and arguments; macros (`has`, `exists`) do not. */
const STRICT_FUNCTIONS: ReadonlySet<string> = new Set([
  'startsWith',
  'endsWith',
  'contains',
  'size',
  'matchesCompiled',
]);

const STRICT_OPERATORS: ReadonlySet<string> = new Set([
  ...['==', '!=', '<', '<=', '>', '>=', 'in', '+', '-', '*', '/', '%'],
  ...['!_', '-_', '[]'],
]);

/**
 * Finds the fields without which an expression is never true. A missing field is an error inside the CEL library,
 * which costs ten times a comparison, and most events lack the field that an expression names.
 *
 * @returns `undefined` if the expression needs no field for certain.
 */
export function precheckOf(node: ASTNode): Precheck | undefined {
  if (node.op === '&&' || node.op === '||') {
    const left = precheckOf(node.args[0]);
    const right = precheckOf(node.args[1]);
    if (node.op === '&&') {
      if (left === undefined || right === undefined) return left ?? right;
      return (event) => left(event) || right(event);
    }
    return left === undefined || right === undefined ? undefined : (event) => left(event) && right(event);
  }
  const paths: string[][] = [];
  collectPaths(node, paths);
  if (paths.length === 0) return undefined;
  return (event) => paths.some((path) => isMissing(event, path));
}

/** Adds the paths that are read whatever the other parts give. */
function collectPaths(node: ASTNode, paths: string[][]): void {
  const path = pathOf(node);
  if (path !== undefined) {
    if (path.length > 0) paths.push(path);
  } else if (node.op === '.') {
    collectPaths(node.args[0], paths);
  } else if (node.op === 'rcall') {
    const [name, receiver, others] = node.args;
    if (!STRICT_FUNCTIONS.has(name)) return;
    for (const part of [receiver, ...others]) collectPaths(part, paths);
  } else if (node.op === 'call') {
    const [name, parts] = node.args;
    if (name === 'size') for (const part of parts) collectPaths(part, paths);
  } else if (STRICT_OPERATORS.has(node.op)) {
    for (const part of [node.args].flat()) collectPaths(part as ASTNode, paths);
  }
}

/** Returns the fields that an expression reads, except those that it asks for with `has` or may do without (`.?`). */
export function fieldPaths(node: unknown): string[][] {
  if (Array.isArray(node)) return node.flatMap(fieldPaths);
  if (typeof node !== 'object' || node === null || !('op' in node)) return [];
  const { op, args } = node as ASTNode;
  if (op === 'call' && args[0] === 'has') return [];
  const path = pathOf(node as ASTNode);
  if (path !== undefined) return path.length === 0 || (path.length === 1 && path[0] === 'data') ? [] : [path];
  return fieldPaths(args);
}

/** Returns whether the node is a field that the event has with a boolean in it. */
export function isBooleanField(node: ASTNode, event: Record<string, unknown>): boolean {
  const path = pathOf(node);
  if (path === undefined) return false;
  let value: unknown = event;
  for (const name of path) value = (value as Record<string, unknown> | undefined)?.[name];
  return typeof value === 'boolean';
}

/** `data.radio.channel` → `['data', 'radio', 'channel']`; `undefined` for anything but such a path. */
function pathOf(node: ASTNode): string[] | undefined {
  if (node.op === 'id') {
    if (node.args === 'event') return [];
    return node.args === 'data' ? ['data'] : undefined;
  }
  if (node.op !== '.' && node.op !== '[]') return undefined;
  const [, index] = node.args;
  const name: unknown = typeof index === 'string' ? index : index.op === 'value' && index.args;
  const parent = pathOf(node.args[0]);
  return parent === undefined || typeof name !== 'string' ? undefined : [...parent, name];
}

/** Returns whether the event lacks that field, or an object on the way to it. */
export function isMissing(event: Record<string, unknown>, path: readonly string[]): boolean {
  let value: unknown = event;
  for (let i = 0; i < path.length; i++) {
    // The library decides what a name means for lists and strings.
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    const name = path[i]!;
    // `data` alone is never missing: without it the library gets an empty object.
    if (!Object.hasOwn(value, name)) return i > 0 || path.length > 1 || name !== 'data';
    value = (value as Record<string, unknown>)[name];
  }
  return false;
}

/** Looks at the shape of events before the CEL library does. Its results hold until the next event. */
export class EventShape {
  /** Levels of objects and arrays, counted up to one more than the limit. */
  nesting = 0;
  readonly #mostLevels: number;
  #namesConstructor = false;

  /** @param mostLevels The limit. */
  constructor(mostLevels: number) {
    this.#mostLevels = mostLevels;
  }

  look(event: Record<string, unknown>): void {
    this.#namesConstructor = false;
    this.nesting = this.#nestingOf(event, this.#mostLevels);
  }

  /** Returns the event, or a part of it, in a form that the CEL library reads. */
  readable(value: unknown): unknown {
    return this.#namesConstructor ? withMaps(value) : value;
  }

  #nestingOf(value: unknown, limit: number): number {
    if (typeof value !== 'object' || value === null) return 0;
    if (limit === 0) return 1;
    let deepest = 0;
    if (Array.isArray(value)) {
      for (const item of value) {
        if (typeof item === 'object') deepest = Math.max(deepest, this.#nestingOf(item, limit - 1));
      }
    } else {
      if (value.constructor !== Object) this.#namesConstructor = true;
      for (const name in value) {
        const member = (value as Record<string, unknown>)[name];
        if (typeof member === 'object') deepest = Math.max(deepest, this.#nestingOf(member, limit - 1));
      }
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
