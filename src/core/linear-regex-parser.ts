/** Whether a character (a code point) is one that the pattern wants. */
export type CharacterTest = (codePoint: number) => boolean;

/** A place in the text that takes no character. */
export type Assertion = 'start' | 'end' | 'boundary' | 'no boundary';

/** A regular expression as a tree. */
export type RegexNode =
  | { kind: 'character'; test: CharacterTest }
  | { kind: 'assertion'; assertion: Assertion }
  | { kind: 'sequence'; parts: RegexNode[] }
  | { kind: 'choice'; options: RegexNode[] }
  | { kind: 'repeat'; part: RegexNode; least: number; most: number };

/** What is wrong with a pattern, in a few words. */
export class RegexFault extends Error {}

const MAX_REPEATS = 1000;
const MAX_GROUPS_DEEP = 100;
const LINE_FEED = 0x0a;

const ASSERTIONS: Readonly<Record<string, Assertion>> = {
  '^': 'start',
  $: 'end',
  '\\A': 'start',
  '\\z': 'end',
  '\\b': 'boundary',
  '\\B': 'no boundary',
};

/**
 * Reads a pattern in the syntax that RE2 and JavaScript have in common: no back references, no looking around. A
 * leading `(?i)` ignores case.
 *
 * @throws {RegexFault}
 */
export function parseRegex(pattern: string): RegexNode {
  const ignoresCase = pattern.startsWith('(?i)');
  return new RegexParser(ignoresCase ? pattern.slice(4) : pattern, ignoresCase).parse();
}

class RegexParser {
  readonly #pattern: string;
  readonly #flags: string;
  #at = 0;
  #depth = 0;

  constructor(pattern: string, ignoresCase: boolean) {
    this.#pattern = pattern;
    this.#flags = ignoresCase ? 'ui' : 'u';
  }

  parse(): RegexNode {
    const node = this.#choice();
    if (this.#at < this.#pattern.length) throw new RegexFault('a ) has no (');
    return node;
  }

  #choice(): RegexNode {
    const options = [this.#sequence()];
    while (this.#take('|')) options.push(this.#sequence());
    return options.length === 1 ? options[0]! : { kind: 'choice', options };
  }

  #sequence(): RegexNode {
    const parts: RegexNode[] = [];
    while (this.#at < this.#pattern.length && !this.#isNext('|') && !this.#isNext(')')) {
      parts.push(this.#repeated(this.#atom()));
    }
    return { kind: 'sequence', parts };
  }

  #repeated(atom: RegexNode): RegexNode {
    const match = this.#match(/[*+?]|\{(\d{1,4})(,(\d{0,4}))?\}/y);
    if (match === undefined) return atom;
    const [least, most] = boundsOf(match);
    if (most < least || least > MAX_REPEATS || (most > MAX_REPEATS && most !== Number.POSITIVE_INFINITY)) {
      throw new RegexFault(`${match[0]} is no range up to ${MAX_REPEATS}`);
    }
    // Lazy or greedy finds the same texts.
    this.#take('?');
    if (this.#match(/[*+?]/y) !== undefined) throw new RegexFault('nothing to repeat');
    return { kind: 'repeat', part: atom, least, most };
  }

  #atom(): RegexNode {
    const group = this.#match(/\((\?:|\?P?<[A-Za-z_]\w*>)?/y);
    if (group !== undefined) return this.#group();
    const assertion = this.#match(/[\^$]|\\[AzbB]/y);
    if (assertion !== undefined) return { kind: 'assertion', assertion: ASSERTIONS[assertion[0]]! };
    if (this.#take('.')) return { kind: 'character', test: (codePoint) => codePoint !== LINE_FEED };
    if (this.#match(/[*+?]/y) !== undefined) throw new RegexFault('nothing to repeat');
    if (this.#match(/\\[1-9k]/y) !== undefined) throw new RegexFault('back references are not supported');
    const atom = this.#match(
      /\[\^?\]?(?:\\.|[^\]\\])*\]|\\[pP]\{\w+(?:=\w+)?\}|\\x[\da-fA-F]{2}|\\u[\da-fA-F]{4}|\\.|[^\\[]/suy,
    );
    if (atom === undefined) throw new RegexFault(this.#isNext('[') ? 'a [ has no ]' : 'it ends with a \\');
    return { kind: 'character', test: this.#characterTest(atom[0]) };
  }

  #group(): RegexNode {
    if (this.#isNext('?')) throw new RegexFault('looking around and flags inside are not supported');
    if (++this.#depth > MAX_GROUPS_DEEP) throw new RegexFault('groups are nested too deep');
    const node = this.#choice();
    if (!this.#take(')')) throw new RegexFault('a ( has no )');
    this.#depth--;
    return node;
  }

  /** One character is matched by JavaScript's own rules: on one character nothing can go wrong. */
  #characterTest(atom: string): CharacterTest {
    const literal = /^\\[^\w]$/u.test(atom) ? atom.slice(1) : atom;
    if (!/^[[\\]/.test(literal) || literal === '\\' || literal === '[') {
      const wanted = literal.codePointAt(0)!;
      if (this.#flags === 'u') return (codePoint) => codePoint === wanted;
    }
    const source = atom.length === 1 && /[[\]{}()*+?.\\^$|/]/.test(atom) ? `\\${atom}` : atom;
    const regex = this.#compileAtom(source);
    return remembering((codePoint) => regex.test(String.fromCodePoint(codePoint)));
  }

  #compileAtom(source: string): RegExp {
    for (const flags of [this.#flags, this.#flags.replace('u', '')]) {
      try {
        return new RegExp(`^${source}$`, flags);
      } catch {
        // The stricter of the two modes refuses harmless things like [\w-.].
      }
    }
    throw new RegexFault(`${source} means nothing`);
  }

  #match(regex: RegExp): RegExpExecArray | undefined {
    regex.lastIndex = this.#at;
    const match = regex.exec(this.#pattern);
    if (match === null) return undefined;
    this.#at = regex.lastIndex;
    return match;
  }

  #isNext(char: string): boolean {
    return this.#pattern[this.#at] === char;
  }

  #take(char: string): boolean {
    if (!this.#isNext(char)) return false;
    this.#at++;
    return true;
  }
}

function boundsOf([text, least = '', comma, most = '']: RegExpExecArray): [number, number] {
  if (text === '*') return [0, Number.POSITIVE_INFINITY];
  if (text === '+') return [1, Number.POSITIVE_INFINITY];
  if (text === '?') return [0, 1];
  if (comma === undefined) return [Number(least), Number(least)];
  return [Number(least), most === '' ? Number.POSITIVE_INFINITY : Number(most)];
}

/** Most text is ASCII, so those answers are kept. */
function remembering(test: CharacterTest): CharacterTest {
  const ascii = Array.from({ length: 128 }, (_, codePoint) => test(codePoint));
  return (codePoint) => (codePoint < 128 ? ascii[codePoint]! : test(codePoint));
}
