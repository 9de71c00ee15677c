import { escapeUnsafe } from '../../index.js';
import { Remembered } from './remembered.js';
import { widthOf } from './text-width.js';
import type { Colour, VisualLine } from './visual-line.js';

/** The members that tell most, in the order in which they are shown; all others follow as they came. */
const FIRST = [
  ...['status', 'state', 'previous_status', 'severity', 'level', 'success', 'result', 'outcome'],
  ...['error_code', 'code', 'message', 'error', 'reason', 'condition', 'finding'],
  ...['name', 'hostname', 'device_id', 'agent_id', 'rule_id', 'task'],
  ...['cpu', 'cpu_usage', 'memory', 'memory_usage', 'temperature', 'load', 'signal', 'latency', 'clients'],
];
/** What matters least comes last: who watches has the time already, and no use for ids. */
const LAST = ['execution_id', 'alert_id', 'task_id', 'id', 'uuid', 'timestamp', 'time', 'created_at'];

const AMONG_OTHERS = FIRST.length;
const RANKS: ReadonlyMap<string, number> = new Map([
  ...FIRST.map((name, index): [string, number] => [name, index]),
  ...LAST.map((name, index): [string, number] => [name, AMONG_OTHERS + 1 + index]),
]);

/** Where a member of the payload stands among the others. */
export function rankOf(name: string): number {
  return RANKS.get(name) ?? AMONG_OTHERS;
}

/** A member's name, made ready to show. */
interface Name {
  name: string;
  rank: number;
  /** `cpu=`, safe. */
  text: string;
  width: number;
  /** A blank, then the text in its colour. */
  painted: string;
}

/** In which order the members of the last payload of a kind were shown; the next one most likely has the same. */
export interface FieldOrder {
  came: readonly string[];
  shown: readonly Name[];
}

const ALL = Number.POSITIVE_INFINITY;

/** How much of a payload is shown. */
export interface Limits {
  depth: number;
  nameLength: number;
  textLength: number;
  items: number;
}
const CUT: Limits = { depth: 3, nameLength: 64, textLength: 100, items: 8 };
/** `--full`: all of it, but levels as deep as nobody reads. */
const FULL: Limits = { depth: 16, nameLength: ALL, textLength: ALL, items: ALL };

/** @param full Whether all is shown. */
export function limitsOf(full: boolean): Limits {
  return full ? FULL : CUT;
}

/** Writes the members of a payload as `name=value`, nested ones as `radio.channel=36`, until the line is full. */
export class FieldWriter {
  readonly #line: VisualLine;
  readonly #limits: Limits;
  readonly #full: boolean;
  readonly #nameColour: Colour;
  readonly #names = new Remembered<Name>();
  /** The line's own text: numbers too large for a double are copied from it. */
  #source: () => string = () => '';

  constructor(line: VisualLine, full: boolean, nameColour: Colour) {
    this.#line = line;
    this.#limits = limitsOf(full);
    this.#full = full;
    this.#nameColour = nameColour;
  }

  /**
   * @param known What the line shows already (the last token of the subject): a member that only repeats it comes last.
   * @param source Gives the text that the members were parsed from.
   * @param last The order that this method gave for another payload of this kind.
   * @returns The order of the members of this one.
   */
  writeMembers(
    members: Record<string, unknown>,
    known: string,
    source: () => string,
    last: FieldOrder | undefined,
  ): FieldOrder {
    this.#source = source;
    const names = Object.keys(members);
    const order = last !== undefined && isSame(last.came, names) ? last : this.#orderOf(names);
    let repeated: Name | undefined;
    for (const name of order.shown) {
      if (this.#line.isFull) return order;
      const value = members[name.name];
      if (value === known && known !== '' && repeated === undefined) repeated = name;
      else this.#writeNamed(name, value, 0);
    }
    if (repeated !== undefined) this.#writeNamed(repeated, known, 0);
    return order;
  }

  /** Writes one member, whatever its value is. */
  write(name: string, value: unknown, depth = 0): void {
    this.#writeNamed(this.#names.get(name) ?? this.#newName(name), value, depth);
  }

  #writeNamed(name: Name, value: unknown, depth: number): void {
    if (this.#line.isFull) return;
    if (typeof value !== 'object' || value === null) {
      this.#writeScalar(name, value);
    } else if (Array.isArray(value)) {
      this.#writeArray(name, value, depth);
    } else {
      this.#writeObject(name, value as Record<string, unknown>, depth);
    }
  }

  #writeObject(name: Name, members: Record<string, unknown>, depth: number): void {
    const names = Object.keys(members);
    if (names.length === 0 || depth >= this.#limits.depth) {
      this.#writeField(name, names.length === 0 ? '{}' : '{…}');
      return;
    }
    for (const inner of names) {
      if (this.#line.isFull) return;
      this.write(`${name.name}.${inner}`, members[inner], depth + 1);
    }
  }

  #writeArray(name: Name, items: readonly unknown[], depth: number): void {
    const isFlat = items
      .slice(0, this.#limits.items)
      .every((item) => typeof item !== 'object' || item === null);
    if (isFlat || depth >= this.#limits.depth) {
      this.#writeField(name, isFlat ? this.#listText(name.name, items) : '[…]');
      return;
    }
    for (let i = 0; i < items.length && !this.#line.isFull; i++) {
      this.write(`${name.name}[${i}]`, items[i], depth + 1);
    }
  }

  #listText(name: string, items: readonly unknown[]): string {
    const shown = items.slice(0, this.#limits.items).map((item) => this.#scalarText(name, item));
    if (items.length > shown.length) shown.push(`… ${items.length - shown.length} more`);
    return `[${shown.join(', ')}]`;
  }

  #writeScalar(name: Name, value: unknown): void {
    const isWord = typeof value === 'string' && value.length <= CUT.textLength && plainWord.test(value);
    const text = isWord ? value : this.#scalarText(name.name, value);
    this.#writeField(name, text, isWord || typeof value !== 'string' ? text.length : this.#widthOf(text));
  }

