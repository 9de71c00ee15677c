import { escapeUnsafe } from '../../index.js';
import { isInexact, NumbersAsWritten } from './numbers-as-written.js';
import { type Color, headOf, NO_COLOR, type VisualLine } from './visual-line.js';

/** The members that say what happened, in the order in which they are shown; all others follow in the server's order. */
const FIRST = [
  ...['message', 'error', 'reason', 'status', 'state', 'previous_status', 'previous_state', 'success'],
  ...['result', 'outcome', 'error_code', 'code', 'task', 'rule_id', 'condition', 'finding'],
  ...['device_id', 'agent_id', 'name', 'hostname', 'severity', 'level'],
  ...['cpu', 'cpu_usage', 'memory', 'memory_usage', 'temperature', 'load', 'signal', 'latency', 'clients'],
];
/** The least telling members come last: the line has a time already, and ids are of little use to a reader. */
const LAST = ['execution_id', 'alert_id', 'task_id', 'id', 'uuid', 'timestamp', 'time', 'created_at'];

/** The empty name stands for all others. */
const RANKS = new Map([...FIRST, '', ...LAST].map((name, rank) => [name, rank] as const));
const rankOf = (name: string): number => RANKS.get(name) ?? FIRST.length;
/** Members whose texts speak for themselves, without their names. */
const BARE: ReadonlySet<string> = new Set(['message', 'status', 'state']);
/** Members that name what an event is about, which the line shows in a place of its own. */
const NAMING: ReadonlySet<string> = new Set(['device_id', 'agent_id', 'rule_id', 'name', 'hostname', 'id']);

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
const MAX_KEPT_NAMES = 1000;

/** Writes the members of a payload as `name=value`, nested ones as `radio.channel=36`, until the line is full. */
export class FieldWriter {
  /** The text that the members were parsed from, and the large numbers in it once one is needed. */
  #source = '';
  #numbers: NumbersAsWritten | undefined;
  #bareColor: Color = NO_COLOR;
  /** Number of fields that the line may still take. */
  #fieldsLeft = 0;
  readonly #line: VisualLine;
  readonly #limits: Limits;
  readonly #nameColor: Color;
  /** The first names, as they are printed: most come again with each event. */
  readonly #names = new Map<string, string>();

  constructor(line: VisualLine, full: boolean, nameColor: Color) {
    this.#line = line;
    this.#limits = full ? FULL : CUT;
    this.#nameColor = nameColor;
  }

  /**
   * Begins the fields of another line.
   *
   * @param source The text that the members were parsed from. @param color The color of texts without a name.
   */
  start(source: string, color: Color = NO_COLOR): void {
    this.#bareColor = color;
    this.#source = source;
    this.#numbers = undefined;
    this.#fieldsLeft = MAX_FIELDS;
  }

  /**
   * Writes the members of an event's payload.
   *
   * @param shown The name that the line shows already: members that repeat it are left out.
   */
  writeMembers(members: Record<string, unknown>, shown: string): void {
    const names = Object.keys(members).slice(0, MAX_FIELDS);
    // Insertion takes half the time of `sort`. Few names have ranks of their own, so it takes linear time.
    for (let i = 1; i < names.length; i++) {
      const name = names[i]!;
      const rank = rankOf(name);
      let at = i;
      for (; at > 0 && rankOf(names[at - 1]!) > rank; at--) names[at] = names[at - 1]!;
      names[at] = name;
    }
    for (const name of names) {
      if (this.#line.isFull) return;
      const value = members[name];
      if (value === shown && NAMING.has(name)) continue;
      if (typeof value === 'string' && BARE.has(name)) {
        this.#writeField('', this.#stringText(value), this.#bareColor);
      } else {
        this.write(name, value);
      }
    }
  }

  /**
   * Writes one member with a value of any kind.
   *
   * @param path The name with the names around it. @param key The name in the innermost object; a member of a list has
   * that of the list.
   */
  write(path: string, value: unknown, key = path, depth = 0): void {
    if (this.#line.isFull) return;
    if (typeof value !== 'object' || value === null) {
      this.#writeField(path, this.#scalarText(key, value));
    } else if (Array.isArray(value)) {
      this.#writeArray(path, value, key, depth);
    } else {
      this.#writeObject(path, value as Record<string, unknown>, depth);
    }
  }

  #writeObject(path: string, members: Record<string, unknown>, depth: number): void {
    const names = Object.keys(members);
    if (names.length === 0 || depth >= this.#limits.depth) {
      this.#writeField(path, names.length === 0 ? '{}' : '{…}');
      return;
    }
    for (const inner of names) {
      if (this.#line.isFull) return;
      this.write(`${shortened(path, MAX_PATH)}.${inner}`, members[inner], inner, depth + 1);
    }
  }

  #writeArray(path: string, items: readonly unknown[], key: string, depth: number): void {
    const isFlat = items
      .slice(0, this.#limits.items)
      .every((item) => typeof item !== 'object' || item === null);
    if (isFlat || depth >= this.#limits.depth) {
      this.#writeField(path, isFlat ? this.#listText(key, items) : '[…]');
      return;
    }
    for (let i = 0; i < items.length && !this.#line.isFull; i++) {
      this.write(`${shortened(path, MAX_PATH)}[${i}]`, items[i], key, depth + 1);
    }
  }

  #listText(key: string, items: readonly unknown[]): string {
    const shown = items.slice(0, this.#limits.items).map((item) => this.#scalarText(key, item));
    if (items.length > shown.length) shown.push(`… ${items.length - shown.length} more`);
    return `[${shown.join(', ')}]`;
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
    const shown = shortened(value, this.#limits.textLength);
    if (plainWord.test(shown)) return shown;
    if (plainWords.test(shown)) return `"${shown}"`;
    const safe = escapeUnsafe(shown);
    return needsQuotes.test(safe) || safe === '' ? `"${safe.replaceAll('"', '\\"')}"` : safe;
  }

  #writeField(path: string, value: string, color?: Color): void {
    if (this.#fieldsLeft-- <= 0) {
      this.#line.cut();
      return;
    }
    this.#line.add(' ');
    if (path !== '') this.#line.add(this.#nameOf(path), this.#nameColor);
    this.#line.add(value, color);
  }

  /** Returns a member's name as it is printed: `cpu=`. */
  #nameOf(path: string): string {
    const known = this.#names.get(path);
    if (known !== undefined) return known;
    const name = `${escapeUnsafe(shortened(path, this.#limits.nameLength))}=`;
    if (path.length <= MAX_PATH && this.#names.size < MAX_KEPT_NAMES) this.#names.set(path, name);
    return name;
  }
}

function shortened(text: string, length: number): string {
  return text.length > length ? `${headOf(text, length)}…` : text;
}

const plainWord = /^[!#-+\-./0-9:;@A-Z[\]^_`a-z{|}~]+$/;
/** Printable ASCII without a quote that has a character for which it is to stand in quotes. */
const plainWords = /^[!#-+\--<>-~]*[ ,=][ !#-~]*$/;
const needsQuotes = /[\s"=,]/;
