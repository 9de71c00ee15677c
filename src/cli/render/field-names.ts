import { rankOf } from './fields.js';
import { KnownSpans } from './known-spans.js';
import { type Part, partOf } from './part.js';
import { STATE_MEMBERS } from './tone.js';
import type { Colour } from './visual-line.js';

/** What a member is for the line that tells of its event. */
export type Role = 'type' | 'subject' | 'data' | 'ours' | 'field';

const ROLES: ReadonlyMap<string, Role> = new Map([
  ['type', 'type'],
  ['subject', 'subject'],
  ['data', 'data'],
  ['received_at', 'ours'],
  ['endpoint', 'ours'],
]);

/** A member's name at its place in the event, made ready to be written. */
export interface FieldName {
  readonly id: number;
  readonly role: Role;
  /** As it stands in JSON. */
  readonly key: Uint8Array;
  /** As it is shown: `radio.channel`. */
  readonly path: string;
  readonly rank: number;
  /** Which of `STATE_MEMBERS` it is; one more: `success`; -1: none. */
  readonly state: number;
  /** A blank, then `radio.channel=` in its colour. */
  readonly painted: Part;
  /** Columns of the name and its `=`. */
  readonly width: number;
  /** The number of the last line that had it. */
  seen: number;
  /** What came as its first member, and as the next one after it, when it was last looked up. */
  first: FieldName | undefined;
  next: FieldName | undefined;
}

/** The names of all members met lately. */
export class FieldNames {
  /** The owners of an event's members, and of those of its payload. */
  readonly event: FieldName;
  readonly data: FieldName;
  readonly #known = new KnownSpans<FieldName>();
  readonly #colour: Colour;
  #count = 0;

  constructor(colour: Colour) {
    this.#colour = colour;
    this.event = this.#create(new Uint8Array(), '', 'field', -1);
    this.data = this.#create(new Uint8Array(), '', 'field', -1);
  }

  /** Before each line. Never within one: a name must be the same thing whenever it comes again. */
  makeRoom(): void {
    if (!this.#known.isFull) return;
    this.#known.clear();
    // All that is forgotten can be reached from these only.
    this.event.first = undefined;
    this.data.first = undefined;
  }

  /** The name whose key is `bytes[start..end)`: printable ASCII without escapes. */
  get(bytes: Buffer, start: number, end: number, owner: FieldName): FieldName {
    return this.#known.get(bytes, start, end, owner.id) ?? this.#newName(bytes, start, end, owner);
  }

  #newName(bytes: Buffer, start: number, end: number, owner: FieldName): FieldName {
    const text = bytes.toString('latin1', start, end);
    const key = Uint8Array.prototype.slice.call(bytes, start, end);
    const role = (owner === this.event && ROLES.get(text)) || 'field';
    const state = owner === this.data ? [...STATE_MEMBERS, 'success'].indexOf(text) : -1;
    const path = owner.path === '' ? text : `${owner.path}.${text}`;
    return this.#known.set(bytes, start, end, this.#create(key, path, role, state), owner.id);
  }

  #create(key: Uint8Array, path: string, role: Role, state: number): FieldName {
    const { open, close } = this.#colour;
    return {
      id: ++this.#count,
      role,
      key,
      path,
      rank: rankOf(path),
      state,
      painted: partOf(` ${open}${path}=${close}`),
      width: path.length + 1,
      seen: -1,
      first: undefined,
      next: undefined,
    };
  }
}
