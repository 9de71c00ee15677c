/**
 * What an expression has to know of an event's shape before it looks at it. Looks at one event after another; what it
 * says holds until the next one.
 */
export class EventShape {
  /** How many levels of objects and arrays there are, not counted beyond one more than was asked for. */
  nesting = 0;
  readonly #mostLevels: number;
  #namesConstructor = false;

  /** @param mostLevels So far it looks. */
  constructor(mostLevels: number) {
    this.#mostLevels = mostLevels;
  }

  look(event: Record<string, unknown>): void {
    this.#namesConstructor = false;
    this.nesting = this.#nestingOf(event, this.#mostLevels);
  }

  /** The event, or a part of it, in a form that the CEL library takes for what it is. */
  readable(value: unknown): unknown {
    return this.#namesConstructor ? withMaps(value) : value;
  }

  #nestingOf(value: unknown, limit: number): number {
    if (typeof value !== 'object' || value === null) return 0;
    if (limit === 0) return 1;
    let deepest = 0;
    if (Array.isArray(value)) {
      for (const item of value) {
        if (typeof item === 'object') deepest = Math.max(deepest, this.#nestingOf(item, limit - 1));
      }
    } else {
      if (value.constructor !== Object) this.#namesConstructor = true;
      for (const name in value) {
        const member = (value as Record<string, unknown>)[name];
        if (typeof member === 'object') deepest = Math.max(deepest, this.#nestingOf(member, limit - 1));
      }
    }
    return deepest + 1;
  }
}

/**
 * The library tells maps from other values by their `constructor`, and takes an object that has a member of that name
 * for something that it cannot read.
 */
function withMaps(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(withMaps);
  return new Map(Object.entries(value).map(([name, member]) => [name, withMaps(member)]));
}
