/** Longer names are cut: memory must not grow with what a server sends. */
const MAX_NAME = 200;

/** Something that is counted, and whatever whoever counts it wants to keep with its name. */
export interface Counted<Extra> {
  readonly name: string;
  extra: Extra | undefined;
  count: number;
}

/**
 * Counts by name in bounded memory. All counts are exact while there are few different names; when there are too many
 * the rarest are given up, and of those that are left a count may be too small by what was counted before.
 */
export class Tally<Extra = never> {
  readonly #capacity: number;
  readonly #entries = new Map<string, Counted<Extra>>();
  /** The entry of the name that came last: names come in runs. */
  #last: Counted<Extra> | undefined;
  #othersCount = 0;

  /** @param capacity So many names are surely kept; twice as many at most. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Counts one and returns the entry of the name. */
  add(name: string): Counted<Extra> {
    let entry = this.#last;
    if (entry === undefined || entry.name !== name) {
      entry = this.#entryOf(name);
      this.#last = entry;
    }
    entry.count++;
    return entry;
  }

  #entryOf(name: string): Counted<Extra> {
    const known = this.#entries.get(name);
    if (known !== undefined) return known;
    if (name.length > MAX_NAME) return this.#entryOf(`${name.slice(0, MAX_NAME - 1)}…`);
    if (this.#entries.size >= 2 * this.#capacity) this.#prune();
    const entry = { name, count: 0, extra: undefined };
    this.#entries.set(name, entry);
    return entry;
  }

  #prune(): void {
    for (const rare of this.sorted().slice(this.#capacity)) {
      this.#entries.delete(rare.name);
      this.#othersCount += rare.count;
    }
  }

  /** The counts by name, the most frequent first, equal ones by name. */
  sorted(): { name: string; count: number }[] {
    return [...this.#entries.values()]
      .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
      .map(({ name, count }) => ({ name, count }));
  }

  /** How many different names there are, of those that are still known. */
  get size(): number {
    return this.#entries.size;
  }

  /** How many were counted for names that have been given up; 0 = all counts are exact. */
  get othersCount(): number {
    return this.#othersCount;
  }
}
