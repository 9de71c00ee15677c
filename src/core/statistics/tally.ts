/** How often a name occurred. */
export interface NamedCount {
  name: string;
  count: number;
}

/** The count of a name, and anything that its user wants to keep with it. */
export interface Entry<Extra> extends NamedCount {
  extra: Extra | undefined;
}

/** Longer names are cut: memory must not grow with what a server sends. */
const MAX_NAME = 200;

/** Cuts a long name. The result is a copy: a part of a text keeps the whole text alive. */
export function shortName(name: string): string {
  if (name.length <= MAX_NAME) return name;
  const head = name.slice(0, MAX_NAME - 1).replace(/[\ud800-\udbff]$/, '');
  return Buffer.from(`${head}…`, 'utf16le').toString('utf16le');
}

/**
 * Counts by name in bounded memory. While there are few different names all counts are exact. When there are too many,
 * the rarest are dropped; later counts of a dropped name begin at 0 again.
 */
export class Tally<Extra = never> {
  readonly #entries = new Map<string, Entry<Extra>>();
  /** The entry of the last name: names come in runs. */
  #last: Entry<Extra> | undefined;
  /** How often names were dropped. Entries that {@link add} has returned before may be among them. */
  prunes = 0;

  /** @param capacity Number of names that are surely kept; at most twice as many are. */
  constructor(private readonly capacity: number) {}

  /** Counts one and returns the entry of the name. */
  add(name: string): Entry<Extra> {
    let entry = this.#last;
    if (entry === undefined || entry.name !== name) {
      entry = this.#entryOf(name);
      this.#last = entry;
    }
    entry.count++;
    return entry;
  }

  #entryOf(name: string): Entry<Extra> {
    const known = this.#entries.get(name);
    if (known !== undefined) return known;
    if (name.length > MAX_NAME) return this.#entryOf(shortName(name));
    if (this.#entries.size >= 2 * this.capacity) this.#prune();
    const entry = { name, count: 0, extra: undefined };
    this.#entries.set(name, entry);
    return entry;
  }

  #prune(): void {
    for (const { name } of this.sorted().slice(this.capacity)) this.#entries.delete(name);
    this.prunes++;
  }

  /** Returns the counts by name, the most frequent first, equal counts by name. */
  sorted(): NamedCount[] {
    return [...this.#entries.values()]
      .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
      .map(({ name, count }) => ({ name, count }));
  }

  /** `false` when names were dropped. */
  get isExact(): boolean {
    return this.prunes === 0;
  }

  /** Number of different names that are kept. */
  get size(): number {
    return this.#entries.size;
  }
}
