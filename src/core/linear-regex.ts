import {
  type Assertion,
  type CharacterTest,
  parseRegex,
  RegexFault,
  type RegexNode,
} from './linear-regex-parser.js';

export { RegexFault } from './linear-regex-parser.js';

/** One step of a compiled pattern; numbers are indexes of steps. */
type Step =
  | { kind: 'character'; test: CharacterTest }
  | { kind: 'assertion'; assertion: Assertion; next: number }
  | { kind: 'split'; next: number; other: number }
  | { kind: 'found' };

const MAX_STEPS = 5000;

/**
 * Compiles a regular expression that is found in a text in time that grows with text × pattern at most, whatever
 * the pattern: all ways through it are followed at once (Thompson's construction), where a RegExp tries one after
 * another. Tells only whether there is a match, as CEL's `matches` does.
 *
 * @throws {RegexFault} for a pattern that is not understood or too large.
 */
export function compileLinearRegex(pattern: string): (text: string) => boolean {
  if (!/[\\^$.*+?()[\]{}|]/.test(pattern)) return (text) => text.includes(pattern);
  const steps: Step[] = [];
  // From the end to the start, so that each step knows the one after it.
  const start = compileNode(parseRegex(pattern), push(steps, { kind: 'found' }), steps);
  const search = new Search(steps, start);
  return (text) => search.finds(text);
}

function push(steps: Step[], step: Step): number {
  if (steps.length >= MAX_STEPS) throw new RegexFault('it is too large');
  return steps.push(step) - 1;
}

/** Adds the steps of a node that goes on at `next`. @returns Its first step. */
function compileNode(node: RegexNode, next: number, steps: Step[]): number {
  switch (node.kind) {
    case 'character': {
      // The step after a character has to be the index below its own.
      if (next !== steps.length - 1) push(steps, { kind: 'split', next, other: next });
      return push(steps, node);
    }
    case 'assertion':
      return push(steps, { ...node, next });
    case 'sequence':
      return node.parts.reduceRight((after, part) => compileNode(part, after, steps), next);
    case 'choice':
      return node.options
        .map((option) => compileNode(option, next, steps))
        .reduce((other, option) => push(steps, { kind: 'split', next: option, other }));
    case 'repeat':
      return compileRepeat(node, next, steps);
  }
}

function compileRepeat(
  { part, least, most }: Extract<RegexNode, { kind: 'repeat' }>,
  next: number,
  steps: Step[],
): number {
  let entry = next;
  if (most === Number.POSITIVE_INFINITY) {
    const loop = { kind: 'split' as const, next, other: next };
    entry = push(steps, loop);
    loop.other = compileNode(part, entry, steps);
  } else {
    for (let i = least; i < most; i++) {
      entry = push(steps, { kind: 'split', next, other: compileNode(part, entry, steps) });
    }
  }
  for (let i = 0; i < least; i++) entry = compileNode(part, entry, steps);
  return entry;
}

/** Follows all ways through the steps at once. One search serves all texts, one after another. */
class Search {
  readonly #steps: readonly Step[];
  readonly #start: number;
  /** In which round each step was reached last; a round is one place in the text. */
  readonly #reached: Uint32Array;
  #round = 0;
  /** The character steps that wait for the next character, and those that will wait for the one after it. */
  #waiting: number[] = [];
  #coming: number[] = [];
  readonly #pending: number[] = [];

  constructor(steps: readonly Step[], start: number) {
    this.#steps = steps;
    this.#start = start;
    this.#reached = new Uint32Array(steps.length);
  }

  finds(text: string): boolean {
    this.#coming.length = 0;
    this.#nextRound();
    let at = 0;
    for (;;) {
      // A match may begin anywhere.
      if (this.#follow(this.#start, text, at)) return true;
      if (at >= text.length) return false;
      [this.#waiting, this.#coming] = [this.#coming, this.#waiting];
      this.#coming.length = 0;
      this.#nextRound();
      const codePoint = text.codePointAt(at)!;
      at += codePoint > 0xffff ? 2 : 1;
      for (const index of this.#waiting) {
        const step = this.#steps[index] as Extract<Step, { kind: 'character' }>;
        if (step.test(codePoint) && this.#follow(index - 1, text, at)) return true;
      }
    }
  }

  #nextRound(): void {
    if (++this.#round < 0xffffffff) return;
    this.#reached.fill(0);
    this.#round = 1;
  }

  /** Goes from a step to all character steps that are reached without a character. @returns Whether the end is. */
  #follow(from: number, text: string, at: number): boolean {
    const pending = this.#pending;
    pending.length = 0;
    pending.push(from);
    for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
      if (this.#reached[index] === this.#round) continue;
      this.#reached[index] = this.#round;
      const step = this.#steps[index]!;
      if (step.kind === 'found') return true;
      if (step.kind === 'character') this.#coming.push(index);
      else if (step.kind === 'split') pending.push(step.next, step.other);
      else if (holds(step.assertion, text, at)) pending.push(step.next);
    }
    return false;
  }
}

function holds(assertion: Assertion, text: string, at: number): boolean {
  if (assertion === 'start') return at === 0;
  if (assertion === 'end') return at === text.length;
  const isBoundary = isWordAt(text, at - 1) !== isWordAt(text, at);
  return isBoundary === (assertion === 'boundary');
}

function isWordAt(text: string, at: number): boolean {
  return /^\w$/.test(text.charAt(at));
}
