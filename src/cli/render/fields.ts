import { escapeUnsafe } from '../../index.js';
import { isInexact, NumbersAsWritten } from './numbers-as-written.js';
import type { Color } from './severity.js';
import { headOf, type VisualLine, widthOf } from './visual-line.js';
import { BoundedCache } from './words.js';

/** The most telling members, in the order in which they are shown; all others follow in the server's order. */
const FIRST = [
  ...['status', 'state', 'previous_status', 'severity', 'level', 'success', 'result', 'outcome'],
  ...['error_code', 'code', 'message', 'error', 'reason', 'condition', 'finding'],
  ...['name', 'hostname', 'device_id', 'agent_id', 'rule_id', 'task'],
  ...['cpu', 'cpu_usage', 'memory', 'memory_usage', 'temperature', 'load', 'signal', 'latency', 'clients'],
];
/** The least telling members come last: the line has a time already, and ids are of little use to a reader. */
const LAST = ['execution_id', 'alert_id', 'task_id', 'id', 'uuid', 'timestamp', 'time', 'created_at'];

const AMONG_OTHERS = FIRST.length;
const RANKS: ReadonlyMap<string, number> = new Map([
  ...FIRST.map((name, index): [string, number] => [name, index]),
  ...LAST.map((name, index): [string, number] => [name, AMONG_OTHERS + 1 + index]),
]);

/** A member's name, prepared for printing. */
interface Name {
  name: string;
  /** The name in the innermost object; a member of a list has that of the list. */
  key: string;
  rank: number;
  /** `cpu=`, safe to print. */
  text: string;
  width: number;
  /** A space, then the text in its color. */
  painted: string;
}

/** The members of a payload: as the server ordered them, and as they are shown. */
interface FieldOrder {
  received: readonly string[];
  shown: readonly Name[];
}

/** Limits to how much of a payload is shown. */
interface Limits {
  depth: number;
  nameLength: number;
  textLength: number;
  items: number;
}
const CUT: Limits = { depth: 3, nameLength: 64, textLength: 100, items: 8 };
/** For `--full`: limits that no real payload reaches. */
const FULL: Limits = { depth: 16, nameLength: 1024 * 1024, textLength: 16 * 1024 * 1024, items: 100_000 };
/** A line with more fields is cut, even with `--full`. */
const MAX_FIELDS = 100_000;
/** Length of the names around a nested member that are repeated in front of it. */
const MAX_PATH = 256;
/** The order of more names is not remembered, because a server may send ever new ones. */
const MAX_KEPT_NAMES = 64;

/** Writes the members of a payload as `name=value`, nested ones as `radio.channel=36`, until the line is full. */
export class FieldWriter {
  /** The text that the members were parsed from, and the large numbers in it once one is needed. */
  #source = '';
  #numbers: NumbersAsWritten | undefined;
  /** Number of fields that the line may still take. */
  #fieldsLeft = 0;
  readonly #line: VisualLine;
  readonly #limits: Limits;
  readonly #full: boolean;
  readonly #nameColor: Color;
  readonly #names = new BoundedCache<Name>();
  /** The order of the last payload of each type; the next payload most likely has the same. */
  readonly #orders = new BoundedCache<FieldOrder>();

  constructor(line: VisualLine, full: boolean, nameColor: Color) {
    this.#line = line;
    this.#limits = full ? FULL : CUT;
    this.#full = full;
    this.#nameColor = nameColor;
  }

  /** Begins the fields of another line. @param source The text that the members were parsed from. */
  start(source: string): void {
    this.#source = source;
    this.#numbers = undefined;
    this.#fieldsLeft = MAX_FIELDS;
  }

