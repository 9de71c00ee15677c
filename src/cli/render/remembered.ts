const MAX_REMEMBERED = 1024;
const MAX_REMEMBERED_LENGTH = 128;

/** Things by their text. Forgets all when there are too many, for a server may send ever new ones. */
export class Remembered<Value> {
  readonly #values = new Map<string, Value>();

  get(text: string): Value | undefined {
    return this.#values.get(text);
  }

  set<Exact extends Value>(text: string, value: Exact): Exact {
    if (text.length > MAX_REMEMBERED_LENGTH) return value;
    if (this.#values.size >= MAX_REMEMBERED) this.#values.clear();
    this.#values.set(text, value);
    return value;
  }
}