  #scalarText(name: string, value: unknown): string {
    if (typeof value === 'string') return this.#stringText(value);
    if (typeof value === 'number' && !Number.isSafeInteger(value) && Math.abs(value) >= 2 ** 53) {
      return numberAsWritten(this.#source(), name, value);
    }
    return typeof value === 'object' && value !== null ? '{…}' : String(value);
  }

  #stringText(value: string): string {
    const isLong = value.length > this.#limits.textLength;
    const shown = isLong ? `${headOf(value, this.#limits.textLength)}…` : value;
    if (plainWord.test(shown)) return shown;
    const safe = escapeUnsafe(shown);
    return needsQuotes.test(safe) || safe === '' ? `"${safe.replaceAll('"', '\\"')}"` : safe;
  }

  #writeField(name: Name, value: string, width = this.#widthOf(value)): void {
    const line = this.#line;
    if (line.addWhole(name.painted + value, 1 + name.width + width)) return;
    line.add(' ', 1);
    line.add(name.text, name.width, this.#nameColour);
    line.add(value, width);
  }

  /** A line that is never cut need not be measured, and measuring takes as long as all the rest. */
  #widthOf(text: string): number {
    return this.#full ? text.length : widthOf(text);
  }

  #newName(name: string): Name {
    const { nameLength } = this.#limits;
    const shown = name.length > nameLength ? `${headOf(name, nameLength)}…` : name;
    const text = `${escapeUnsafe(shown)}=`;
    const { open, close } = this.#nameColour;
    return this.#names.set(name, {
      name,
      rank: rankOf(name),
      text,
      width: widthOf(text),
      painted: ` ${open}${text}${close}`,
    });
  }

  /** An insertion sort, for few names have a rank of their own and the others stay as they came. */
  #orderOf(names: readonly string[]): FieldOrder {
    const shown: Name[] = [];
    for (const text of names) {
      const name = this.#names.get(text) ?? this.#newName(text);
      let at = shown.length;
      while (at > 0 && shown[at - 1]!.rank > name.rank) {
        shown[at] = shown[at - 1]!;
        at--;
      }
      shown[at] = name;
    }
    return { came: names, shown };
  }
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}

const plainWord = /^[!#-+\-./0-9:;@A-Z[\]^_`a-z{|}~]+$/;
const needsQuotes = /[\s"=,]/;

/** The beginning of a text; a pair of surrogates is not cut in two. */
function headOf(text: string, length: number): string {
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length);
}

/** A number as it stands in the text, for a double has lost its last digits. */
function numberAsWritten(text: string, path: string, value: number): string {
  const name =
    path
      .replace(/\[\d+\]$/, '')
      .split('.')
      .pop() ?? '';
  const from = Math.max(0, text.indexOf(`${JSON.stringify(name)}:`));
  const digits = /-?\d[\d.eE+-]*/g;
  digits.lastIndex = from;
  for (let tries = 0; tries < 100; tries++) {
    const match = digits.exec(text);
    if (match === null) break;
    if (Number(match[0]) === value) return match[0].length > 40 ? `${match[0].slice(0, 40)}…` : match[0];
  }
  return String(value);
}