  /**
   * Writes the members of an event's payload.
   *
   * @param type The event's type.
   * @param shown The last token of the subject. The line shows it already, so a member that repeats it comes last.
   */
  writeMembers(members: Record<string, unknown>, type: string, shown: string): void {
    let repeated: Name | undefined;
    for (const name of this.#orderOf(type, Object.keys(members))) {
      if (this.#line.isFull) return;
      const value = members[name.name];
      if (value === shown && shown !== '' && repeated === undefined) repeated = name;
      else this.#writeNamed(name, value, 0);
    }
    if (repeated !== undefined) this.#writeNamed(repeated, shown, 0);
  }

  /** Writes one member with a value of any kind. */
  write(name: string, value: unknown): void {
    this.#writeNamed(this.#names.get(name) ?? this.#newName(name), value, 0);
  }

  /** Writes a value that is nested. Its name begins with the names around it, of which each line takes so much only. */
  #writeInner(outer: Name, inner: string, key: string, value: unknown, depth: number): void {
    const path = outer.name.length > MAX_PATH ? `${headOf(outer.name, MAX_PATH)}…` : outer.name;
    const name = `${path}${inner}`;
    this.#writeNamed(this.#names.get(name) ?? this.#newName(name, key), value, depth);
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
      this.#writeInner(name, `.${inner}`, inner, members[inner], depth + 1);
    }
  }

  #writeArray(name: Name, items: readonly unknown[], depth: number): void {
    const isFlat = items
      .slice(0, this.#limits.items)
      .every((item) => typeof item !== 'object' || item === null);
    if (isFlat || depth >= this.#limits.depth) {
      this.#writeField(name, isFlat ? this.#listText(name.key, items) : '[…]');
      return;
    }
    for (let i = 0; i < items.length && !this.#line.isFull; i++) {
      this.#writeInner(name, `[${i}]`, name.key, items[i], depth + 1);
    }
  }

  #listText(key: string, items: readonly unknown[]): string {
    const shown = items.slice(0, this.#limits.items).map((item) => this.#scalarText(key, item));
    if (items.length > shown.length) shown.push(`… ${items.length - shown.length} more`);
    return `[${shown.join(', ')}]`;
  }

  #writeScalar(name: Name, value: unknown): void {
    const isWord = typeof value === 'string' && value.length <= CUT.textLength && plainWord.test(value);
    const text = isWord ? value : this.#scalarText(name.key, value);
    this.#writeField(name, text, isWord || typeof value !== 'string' ? text.length : this.#widthOf(text));
  }

  #scalarText(key: string, value: unknown): string {
    if (typeof value === 'string') return this.#stringText(value);
    if (typeof value === 'number' && isInexact(value)) {
      this.#numbers ??= new NumbersAsWritten(this.#source);
      return this.#numbers.find(key, value);
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
    if (this.#fieldsLeft-- <= 0) {
      line.cut();
      return;
    }
    if (line.addWhole(name.painted + value, 1 + name.width + width)) return;
    line.add(' ', 1);
    line.add(name.text, name.width, this.#nameColor);
    line.add(value, width);
  }

  /** Does not measure for a line that is never cut: to measure takes as long as all the rest. */
  #widthOf(text: string): number {
    return this.#full ? text.length : widthOf(text);
  }

  #newName(name: string, key = name): Name {
    const { nameLength } = this.#limits;
    const shown = name.length > nameLength ? `${headOf(name, nameLength)}…` : name;
    const text = `${escapeUnsafe(shown)}=`;
    const { open, close } = this.#nameColor;
    return this.#names.set(name, {
      name,
      key,
      rank: RANKS.get(name) ?? AMONG_OTHERS,
      text,
      width: widthOf(text),
      painted: ` ${open}${text}${close}`,
    });
  }

  #orderOf(type: string, names: readonly string[]): readonly Name[] {
    const last = this.#orders.get(type);
    if (last !== undefined && isSame(last.received, names)) return last.shown;
    const order = { received: names, shown: this.#sorted(names.slice(0, MAX_FIELDS)) };
    return names.length > MAX_KEPT_NAMES ? order.shown : this.#orders.set(type, order).shown;
  }

  /** Sorts by insertion, which is fast here: most names share a rank and stay where they are. */
  #sorted(names: readonly string[]): readonly Name[] {
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
    return shown;
  }
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}

const plainWord = /^[!#-+\-./0-9:;@A-Z[\]^_`a-z{|}~]+$/;
const needsQuotes = /[\s"=,]/;
