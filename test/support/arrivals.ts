/** Things that arrive one by one, and tests that wait for them. Nothing that arrived before the question is missed. */
export class Arrivals<T> {
  /** All that has arrived, taken or not. */
  readonly all: T[] = [];
  readonly #what: string;
  #taken = 0;
  #ended = false;
  #wake: (() => void)[] = [];

  /** @param what Names what is waited for in the error when it never comes. */
  constructor(what: string) {
    this.#what = what;
  }

  add(item: T): void {
    this.all.push(item);
    this.#wakeUp();
  }

  /** Nothing more will come. */
  end(): void {
    this.#ended = true;
    this.#wakeUp();
  }

  /** The next one that nobody has taken yet; those that do not match are passed over. */
  async next(matches: (item: T) => boolean = () => true): Promise<T> {
    for (;;) {
      while (this.#taken < this.all.length) {
        const item = this.all[this.#taken++]!;
        if (matches(item)) return item;
      }
      if (this.#ended) throw new Error(`${this.#what}: ended after ${this.all.length}: ${this.#lastOnes()}`);
      await this.#change();
    }
  }

  /** Resolves when so many have arrived in all. */
  async count(least: number): Promise<void> {
    while (this.all.length < least) {
      if (this.#ended) throw new Error(`${this.#what}: ended after ${this.all.length} of ${least}`);
      await this.#change();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #wakeUp(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const resolve of waiting) resolve();
  }

  #lastOnes(): string {
    return this.all
      .slice(-10)
      .map((item) => (typeof item === 'string' ? item : typeof item))
      .join('\n');
  }
}
