import type { ASTNode } from '@marcbachmann/cel-js';

/** Says at once that an event cannot make an expression true, because a field that it needs is missing. */
export type Precheck = (event: Record<string, unknown>) => boolean;

/** Functions that need the values of their receiver and arguments; macros (`has`, `exists`) do not. */
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
 * which costs ten times a comparison, and most events lack the field that somebody filters by.
 *
 * @returns `undefined` when nothing can be told beforehand.
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

/** Adds the paths that are read whatever the outcome of the other parts. */
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

/** `data.radio.channel` → `['data', 'radio', 'channel']`; `undefined` for anything but such a path. */
function pathOf(node: ASTNode): string[] | undefined {
  if (node.op === 'id') {
    if (node.args === 'event') return [];
    return node.args === 'data' ? ['data'] : undefined;
  }
  if (node.op !== '.' && node.op !== '[]') return undefined;
  const name: unknown = node.op === '.' ? node.args[1] : literalOf(node.args[1]);
  const parent = pathOf(node.args[0]);
  return parent === undefined || typeof name !== 'string' ? undefined : [...parent, name];
}

function literalOf(node: ASTNode): unknown {
  return node.op === 'value' ? node.args : undefined;
}

function isMissing(event: Record<string, unknown>, path: readonly string[]): boolean {
  let value: unknown = event;
  for (let i = 0; i < path.length; i++) {
    // What lists and texts have to say about a name is left to the library.
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    const name = path[i]!;
    // `data` alone counts as there even when it is not: it is then an object without fields.
    if (!Object.hasOwn(value, name)) return i > 0 || path.length > 1 || name !== 'data';
    value = (value as Record<string, unknown>)[name];
  }
  return false;
}
